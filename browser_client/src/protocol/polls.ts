/**
 * When each channel is polled, and from where: the sending half of rules R5–R7.
 *
 * Part of the machine in connection.ts. Not here: what answers do (catch_up.ts), HTTP
 * (io/poller.ts).
 */
import { encodeCursor, MAX_CHANNELS, MAX_CURSOR_BYTES } from "./cursors.ts";
import { BellwireError } from "./errors.ts";
import { type Audience, type Connection, NEVER, type Watch, type Work } from "./machine.ts";
import { placeOf } from "./sequence.ts";
import { hasToken } from "./sessions.ts";
import { AUDIENCES, change, changeLine, readable, refuse } from "./watches.ts";

/** As long as a position can be. */
const WIDEST = { epoch: "z".repeat(16), seq: Number.MAX_SAFE_INTEGER };
/** After SUBACK, because delivery may begin some time after it (AWS IoT developer guide, MQTT). */
const CHECKS_MS = [0, 3000, 8000];
const TAIL_CHECK_MS = 20_000;
/** Regular polls due within this ride along, so that many channels make one request. */
const COLLECT_MS = 5000;

/** Send the polls that are due, one per line. */
export function sendPolls(work: Work): void {
  for (const audience of AUDIENCES) {
    if (dueMs(work.connection, audience) > work.nowMs) continue;
    if (isForbidden(work.connection, audience)) refuseGuest(work);
    else sendPoll(work, audience);
  }
}

/** What the server would say of each private channel, said without asking it. */
function refuseGuest(work: Work): void {
  const channels = readable(work.connection, "private").map(([channel]) => channel);
  refuse(work, channels, new BellwireError("not_allowed", "found a guest, expected a login"));
}

function isForbidden({ login }: Connection, audience: Audience): boolean {
  return audience === "private" && login.token === "none";
}

/** Return when the next poll is due; a line waits for its answer in flight, or for a session. */
export function nextPollMs(connection: Connection): number {
  return Math.min(...AUDIENCES.map((audience) => dueMs(connection, audience)));
}

function dueMs(connection: Connection, audience: Audience): number {
  const line = connection.lines[audience];
  const isWaiting = line.needsToken && !hasToken(connection);
  if (line.inFlight || (isWaiting && !isForbidden(connection, audience))) return NEVER;
  const due = readable(connection, audience).map(([, watch]) =>
    Math.min(watch.checkMs, watch.gapMs),
  );
  return Math.max(line.notBeforeMs, Math.min(NEVER, ...due));
}

function sendPoll(work: Work, audience: Audience): void {
  const { connection, nowMs } = work;
  const due = readable(connection, audience).filter(([, watch]) => isDue(watch, nowMs));
  // A first request names channels, a later one is a cursor; one request cannot be both.
  const isFirst = due.some(([, watch]) => isNew(watch));
  const asked = fitting(due.filter(([, watch]) => isNew(watch) === isFirst));
  for (const [channel, watch] of asked) {
    change(work, channel, { gapMs: NEVER, ...nextCheck(work, watch) });
  }
  const id = connection.nextPollId++;
  const positions = asked.map(([channel, { sequence }]) => [channel, sequence.position] as const);
  const { needsToken } = connection.lines[audience];
  changeLine(work, audience, { inFlight: { id, needsToken, asked: new Map(positions) } });
  const query = isFirst ? `channels=${namesOf(asked)}` : `cursor=${cursorOf(asked)}`;
  work.effects.push({ kind: "Poll", id, needsToken, query });
}

type Entry = readonly [channel: string, watch: Watch];

function isNew({ sequence }: Watch): boolean {
  return placeOf(sequence) === null;
}

/** Take as many as a cursor holds, that of a first request's answer too; the rest stays due. */
function fitting(entries: readonly Entry[]): Entry[] {
  const taken = entries.slice(0, MAX_CHANNELS);
  while (cursorOf(taken).length > MAX_CURSOR_BYTES) taken.pop();
  return taken;
}

function cursorOf(entries: readonly Entry[]): string {
  return encodeCursor(
    new Map(entries.map(([channel, { sequence }]) => [channel, placeOf(sequence) ?? WIDEST])),
  );
}

function namesOf(entries: readonly Entry[]): string {
  const names = entries.map(([channel]) => encodeURIComponent(channel));
  return names.sort().join(",");
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
