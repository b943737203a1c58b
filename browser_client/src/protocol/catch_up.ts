/**
 * What envelopes and poll answers do to their channels: the taking half of rules R5–R9.
 *
 * Part of the machine in connection.ts. Not here: which polls are sent (polls.ts), the order of
 * updates (sequence.ts).
 */
import { backoffMs } from "./backoff.ts";
import { type BellwireError, malformed } from "./errors.ts";
import {
  type AnswerArrived,
  type Audience,
  type Connection,
  type InFlight,
  NEVER,
  type PollFailed,
  type Watch,
  type Work,
} from "./machine.ts";
import { isChecking, tailCheckMs } from "./polls.ts";
import { isBehind, type Sequence, step } from "./sequence.ts";
import * as sessions from "./sessions.ts";
import type { Envelope } from "./updates.ts";
import { AUDIENCES, change, changeLine, deliver, followersOf, refuse } from "./watches.ts";

const GAP_HOLD_MS = 250;
const GAP_JITTER_MS = 250;
const RECHECK_STEP_MS = 500;
const RECHECK_CAP_MS = 10_000;
const OLD_ANSWER_MS = 10_000;
const NOT_READABLE = new Set(["not_allowed", "bad_channel", "unauthenticated"]);

export function onEnvelope(work: Work, envelope: Envelope, sizeBytes: number): void {
  for (const watch of followersOf(work.connection, envelope.channel)) {
    if (!watch.isRefused) takeEnvelope(work, watch, envelope, sizeBytes);
  }
}

function takeEnvelope(work: Work, before: Watch, envelope: Envelope, sizeBytes: number): void {
  const { channel } = before.sequence;
  const sequence = advance(work, before, { kind: "envelope", envelope, sizeBytes });
  const isQuiet = before.subscription === "granted" && !isChecking(before);
  if (isQuiet) change(work, channel, { checkMs: work.nowMs + tailCheckMs(work) });
  if (isBehind(sequence)) holdGap(work, channel);
  else change(work, channel, { gapMs: NEVER, gapAnswers: 0, isStale: false });
}

export function onPayloadDropped(work: Work, channel: string, error: BellwireError | null): void {
  const { connection, effects } = work;
  for (const { sequence } of followersOf(connection, channel)) holdGap(work, sequence.channel);
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
    const { held, position } = watch.sequence;
    // Nothing on its way can close the gap to another epoch, such as a channel's first.
    const isBreak = held.some(({ envelope }) => envelope.epoch !== position.epoch);
    const gapMs = work.nowMs + (isBreak ? 0 : GAP_HOLD_MS) + work.random * GAP_JITTER_MS;
    change(work, channel, { gapMs });
  }
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
    if (part) advance(work, before, { kind: "answer", answer: part, askedFrom });
    else
      work.effects.push({
        kind: "ReportError",
        error: malformed(null, `${channel} in the answer`),
      });
    planAfterAnswer(work, before, event);
  }
}

function lineOf(connection: Connection, id: number): Audience | undefined {
  return AUDIENCES.find((audience) => connection.lines[audience].inFlight?.id === id);
}

function planAfterAnswer(
  work: Work,
  before: Watch,
  { id, answer, ageMs, maxAgeMs }: AnswerArrived,
): void {
  const { connection, nowMs, random } = work;
  const { channel } = before.sequence;
  const watch = connection.watches.get(channel) as Watch;
  const { sequence } = watch;
  const behind = isBehind(sequence);
  const isPaging = sequence.pages.length > 0;
  const moved = isPaging
    ? hasTurned(before, watch)
    : sequence.position !== before.sequence.position;
  const recheckAtMs = nowMs + recheckMs(maxAgeMs, before.gapAnswers, random);
  change(work, channel, {
    isCaughtUp: watch.isCaughtUp || id >= watch.caughtUpBy,
    isStale: isPaging || ageMs > OLD_ANSWER_MS,
    gapMs: (isPaging || answer.more) && moved ? nowMs : behind ? recheckAtMs : NEVER,
    gapAnswers: behind && !moved ? before.gapAnswers + 1 : 0,
  });
  if (watch.subscription !== "granted" && isPolling(connection, watch)) {
    change(work, channel, { checkMs: nowMs + answer.pollAfterMs });
  }
}

/** A page that ends where the one before it ended is not worth asking on from at once. */
function hasTurned(before: Watch, now: Watch): boolean {
  return before.sequence.pages.at(-1)?.next !== now.sequence.pages.at(-1)?.next;
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
export function onPollFailed(work: Work, { id, error }: PollFailed): void {
  const { connection, nowMs } = work;
  const audience = lineOf(connection, id);
  if (!audience) return;
  const flight = connection.lines[audience].inFlight as InFlight;
  changeLine(work, audience, { inFlight: null });
  for (const channel of flight.asked.keys()) {
    const watch = connection.watches.get(channel);
    if (!watch) continue;
    change(work, channel, { checkMs: nowMs, isStale: watch.isStale || isBehind(watch.sequence) });
  }
  const isExpired = flight.needsToken && error.code === "unauthenticated";
  if (!isRefusal(error) || isExpired) pause(work, audience, error);
  else if (isPremature(connection, flight)) changeLine(work, audience, { needsToken: true });
  else {
    changeLine(work, audience, { failures: 0 });
    refuse(work, namedBy(error, [...flight.asked.keys()]), error);
  }
}

/** Wait before the next poll; a session that is refused is thrown away, at first silently. */
function pause(work: Work, audience: Audience, error: BellwireError): void {
  const { connection, nowMs, random, effects } = work;
  const { failures, isAnswered } = connection.lines[audience];
  const isExpired = isRefusal(error);
  const isSilent = isExpired && failures === 0;
  if (isExpired) sessions.discard(work, isSilent);
  if (!isSilent) effects.push({ kind: "ReportError", error });
  changeLine(work, audience, {
    isAnswered: isSilent && isAnswered,
    failures: failures + 1,
    notBeforeMs: nowMs + Math.max(error.retryAfterMs, backoffMs(failures, random)),
  });
}

function isRefusal({ code, retryable }: BellwireError): boolean {
  return !retryable && NOT_READABLE.has(code);
}

/** Tell whether guests may be off, which is not known before there is a session. */
function isPremature({ login, lines }: Connection, { needsToken }: InFlight): boolean {
  return !needsToken && login.token !== "none" && (!login.session || lines.public.needsToken);
}

/** The error names the channel that may not be read; the others are asked again without it. */
function namedBy(error: BellwireError, asked: readonly string[]): readonly string[] {
  const named = asked.filter((channel) => channel === error.channel);
  return named.length > 0 ? named : asked;
}

function advance(work: Work, watch: Watch, input: Parameters<typeof step>[1]): Sequence {
  const { channel, position } = watch.sequence;
  const [sequence, outputs] = step(watch.sequence, input);
  change(work, channel, { sequence });
  deliver(work, channel, outputs, position === null && sequence.position !== null);
  return sequence;
}
