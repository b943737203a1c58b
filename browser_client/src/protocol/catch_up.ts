/**
 * What envelopes and poll answers do to their channels: the taking half of rules R5–R9.
 *
 * Part of the machine in connection.ts. Not here: which polls are sent (polls.ts), the order of
 * updates (sequence.ts).
 */
import { backoffMs } from "./backoff.ts";
import { BellwireError, malformed } from "./errors.ts";
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
import type { Envelope } from "./updates.ts";
import { AUDIENCES, change, changeLine } from "./watches.ts";

const GAP_HOLD_MS = 250;
const GAP_JITTER_MS = 250;
const RECHECK_STEP_MS = 500;
const RECHECK_CAP_MS = 10_000;
const OLD_ANSWER_MS = 10_000;
const NOT_READABLE = new Set(["not_allowed", "bad_channel", "unauthenticated"]);

export function onEnvelope(work: Work, envelope: Envelope, sizeBytes: number): void {
  const { connection, nowMs } = work;
  const { channel } = envelope;
  const before = connection.watches.get(channel);
  if (!before) return;
  const sequence = advance(work, before, { kind: "envelope", envelope, sizeBytes });
  const isQuiet = before.subscription === "granted" && !isChecking(before);
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
export function onPollFailed(work: Work, { id, error, retryAfterMs }: PollFailed): void {
  const { connection, nowMs, random, effects } = work;
  const audience = lineOf(connection, id);
  if (!audience) return;
  const { inFlight, failures } = connection.lines[audience];
  const asked = [...(inFlight as InFlight).asked.keys()];
  if (isRefusal(error) && !(error.code === "unauthenticated" && connection.hasToken)) {
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

function isRefusal({ code, retryable }: BellwireError): boolean {
  return !retryable && NOT_READABLE.has(code);
}

/** The error names the channel that may not be read; the others are asked again without it. */
function refuse(work: Work, asked: readonly string[], error: BellwireError): void {
  const named = asked.filter((channel) => channel === error.channel);
  const refused = named.length > 0 ? named : asked;
  for (const channel of asked) {
    change(work, channel, { isRefused: refused.includes(channel), checkMs: work.nowMs });
  }
  for (const channel of refused) {
    const one = new BellwireError(error.code, error.message, channel);
    work.effects.push({ kind: "ReportError", error: one });
  }
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
