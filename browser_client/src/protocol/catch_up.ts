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
  type Draft,
  type Event,
  type InFlight,
  type Line,
  NEVER,
  type PollFailed,
  report,
  type Watch,
  type Work,
} from "./machine.ts";
import { isChecking, tailCheckMs } from "./polls.ts";
import { isBehind, placeOf, type Sequence, type SequenceInput, step } from "./sequence.ts";
import * as sessions from "./sessions.ts";
import { deliver, followersOf, isGranted, isPollingInstead, refuse } from "./watches.ts";

const GAP_HOLD_MS = 250;
const GAP_JITTER_MS = 250;
const RECHECK_STEP_MS = 500;
const RECHECK_CAP_MS = 10_000;
const OLD_ANSWER_MS = 10_000;
const NOT_READABLE = ["not_allowed", "bad_channel", "unauthenticated"];

type EventOf<Kind> = Extract<Event, { kind: Kind }>;

export function onEnvelope(work: Work, event: EventOf<"EnvelopeArrived">): void {
  for (const watch of followersOf(work, event.envelope.channel)) {
    if (watch.isRefused) continue;
    advance(work, watch, event);
    if (isGranted(watch) && !isChecking(watch)) watch.checkMs = work.nowMs + tailCheckMs(work);
    if (isBehind(watch.sequence)) holdGap(work, watch);
    else {
      watch.gapMs = NEVER;
      watch.isStale = false;
    }
  }
}

export function onPayloadDropped(work: Work, event: EventOf<"PayloadDropped">): void {
  const { error } = event;
  for (const watch of followersOf(work, event.channel)) holdGap(work, watch);
  if (!error && work.hasWarned) return;
  work.hasWarned ||= !error;
  report(work, error ?? malformed("another version or gzip", "plain version 1"));
}

/** Wait a little for what may only be late, then poll [R6]. */
function holdGap(work: Work, watch: Draft<Watch>): void {
  const { held, position } = watch.sequence;
  if (!position || watch.gapMs < NEVER) return;
  // Nothing on its way can close the gap to another epoch, such as a channel's first.
  const isBreak = held.some(({ envelope }) => envelope.epoch !== position.epoch);
  watch.gapMs = work.nowMs + (isBreak ? 0 : GAP_HOLD_MS) + work.random * GAP_JITTER_MS;
}

export function onAnswer(work: Work, event: AnswerArrived): void {
  const line = lineOf(work, event.id);
  if (!line) return;
  const { asked } = line.inFlight as InFlight;
  line.inFlight = null;
  line.isAnswered = true;
  line.failures = line.notBeforeMs = line.heldMs = 0;
  for (const [channel, askedFrom] of asked) {
    const watch = work.watches.get(channel);
    if (!watch || event.id < watch.firstPollId) continue;
    const before = watch.sequence;
    const answer = event.answer.channels.get(channel);
    if (answer) advance(work, watch, { kind: "answer", answer, askedFrom });
    else {
      const error = malformed(null, `${channel} in the answer`);
      report(work, error);
    }
    planAfterAnswer(work, watch, before, event);
  }
}

function lineOf(work: Work, id: number): Draft<Line> | undefined {
  return Object.values(work.lines).find((line) => line.inFlight?.id === id);
}

function planAfterAnswer(
  work: Work,
  watch: Draft<Watch>,
  before: Sequence,
  event: AnswerArrived,
): void {
  const { nowMs } = work;
  const { answer } = event;
  const { sequence } = watch;
  const behind = isBehind(sequence);
  const isPaging = sequence.pages.length > 0;
  // An answer that leaves the place as it was is not worth asking on from at once.
  const moved = JSON.stringify(placeOf(before)) !== JSON.stringify(placeOf(sequence));
  const recheckAtMs = nowMs + recheckMs(event.maxAgeMs, watch.gapAnswers, work.random);
  if (event.id >= watch.caughtUpBy) watch.caughtUpBy = 0;
  watch.isStale = isPaging || event.ageMs > OLD_ANSWER_MS;
  watch.gapMs = (isPaging || answer.more) && moved ? nowMs : behind ? recheckAtMs : NEVER;
  watch.gapAnswers = behind && !moved ? watch.gapAnswers + 1 : 0;
  if (watch.subscription === "denied" || (!isGranted(watch) && isPollingInstead(work))) {
    watch.checkMs = nowMs + answer.pollAfterMs * work.slowness;
  }
}

/** A cache may repeat the same answer for its max-age, so asking sooner is in vain [R5]. */
function recheckMs(maxAgeMs: number, answers: number, random: number): number {
  const waitMs = maxAgeMs + RECHECK_STEP_MS * (2 ** answers - 1);
  return Math.min(RECHECK_CAP_MS, waitMs) + random * RECHECK_STEP_MS;
}

/** Held envelopes stay [R8]; what was asked is due again after a pause. */
export function onPollFailed(work: Work, event: PollFailed): void {
  const { error } = event;
  const line = lineOf(work, event.id);
  if (!line) return;
  const { asked, needsToken } = line.inFlight as InFlight;
  line.inFlight = null;
  const left = [...asked.keys()].flatMap((channel) => work.watches.get(channel) ?? []);
  for (const watch of left) {
    watch.checkMs = work.nowMs;
    watch.isStale ||= isBehind(watch.sequence);
  }
  const isRefusal = !error.retryable && NOT_READABLE.includes(error.code);
  const isMember = work.login.token !== "none";
  const isExpired = isRefusal && needsToken && isMember && error.code === "unauthenticated";
  if (!isRefusal || isExpired) pause(work, line, error, isExpired);
  else if (isMember && !needsToken) line.needsToken = true;
  else {
    line.failures = 0;
    // The error names the channel that may not be read; the others are asked again without it.
    const named = left.filter((watch) => watch.sequence.channel === error.channel);
    const isOfOne = asked.has(error.channel ?? ""); // It may not be followed any more.
    for (const watch of isOfOne ? named : left) refuse(work, watch, error);
  }
}

/** Wait before the next poll; a session that is refused is thrown away, at first silently. */
function pause(work: Work, line: Draft<Line>, error: BellwireError, isExpired: boolean): void {
  const isSilent = isExpired && line.failures === 0;
  if (isExpired) sessions.discard(work, isSilent);
  if (!isSilent) {
    report(work, error);
    line.isAnswered = false;
  }
  line.heldMs = work.nowMs + error.retryAfterMs * (1 + work.random / 4);
  line.notBeforeMs = Math.max(line.heldMs, work.nowMs + backoffMs(line.failures++, work.random));
}

function advance(work: Work, watch: Draft<Watch>, input: SequenceInput): void {
  const { channel, position } = watch.sequence;
  const [sequence, outputs] = step(watch.sequence, input);
  watch.sequence = sequence;
  deliver(work, channel, outputs, position === null && sequence.position !== null);
}
