/**
 * One channel held to its promise: what came over the wire against what the application was told.
 *
 * It judges by numbers alone and asks nothing of the client's own bookkeeping. A number that is passed
 * over is lost, unless a message or an answer that covers it leaves it out: then a newer value of
 * the same key has taken its place (PROTOCOL.md, conflation). Not here: the words (words.ts).
 */

import type { SequenceOutput, Update } from "../../src/protocol/sequence.ts";
import type { Envelope, Position } from "../../src/protocol/updates.ts";

/** The numbers `after`+1 … `last` of one epoch, as an envelope or a poll's answer covers them. */
export type Run = Omit<Envelope, "channel">;

/** How a message met what had been told by then. */
export type Arrival =
  | { readonly kind: "fits" | "double" | "late" | "unknown" }
  /** So many numbers before it have come by no road yet. */
  | { readonly kind: "gap"; readonly missing: number };

/** What went wrong so far, in updates; a number told after its turn is lost and out of order. */
export interface Verdict {
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
}

type Piece = readonly [after: number, last: number];

/** The client holds back 64 envelopes at most. */
const RUNS_KEPT = 200;
const NUMBERS_KEPT = 2_000;

export class ChannelLedger {
  #verdict: Verdict = { lost: 0, doubled: 0, outOfOrder: 0 };
  #place: Position | null = null;
  #snapshot: Position | null = null;
  #runs: Run[] = [];
  readonly #seenRuns = new Set<string>();
  readonly #told = new Set<string>();

  /** The last number told, or of the snapshot that was; null before the first. */
  get place(): Position | null {
    return this.#place;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  /** Whether something has come that what was told does not reach yet. */
  get isBehind(): boolean {
    const place = this.#place;
    return this.#runs.some(({ epoch, last }) => epoch === place?.epoch && last > place.seq);
  }

  /** Note what covers these numbers; say how it met them. */
  takeRun(run: Run): Arrival {
    const arrival = this.#meet(run);
    keep(this.#seenRuns, nameOf(run), RUNS_KEPT);
    this.#runs = [...this.#runs, run].slice(-RUNS_KEPT);
    return arrival;
  }

  /** Note where a whole state stands that may be told next. */
  takeSnapshot(place: Position): void {
    this.#snapshot = place;
  }

  /** Judge what the application is told; return how many updates that were, a snapshot's aside. */
  judge(outputs: readonly SequenceOutput[], isFirst: boolean): number {
    const isAnew = isFirst || outputs.some(({ kind }) => kind === "reset");
    const updates = outputs.flatMap((output) => (output.kind === "update" ? [output.update] : []));
    if (isAnew) this.#place = this.#snapshot;
    const judged = isAnew ? updates.filter((update) => !this.#isInSnapshot(update)) : updates;
    for (const update of judged) this.#judgeOne(update);
    this.#runs = this.#runs.filter(
      ({ epoch, last }) => epoch !== this.#place?.epoch || last > this.#place.seq,
    );
    return judged.length;
  }

  #meet(run: Run): Arrival {
    const place = this.#place;
    const isSeen = this.#seenRuns.has(nameOf(run));
    if (place === null || run.epoch !== place.epoch || run.after === run.last) {
      return { kind: "unknown" };
    }
    if (isSeen) return { kind: "double" };
    if (run.last <= place.seq) return { kind: "late" };
    const missing = run.after - place.seq - count(this.#piecesOf(run.epoch), place.seq, run.after);
    return missing > 0 ? { kind: "gap", missing } : { kind: "fits" };
  }

  #piecesOf(epoch: string): Piece[] {
    return this.#runs.filter((run) => run.epoch === epoch).map(({ after, last }) => [after, last]);
  }

  #isInSnapshot({ epoch, seq }: Update): boolean {
    return this.#place === null || (epoch === this.#place.epoch && seq <= this.#place.seq);
  }

  #judgeOne({ epoch, seq }: Update): void {
    const place = this.#place ?? { epoch, seq: seq - 1 };
    const { lost, doubled, outOfOrder } = this.#verdict;
    const name = `${epoch}/${seq}`;
    if (this.#told.has(name)) this.#verdict = { lost, doubled: doubled + 1, outOfOrder };
    else if (epoch === place.epoch && seq <= place.seq) {
      this.#verdict = { lost, doubled, outOfOrder: outOfOrder + 1 };
    } else {
      const from = epoch === place.epoch ? place.seq : 0;
      const runs = this.#runs.filter((run) => run.epoch === epoch);
      const passed = seq - 1 - from - count(runs.flatMap(leftOut), from, seq - 1);
      this.#verdict = { lost: lost + passed, doubled, outOfOrder };
      this.#place = { epoch, seq };
    }
    keep(this.#told, name, NUMBERS_KEPT);
  }
}

/** Add up verdicts, of any number of channels. */
export function addVerdicts(verdicts: readonly Verdict[]): Verdict {
  const sum = (name: keyof Verdict) => verdicts.reduce((total, one) => total + one[name], 0);
  return { lost: sum("lost"), doubled: sum("doubled"), outOfOrder: sum("outOfOrder") };
}

function nameOf({ epoch, after, last }: Run): string {
  return `${epoch}/${after}/${last}`;
}

function keep(names: Set<string>, name: string, most: number): void {
  names.add(name);
  for (const oldest of names) {
    if (names.size <= most) return;
    names.delete(oldest);
  }
}

/** The numbers that a run covers without telling them. */
function leftOut({ after, updates }: Run): Piece[] {
  return updates.map(({ s }, index) => [updates[index - 1]?.s ?? after, s - 1]);
}

/** Count the numbers of `from`+1 … `to` that lie in at least one of the pieces. */
function count(pieces: readonly Piece[], from: number, to: number): number {
  let reached = from;
  let counted = 0;
  for (const [after, last] of pieces.toSorted(([a], [b]) => a - b)) {
    const start = Math.max(after, reached);
    const end = Math.min(last, to);
    if (end <= start) continue;
    counted += end - start;
    reached = end;
  }
  return counted;
}
