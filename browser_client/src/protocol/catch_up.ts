/**
 * When each channel is polled, and what answers and envelopes do to it: rules R5–R9.
 *
 * Part of the machine in connection.ts. Public and private channels are asked in requests of their
 * own, one in flight each. Not here: the order of updates (sequence.ts), HTTP (io/poller.ts).
 */
import type { ChannelAnswer } from "./answers.ts";
import { backoffMs } from "./backoff.ts";
import { isPublic } from "./channels.ts";
import type { AnswerArrived, Connection, PollFailed, Work } from "./connection.ts";
import { encodeCursor } from "./cursors.ts";
import { BellwireError, malformed } from "./errors.ts";
import { isBehind, type Sequence, startSequence, step } from "./sequence.ts";
import type { Envelope, Position } from "./updates.ts";

export type Audience = "public" | "private";

/** One of the two lines of polls. */
export interface Line {
  readonly inFlight: InFlight | null;
  /** Whether the last poll was answered. */
  readonly isAnswered: boolean;
  readonly failures: number;
  /** No poll before this, whatever is due. */
  readonly notBeforeMs: number;
}

interface InFlight {
  readonly id: number;
  readonly asked: ReadonlyMap<string, Position | null>;
}

/** One channel as the connection sees it. */
export interface Watch {
  readonly sequence: Sequence;
  readonly subscription: "none" | "asked" | "granted" | "denied";
  readonly subscribedMs: number;
  /** The first poll sent after that answers for what was missed before it. */
  readonly caughtUpBy: number;
  /** How many of the checks after SUBACK have been sent. */
  readonly checks: number;
  /** When the next regular poll is due. */
  readonly checkMs: number;
  /** When a poll is due because of a gap. */
  readonly gapMs: number;
  /** Answers in a row that left a gap. */
  readonly gapAnswers: number;
  /** Whether an answer to a poll sent since SUBACK has come. */
  readonly isCaughtUp: boolean;
  /** Whether what is shown may be old: a catch-up failed, or its answer was old. */
  readonly isStale: boolean;
  /** Whether the server has said that this channel may not be read. */
  readonly isRefused: boolean;
}

const NEVER = Number.POSITIVE_INFINITY;
const AUDIENCES: readonly Audience[] = ["public", "private"];
const MAX_NAMES = 50;
const GAP_HOLD_MS = 250;
const GAP_JITTER_MS = 250;
const RECHECK_STEP_MS = 500;
const RECHECK_CAP_MS = 10_000;
/** After SUBACK, because delivery may begin some time after it (AWS IoT developer guide, MQTT). */
const CHECKS_MS = [0, 3000, 8000];
const TAIL_CHECK_MS = 20_000;
const OLD_ANSWER_MS = 10_000;
/** Regular polls due within this ride along, so that many channels make one request. */
const COLLECT_MS = 5000;
/** After a loss that many clients share, the first polls are spread over this. */
const SPREAD_MS = 1000;
const NOT_READABLE = new Set(["not_allowed", "bad_channel", "unauthenticated"]);

/** Return a line before its first poll. */
export function startLine(): Line {
  return { inFlight: null, isAnswered: false, failures: 0, notBeforeMs: 0 };
}

/** Watch a channel; its first poll and its subscription go out with the next timer. */
export function addChannel({ connection, nowMs }: Work, channel: string): void {
  connection.watches.set(channel, {
    sequence: startSequence(channel),
    subscription: isPublic(channel) ? "none" : "denied",
    subscribedMs: 0,
    caughtUpBy: 0,
    checks: 0,
    checkMs: nowMs,
    gapMs: NEVER,
    gapAnswers: 0,
    isCaughtUp: false,
    isStale: false,
    isRefused: false,
  });
}

export function removeChannel({ connection, effects }: Work, channel: string): void {
  const watch = connection.watches.get(channel);
  connection.watches.delete(channel);
  if (watch?.subscription === "asked" || watch?.subscription === "granted") {
    effects.push({ kind: "Unsubscribe", channels: [channel] });
  }
}

/** Mark and return the channels to subscribe; beyond `limit` in all, they are polled instead. */
export function takeUnsubscribed(work: Work, limit: number): string[] {
  const { watches } = work.connection;
  const taken = [...watches.values()].filter(
    ({ subscription }) => subscription === "asked" || subscription === "granted",
  ).length;
  const wanted = [...watches].filter(([, { subscription }]) => subscription === "none");
  const names = wanted.map(([channel]) => channel);
  for (const channel of names.splice(limit - taken)) onSubscription(work, channel, false);
  for (const channel of names) change(work, channel, { subscription: "asked" });
  return names;
}

/** Tell whether a SUBACK is outstanding. */
export function isAwaitingSuback({ watches }: Connection): boolean {
  return [...watches.values()].some(({ subscription }) => subscription === "asked");
}

/** Poll at once after SUBACK [R7]; a channel that is not pushed is polled from now on. */
export function onSubscription(work: Work, channel: string, isGranted: boolean): void {
  const { nowMs } = work;
  change(work, channel, {
    subscription: isGranted ? "granted" : "denied",
    subscribedMs: nowMs,
    caughtUpBy: work.connection.nextPollId,
    checks: 0,
    checkMs: nowMs,
    isCaughtUp: false,
  });
}

/** The socket is gone: nothing is pushed until the next SUBACK. */
export function forgetSubscriptions(work: Work): void {
  const { watches, isFallback } = work.connection;
  for (const [channel, { subscription, sequence, checkMs }] of watches) {
    if (!isPublic(channel) || subscription === "none") continue;
    change(work, channel, {
      subscription: "none",
      isCaughtUp: false,
      checkMs: isFallback ? work.nowMs : sequence.position ? NEVER : checkMs,
    });
  }
}

/** Polls take over from the socket. */
export function startPolling(work: Work): void {
  const { connection, nowMs, random } = work;
  const atMs = nowMs + (connection.hasBeenLive ? random * SPREAD_MS : 0);
  for (const [channel, watch] of connection.watches) {
    if (watch.subscription !== "granted") {
      change(work, channel, { checkMs: Math.min(watch.checkMs, atMs) });
    }
  }
}

export function onEnvelope(work: Work, envelope: Envelope, sizeBytes: number): void {
  const { connection, nowMs } = work;
  const { channel } = envelope;
  const before = connection.watches.get(channel);
  if (!before) return;
  const sequence = advance(work, before, { kind: "envelope", envelope, sizeBytes });
  const isQuiet = before.subscription === "granted" && before.checks >= CHECKS_MS.length;
  if (isQuiet) change(work, channel, { checkMs: nowMs + tailCheckMs(work) });
  if (isBehind(sequence)) holdGap(work, channel);
  else change(work, channel, { gapMs: NEVER, gapAnswers: 0, isStale: false });
}

export function onPayloadDropped(work: Work, channel: string, error: BellwireError | null): void {
  const { connection, effects } = work;
  holdGap(work, channel);
  if (error) effects.push({ kind: "ReportError", error });
  else if (!connection.hasWarned) {
    connection.hasWarned = true;
    const found = malformed("another version", "envelopes of version 1; the client may be too old");
    effects.push({ kind: "ReportError", error: found });
  }
}

/** Wait a little for what may only be late, then poll [R6]. */
function holdGap(work: Work, channel: string): void {
  const watch = work.connection.watches.get(channel);
  if (watch?.sequence.position && watch.gapMs === NEVER) {
    const gapMs = work.nowMs + GAP_HOLD_MS + work.random * GAP_JITTER_MS;
    change(work, channel, { gapMs });
  }
}

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

function readable({ watches }: Connection, audience: Audience): [string, Watch][] {
  return [...watches].filter(
    ([channel, watch]) => !watch.isRefused && audienceOf(channel) === audience,
  );
}

function audienceOf(channel: string): Audience {
  return isPublic(channel) ? "public" : "private";
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

function isDue({ checkMs, gapMs, subscription, checks }: Watch, nowMs: number): boolean {
  // The checks after SUBACK keep their times: they are there to be late.
  const isChecking = subscription === "granted" && checks < CHECKS_MS.length;
  return gapMs <= nowMs || checkMs <= nowMs + (isChecking ? 0 : COLLECT_MS);
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

function tailCheckMs({ random }: Work): number {
  return TAIL_CHECK_MS * (0.75 + 0.5 * random);
}

export function onAnswer(work: Work, event: AnswerArrived): void {
  const audience = lineOf(work.connection, event.id);
  if (!audience) return;
  const flight = work.connection.lines[audience].inFlight as InFlight;
  changeLine(work, audience, { inFlight: null, isAnswered: true, failures: 0, notBeforeMs: 0 });
  for (const [channel, askedFrom] of flight.asked) {
    const before = work.connection.watches.get(channel);
    if (!before) continue;
    const part = event.answer.channels.get(channel);
    if (part) takePart(work, before, part, askedFrom);
    else reportMissing(work, channel);
    planAfterAnswer(work, before, event);
  }
}

function lineOf(connection: Connection, id: number): Audience | undefined {
  return AUDIENCES.find((audience) => connection.lines[audience].inFlight?.id === id);
}

function takePart(work: Work, watch: Watch, answer: ChannelAnswer, askedFrom: Position | null) {
  advance(work, watch, { kind: "answer", answer, askedFrom });
}

function reportMissing({ effects }: Work, channel: string): void {
  effects.push({ kind: "ReportError", error: malformed(null, `${channel} in the poll answer`) });
}

function planAfterAnswer(
  work: Work,
  before: Watch,
  { id, answer, ageMs, maxAgeMs }: AnswerArrived,
): void {
  const { connection, nowMs, random } = work;
  const { channel } = before.sequence;
  const watch = connection.watches.get(channel) as Watch;
  const behind = isBehind(watch.sequence);
  const moved = watch.sequence.position !== before.sequence.position;
  const recheckAtMs = nowMs + recheckMs(maxAgeMs, before.gapAnswers, random);
  change(work, channel, {
    isCaughtUp: watch.isCaughtUp || id >= watch.caughtUpBy,
    isStale: ageMs > OLD_ANSWER_MS,
    gapMs: answer.more && moved ? nowMs : behind ? recheckAtMs : NEVER,
    gapAnswers: behind && !moved ? before.gapAnswers + 1 : 0,
  });
  if (watch.subscription !== "granted" && isPolling(connection, watch)) {
    change(work, channel, { checkMs: nowMs + answer.pollAfterMs });
  }
}

/** A cache may repeat the same answer for its max-age, so asking sooner is in vain [R5]. */
function recheckMs(maxAgeMs: number, answers: number, random: number): number {
  const waitMs = maxAgeMs + RECHECK_STEP_MS * (2 ** answers - 1);
  return Math.min(RECHECK_CAP_MS, waitMs) + random * RECHECK_STEP_MS;
}

function isPolling(connection: Connection, watch: Watch): boolean {
  return connection.isFallback || watch.subscription === "denied";
}

/** Held envelopes stay [R8]; what was asked is due again after a pause. */
export function onPollFailed(work: Work, { id, error, retryAfterMs }: PollFailed): void {
  const { connection, nowMs, random, effects } = work;
  const audience = lineOf(connection, id);
  if (!audience) return;
  const { inFlight, failures } = connection.lines[audience];
  const asked = [...(inFlight as InFlight).asked.keys()];
  if (NOT_READABLE.has(error.code) && !(error.code === "unauthenticated" && connection.hasToken)) {
    changeLine(work, audience, { inFlight: null, failures: 0 });
    refuse(work, asked, error);
    return;
  }
  effects.push({ kind: "ReportError", error });
  const pauseMs = Math.max(retryAfterMs, backoffMs(failures, random));
  changeLine(work, audience, {
    inFlight: null,
    isAnswered: false,
    failures: failures + 1,
    notBeforeMs: nowMs + pauseMs,
  });
  for (const channel of asked) {
    const watch = connection.watches.get(channel);
    if (!watch) continue;
    change(work, channel, { checkMs: nowMs, isStale: watch.isStale || isBehind(watch.sequence) });
  }
}

/** The answer names the channel that may not be read; the others are asked again without it. */
function refuse(work: Work, asked: readonly string[], error: BellwireError): void {
  const words = error.message.split(/[^\w.:@/-]+/);
  const named = asked.filter((channel) =>
    words.some((word) => word === channel || word === `${channel}.` || word === `${channel}:`),
  );
  const refused = named.length > 0 ? named : asked;
  for (const channel of asked) {
    change(work, channel, { isRefused: refused.includes(channel), checkMs: work.nowMs });
  }
  for (const channel of refused) {
    const one = new BellwireError(error.code, error.message, channel);
    work.effects.push({ kind: "ReportError", error: one });
  }
}

/** Tell whether every channel is up to date, pushed where it can be. */
export function isWhole(connection: Connection): boolean {
  return AUDIENCES.every((audience) =>
    readable(connection, audience).every(([, watch]) => {
      const { subscription, isCaughtUp, isStale, sequence } = watch;
      if (isStale || sequence.position === null) return false;
      if (subscription === "denied") return connection.lines[audience].isAnswered;
      return subscription === "granted" && isCaughtUp;
    }),
  );
}

/** Tell whether polls keep every channel up to date. */
export function isPolled(connection: Connection): boolean {
  const used = AUDIENCES.filter((audience) => readable(connection, audience).length > 0);
  return used.length > 0 && used.every((audience) => connection.lines[audience].isAnswered);
}

function advance(work: Work, watch: Watch, input: Parameters<typeof step>[1]): Sequence {
  const { channel, position } = watch.sequence;
  const [sequence, outputs] = step(watch.sequence, input);
  change(work, channel, { sequence });
  const isFirst = position === null && sequence.position !== null;
  if (isFirst || outputs.length > 0) {
    work.effects.push({ kind: "Deliver", channel, outputs, isFirst });
  }
  return sequence;
}

function change({ connection }: Work, channel: string, fields: Partial<Watch>): void {
  const watch = connection.watches.get(channel);
  if (watch) connection.watches.set(channel, { ...watch, ...fields });
}

function changeLine({ connection }: Work, audience: Audience, fields: Partial<Line>): void {
  const line = { ...connection.lines[audience], ...fields };
  connection.lines = { ...connection.lines, [audience]: line };
}
