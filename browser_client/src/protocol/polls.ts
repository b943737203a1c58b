/**
 * When each channel is polled, and from where: the sending half of rules R5–R7.
 *
 * Part of the machine in connection.ts. Not here: what answers do (catch_up.ts), HTTP
 * (io/poller.ts).
 */
import { encodeCursor, MAX_CHANNELS, MAX_CURSOR_BYTES, type Place } from "./cursors.ts";
import { type Audience, type Draft, NEVER, type Watch, type Work } from "./machine.ts";
import { placeOf } from "./sequence.ts";
import { hasToken } from "./sessions.ts";
import { AUDIENCES, isGranted, readable } from "./watches.ts";

/** What the rows of a cursor may take: base64 makes four bytes of three. */
const MAX_ROWS_BYTES = 0.75 * MAX_CURSOR_BYTES - 20;
/** A row beside its channel's name: 16 characters of epoch, 16 of seq, and marks. */
const ROW_BYTES = 41;
/** A page's key: 256 bytes, each escaped at the worst. */
const PAGE_BYTES = 6 * 256 + 3;
/**
 * After SUBACK, each from the one before, because delivery may begin some time after it.
 * Source: AWS IoT developer guide, "MQTT".
 */
const CHECKS_MS = [0, 3000, 5000];
const TAIL_CHECK_MS = 20_000;
/** Regular polls due within this ride along, so that many channels make one request. */
const COLLECT_MS = 5000;

/** Send the polls that are due, one per line. */
export function sendPolls(work: Work): void {
  for (const audience of AUDIENCES) {
    if (dueMs(work, audience) <= work.nowMs) sendPoll(work, audience);
  }
}

/** Return when the next poll is due; a line waits for its answer in flight, or for a session. */
export function nextPollMs(work: Work): number {
  return Math.min(...AUDIENCES.map((audience) => dueMs(work, audience)));
}

function dueMs(work: Work, audience: Audience): number {
  const line = work.lines[audience];
  if (line.inFlight || (line.needsToken && !hasToken(work.login))) return NEVER;
  const due = readable(work.watches, audience).map((watch) => Math.min(watch.checkMs, watch.gapMs));
  return Math.max(line.notBeforeMs, Math.min(NEVER, ...due));
}

function sendPoll(work: Work, audience: Audience): void {
  const due = readable(work.watches, audience).filter((watch) => isDue(watch, work.nowMs));
  // A first request names channels, a later one is a cursor; one request cannot be both.
  const isFirst = due.some(isNew);
  const asked = fitting(due.filter((watch) => isNew(watch) === isFirst));
  const query = isFirst ? `channels=${namesOf(asked)}` : `cursor=${cursorOf(asked)}`;
  for (const watch of asked) planCheck(work, watch);
  const id = work.nextPollId++;
  const line = work.lines[audience];
  const { needsToken } = line;
  const positions = asked.map(({ sequence }) => [sequence.channel, sequence.position] as const);
  line.inFlight = { id, needsToken, asked: new Map(positions) };
  work.effects.push({ kind: "Poll", id, needsToken, query });
}

function isNew(watch: Watch): boolean {
  return placeOf(watch.sequence) === null;
}

/** Take as many as a cursor holds, that of a first request's answer too; the rest stays due. */
function fitting(watches: readonly Draft<Watch>[]): Draft<Watch>[] {
  let left = MAX_ROWS_BYTES;
  return watches.slice(0, MAX_CHANNELS).filter(({ sequence }) => {
    left -= ROW_BYTES + sequence.channel.length + PAGE_BYTES * Math.min(1, sequence.pages.length);
    return left > 0;
  });
}

function cursorOf(watches: readonly Watch[]): string {
  const places = watches.map(({ sequence }) => [sequence.channel, placeOf(sequence) as Place]);
  return encodeCursor(new Map(places as [string, Place][]));
}

function namesOf(watches: readonly Watch[]): string {
  const names = watches.map(({ sequence }) => encodeURIComponent(sequence.channel));
  return names.sort().join(",");
}

function isDue(watch: Watch, nowMs: number): boolean {
  // The checks after SUBACK keep their times: they are there to be late.
  const collectMs = isChecking(watch) ? 0 : COLLECT_MS;
  return watch.gapMs <= nowMs || watch.checkMs <= nowMs + collectMs;
}

/** Tell whether some of the checks after SUBACK are still to be sent. */
export function isChecking(watch: Watch): boolean {
  return isGranted(watch) && watch.checks < CHECKS_MS.length;
}

/** Plan the check after the one that is being sent [R7]; polled channels go by the answer. */
function planCheck(work: Work, watch: Draft<Watch>): void {
  watch.gapMs = NEVER;
  if (!isGranted(watch)) watch.checkMs = NEVER;
  // A check that is still to come keeps its time.
  else if (watch.checkMs <= work.nowMs || !isChecking(watch)) {
    watch.checkMs = work.nowMs + (CHECKS_MS[++watch.checks] ?? tailCheckMs(work));
  }
}

export function tailCheckMs(work: Work): number {
  return TAIL_CHECK_MS * (0.75 + 0.5 * work.random);
}
