/** What the panel says: a row of the story, the verdict, the faults in force. Pure. */

import { formatCount, formatPercent, formatSeconds } from "../formats.ts";
import type { FaultWords } from "./faults.ts";
import type { Counts, Row, RowKind } from "./story.ts";

/** Beside the words, for the eye: `trouble` has a mark and a colour, `repair` others. */
export type Tone = "trouble" | "repair" | "plain";

const TROUBLES: ReadonlySet<RowKind> = new Set([
  "lost",
  "refused",
  "offline",
  "failed",
  "missing",
  "poll-failed",
  "unrenewed",
  "unreadable",
  "reset",
]);
const REPAIRS: ReadonlySet<RowKind> = new Set(["live", "filled", "late-came"]);
const CHANCES: ReadonlySet<string> = new Set([
  ...["drop", "duplicate", "reorder", "refuse", "hijack", "throttle", "publish_403"],
  ...["lifecycle_double", "lifecycle_swap"],
]);

export function toneOf({ kind }: Row): Tone {
  if (TROUBLES.has(kind)) return "trouble";
  return REPAIRS.has(kind) ? "repair" : "plain";
}

/** Say what happened: `2 updates missing on public/host, waiting`. */
export function rowWords(row: Row): string {
  const often = row.times > 1 ? `, ${formatCount(row.times)} times` : "";
  return row.kind === "polled" ? polledWords(row) : SENTENCES[row.kind](row) + often;
}

const SENTENCES: Readonly<Record<Exclude<RowKind, "polled">, (row: Row) => string>> = {
  lost: () => "Socket lost",
  refused: () => "Socket refused",
  opened: () => "Socket open again",
  live: ({ lastedMs }) => (lastedMs > 0 ? `Live again after ${formatSeconds(lastedMs)}` : "Live"),
  polling: () => "Polling over HTTP meanwhile",
  offline: () => "Offline: neither socket nor poll",
  failed: () => "Given up: refused for good",
  renewed: () => "New credentials",
  unrenewed: () => "No new credentials yet",
  missing: ({ amount, channel }) => `${updates(amount)} missing on ${channel}, waiting`,
  "late-came": ({ channel }) => `The missing came late on ${channel}: nothing to ask`,
  asked: ({ amount, channel }) => `Asked the log of ${channel} from ${formatCount(amount)}`,
  filled: ({ amount, channel }) => `Filled: ${updates(amount)} of ${channel}`,
  "poll-failed": () => "A poll failed",
  double: ({ channel }) => `Duplicate dropped on ${channel}`,
  late: ({ channel }) => `Came too late on ${channel}, had it already`,
  unreadable: ({ channel }) => `Unreadable message on ${channel}`,
  reset: ({ channel }) => `Continuity lost on ${channel}: whole state taken anew`,
};

function polledWords({ times, amount, channel }: Row): string {
  const often = times > 1 ? `Polled ${formatCount(times)} times` : "Polled";
  return `${often}: ${updates(amount)} of ${channel}`;
}

function updates(amount: number): string {
  return `${formatCount(amount)} ${amount === 1 ? "update" : "updates"}`;
}

/** Say whether the promise is kept: `lost 0 · doubled 0 · out of order 0`; it breaks only between the three. */
export function verdictWords({ lost, doubled, outOfOrder }: Counts): string {
  const [one, two, three] = [lost, doubled, outOfOrder].map(formatCount);
  const words = [`lost ${one}`, `doubled ${two}`, `out of order ${three}`];
  return words.map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");
}

export function isKept({ lost, doubled, outOfOrder }: Counts): boolean {
  return lost + doubled + outOfOrder === 0;
}

/** Sum it up for who listens instead of looking. */
export function summaryWords(counts: Counts): string {
  const { gaps, filled } = counts;
  const gapWords = gaps === 1 ? "1 gap" : `${formatCount(gaps)} gaps`;
  return `${gapWords}, ${updates(filled)} filled from the log; ${verdictWords(counts)}`;
}

/** List what is in force: `drop 10.0 %, cut after 10s`; `nothing` without faults. */
export function faultWords(faults: FaultWords): string {
  const words = Object.entries(faults)
    .filter(([name]) => name !== "seed")
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${valueWords(name, value)}`);
  return words.join(", ") || "nothing";
}

function valueWords(name: string, value: unknown): string {
  return CHANCES.has(name) && typeof value === "number"
    ? formatPercent(value * 100).replace(".0", "")
    : String(value);
}
