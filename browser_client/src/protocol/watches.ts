/**
 * The channels that are watched: which there are, how they come, and whether all of them are whole.
 *
 * Part of the machine in connection.ts. Not here: when they are polled (polls.ts), what answers and
 * envelopes do to them (catch_up.ts), the order of their updates (sequence.ts).
 */
import { isPublic, nameInFull } from "./channels.ts";
import { BellwireError } from "./errors.ts";
import {
  type Audience,
  type Connection,
  type Draft,
  type Event,
  type Line,
  NEVER,
  report,
  type Watch,
  type Work,
} from "./machine.ts";
import { type SequenceOutput, startSequence } from "./sequence.ts";

/** Public and private channels are asked in requests of their own, one in flight each. */
export const AUDIENCES: readonly Audience[] = ["public", "private"];

/** Return a line before its first poll. */
export function startLine(needsToken: boolean): Line {
  return {
    needsToken,
    inFlight: null,
    isAnswered: false,
    failures: 0,
    notBeforeMs: 0,
    heldMs: 0,
  };
}

/** Watch a channel; its first poll and its subscription go out with the next timer. */
export function addChannel(work: Work, channel: string): void {
  work.watches.set(channel, {
    audience: isPublic(channel) ? "public" : "private",
    sequence: startSequence(channel),
    subscription: "none",
    firstPollId: work.nextPollId,
    caughtUpBy: 0,
    checks: 0,
    checkMs: work.nowMs,
    gapMs: NEVER,
    gapAnswers: 0,
    isStale: false,
    isRefused: false,
  });
}

export function removeChannel(work: Work, event: Extract<Event, { kind: "ChannelRemoved" }>): void {
  const { channel } = event;
  work.watches.delete(channel);
  const name = nameInFull(channel, work.login.session?.identityId);
  // To end what was never granted does no harm.
  if (work.link.phase === "open" && followersOf(work, name).length === 0) {
    work.effects.push({ kind: "Unsubscribe", channels: [name] });
  }
}

/** Return what follows the channel of this full name: by that name, by `user/me/…`, or both. */
export function followersOf(work: Work, channel: string): Draft<Watch>[] {
  return [...work.watches.values()].filter((watch) => fullNameOf(work, watch) === channel);
}

/** Return the name that the watched channel has for everybody. */
export function fullNameOf(work: Work, watch: Watch): string {
  return nameInFull(watch.sequence.channel, work.login.session?.identityId);
}

/** Hand over what a step brought, if anything. */
export function deliver(
  work: Work,
  channel: string,
  outputs: SequenceOutput[],
  isFirst?: boolean,
): void {
  if (isFirst || outputs.length > 0) {
    work.effects.push({ kind: "Deliver", channel, outputs, isFirst });
  }
}

/** Give a channel up, and say so. */
export function refuse(work: Work, watch: Draft<Watch>, error: BellwireError): void {
  watch.isRefused = true;
  report(work, new BellwireError(error.code, error.message, watch.sequence.channel));
}

export function isGranted(watch: Watch): boolean {
  return watch.subscription === "granted";
}

/** Poll at once after SUBACK [R7]; a channel that is not pushed is polled from now on. */
export function onSubscription(work: Work, watch: Draft<Watch>, isPushed: boolean): void {
  watch.subscription = isPushed ? "granted" : "denied";
  watch.checkMs = work.nowMs;
  watch.caughtUpBy = work.nextPollId;
  watch.checks = 0;
}

/** The socket is gone: nothing is pushed until the next SUBACK. */
export function forgetSubscriptions(work: Work): void {
  for (const watch of work.watches.values()) {
    if (watch.subscription === "none") continue;
    watch.subscription = "none";
    if (isPollingInstead(work)) watch.checkMs = work.nowMs;
    else if (watch.sequence.position) watch.checkMs = NEVER;
  }
}

/** Tell whether polls stand in for the socket. */
export function isPollingInstead(connection: Connection): boolean {
  return connection.isFallback && connection.transport !== "push";
}

/** Polls take over from the socket. */
export function startPolling(work: Work): void {
  for (const watch of work.watches.values()) if (!isGranted(watch)) watch.checkMs = work.nowMs;
}

/** Tell whether every channel is up to date, pushed where it can be. */
export function isWhole(connection: Connection): boolean {
  return readable(connection.watches).every(
    (watch) =>
      !watch.isStale &&
      watch.sequence.position &&
      (watch.subscription === "denied"
        ? connection.lines[watch.audience].isAnswered
        : isGranted(watch) && watch.caughtUpBy === 0),
  );
}

/** Tell whether polls keep every channel up to date. */
export function isPolled(connection: Connection): boolean {
  const used = readable(connection.watches);
  return used.length > 0 && used.every((watch) => connection.lines[watch.audience].isAnswered);
}

/** Return the channels that the server has not refused, of one audience or of both. */
export function readable<One extends Watch>(
  watches: ReadonlyMap<string, One>,
  audience?: Audience,
): One[] {
  return [...watches.values()].filter(
    (watch) => !watch.isRefused && watch.audience === (audience ?? watch.audience),
  );
}
