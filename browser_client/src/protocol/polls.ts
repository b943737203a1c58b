/**
 * When each channel is polled, and from where: the sending half of rules R5–R7.
 *
 * Part of the machine in connection.ts. Not here: what answers do (catch_up.ts), HTTP
 * (io/poller.ts).
 */
import { encodeCursor } from "./cursors.ts";
import { type Audience, type Connection, NEVER, type Watch, type Work } from "./machine.ts";
import type { Position } from "./updates.ts";
import { AUDIENCES, change, changeLine, readable } from "./watches.ts";

const MAX_NAMES = 50;
/** After SUBACK, because delivery may begin some time after it (AWS IoT developer guide, MQTT). */
const CHECKS_MS = [0, 3000, 8000];
const TAIL_CHECK_MS = 20_000;
/** Regular polls due within this ride along, so that many channels make one request. */
const COLLECT_MS = 5000;

/** Send the polls that are due, one per line. */
export function sendPolls(work: Work): void {
  for (const audience of AUDIENCES) {
    const line = work.connection.lines[audience];
    if (dueMs(work.connection, audience) <= work.nowMs && !line.inFlight) sendPoll(work, audience);
  }
}

/** Return when the next poll is due; a line in flight waits for its answer. */
export function nextPollMs(connection: Connection): number {
  return Math.min(...AUDIENCES.map((audience) => dueMs(connection, audience)));
}

function dueMs(connection: Connection, audience: Audience): number {
  const line = connection.lines[audience];
  if (line.inFlight) return NEVER;
  const due = readable(connection, audience).map(([, watch]) =>
    Math.min(watch.checkMs, watch.gapMs),
  );
  return Math.max(line.notBeforeMs, Math.min(NEVER, ...due));
}

function sendPoll(work: Work, audience: Audience): void {
  const { connection, nowMs } = work;
  const due = readable(connection, audience).filter(([, watch]) => isDue(watch, nowMs));
  // A first request names channels, a later one is a cursor; one request cannot be both.
  const isFirst = due.some(([, { sequence }]) => sequence.position === null);
  const asked = new Map<string, Position | null>();
  for (const [channel, watch] of due) {
    const { position } = watch.sequence;
    if ((position === null) !== isFirst || asked.size === MAX_NAMES) continue;
    asked.set(channel, position);
    change(work, channel, { gapMs: NEVER, ...nextCheck(work, watch) });
  }
  const id = connection.nextPollId++;
  changeLine(work, audience, { inFlight: { id, asked } });
  work.effects.push({ kind: "Poll", id, isPublic: audience === "public", query: queryOf(asked) });
}

function isDue(watch: Watch, nowMs: number): boolean {
  // The checks after SUBACK keep their times: they are there to be late.
  const collectMs = isChecking(watch) ? 0 : COLLECT_MS;
  return watch.gapMs <= nowMs || watch.checkMs <= nowMs + collectMs;
}

/** Tell whether some of the checks after SUBACK are still to be sent. */
export function isChecking({ subscription, checks }: Watch): boolean {
  return subscription === "granted" && checks < CHECKS_MS.length;
}

function queryOf(asked: ReadonlyMap<string, Position | null>): string {
  const positions = new Map<string, Position>();
  for (const [channel, position] of asked) if (position) positions.set(channel, position);
  if (positions.size > 0) return `cursor=${encodeCursor(positions)}`;
  return `channels=${[...asked.keys()].sort().map(encodeURIComponent).join(",")}`;
}

/** Return the check after the one that is being sent [R7]; polled channels go by the answer. */
function nextCheck(work: Work, watch: Watch): Pick<Watch, "checks" | "checkMs"> {
  if (watch.subscription !== "granted") return { checks: 0, checkMs: NEVER };
  const { checkMs: dueMs, checks: sent } = watch;
  const isEarly = dueMs > work.nowMs && sent < CHECKS_MS.length;
  if (isEarly) return { checks: sent, checkMs: dueMs };
  const checks = sent + 1;
  const afterMs = CHECKS_MS[checks];
  const checkMs =
    afterMs === undefined ? work.nowMs + tailCheckMs(work) : watch.subscribedMs + afterMs;
  return { checks, checkMs };
}

export function tailCheckMs({ random }: Work): number {
  return TAIL_CHECK_MS * (0.75 + 0.5 * random);
}
