/**
 * The channels that are watched: which there are, how they come, and whether all of them are whole.
 *
 * Part of the machine in connection.ts. Not here: when they are polled (polls.ts), what answers and
 * envelopes do to them (catch_up.ts), the order of their updates (sequence.ts).
 */
import { isPublic, nameInFull, namesOf } from "./channels.ts";
import { BellwireError } from "./errors.ts";
import {
  type Audience,
  type Connection,
  type Draft,
  type Line,
  NEVER,
  type Watch,
  type Work,
} from "./machine.ts";
import { type SequenceOutput, startSequence, takeAway } from "./sequence.ts";

/** Public and private channels are asked in requests of their own, one in flight each. */
export const AUDIENCES: readonly Audience[] = ["public", "private"];
/** After a loss that many clients share, the first polls are spread over this. */
const SPREAD_MS = 1000;

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
export function addChannel({ watches, nowMs, nextPollId }: Work, channel: string): void {
  watches.set(channel, {
    audience: isPublic(channel) ? "public" : "private",
    sequence: startSequence(channel),
    subscription: "none",
    subscribedMs: 0,
    firstPollId: nextPollId,
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

export function removeChannel(work: Work, channel: string): void {
  const { watches, login, effects } = work;
  const subscription = watches.get(channel)?.subscription;
  watches.delete(channel);
  const name = nameInFull(channel, login.session?.identityId);
  const isSubscribed = subscription === "asked" || subscription === "granted";
  if (isSubscribed && followersOf(work, name).length === 0) {
    effects.push({ kind: "Unsubscribe", channels: [name] });
  }
}

/** Return what follows the channel of this full name: by that name, by `user/me/…`, or both. */
export function followersOf({ watches, login }: Work, channel: string): Draft<Watch>[] {
  return namesOf(channel, login.session?.identityId).flatMap((name) => watches.get(name) ?? []);
}

/** Forget what was private and every answer on its way: they are another identity's. */
export function restart(work: Work): void {
  const { watches, lines, nowMs } = work;
  for (const line of Object.values(lines)) Object.assign(line, startLine(line.needsToken));
  for (const [channel, watch] of watches) {
    watch.isRefused = false;
    watch.checkMs = nowMs;
    if (isPublic(channel)) continue;
    addChannel(work, channel);
    deliver(work, channel, takeAway(watch.sequence), false);
  }
}

/** Hand over what a step brought, if anything. */
export function deliver(
  { login, effects }: Work,
  channel: string,
  outputs: readonly SequenceOutput[],
  isFirst: boolean,
): void {
  if (isFirst || outputs.length > 0) {
    effects.push({ kind: "Deliver", login: login.number, channel, outputs, isFirst });
  }
}

/** Give a channel up, and say so. */
export function refuse({ effects }: Work, watch: Draft<Watch>, error: BellwireError): void {
  watch.isRefused = true;
  const one = new BellwireError(error.code, error.message, watch.sequence.channel);
  effects.push({ kind: "ReportError", error: one });
}

/** Mark and return the channels to subscribe; beyond `limit` in all, they are polled instead. */
export function takeUnsubscribed(work: Work, limit: number): string[] {
  const all = [...work.watches.values()];
  let left = limit - all.filter((watch) => isAsked(watch) || isGranted(watch)).length;
  const wanted = all.filter(
    ({ subscription, isRefused, audience }) =>
      subscription === "none" &&
      !isRefused &&
      (audience === "public" || work.login.token !== "none"),
  );
  return wanted.flatMap((watch) => {
    if (left-- <= 0) onSubscription(work, watch, false);
    else watch.subscription = "asked";
    return isAsked(watch) ? [watch.sequence.channel] : [];
  });
}

/** Tell whether its SUBACK is outstanding. */
export function isAsked({ subscription }: Watch): boolean {
  return subscription === "asked";
}

export function isGranted({ subscription }: Watch): boolean {
  return subscription === "granted";
}

/** Poll at once after SUBACK [R7]; a channel that is not pushed is polled from now on. */
export function onSubscription(
  { nowMs, nextPollId }: Work,
  watch: Draft<Watch>,
  isPushed: boolean,
): void {
  watch.subscription = isPushed ? "granted" : "denied";
  watch.subscribedMs = watch.checkMs = nowMs;
  watch.caughtUpBy = nextPollId;
  watch.checks = 0;
  watch.isCaughtUp = false;
}

/** The socket is gone: nothing is pushed until the next SUBACK. */
export function forgetSubscriptions(work: Work): void {
  const { watches, nowMs } = work;
  for (const watch of watches.values()) {
    if (watch.subscription === "none") continue;
    watch.subscription = "none";
    watch.isCaughtUp = false;
    if (isPollingInstead(work)) watch.checkMs = nowMs;
    else if (watch.sequence.position) watch.checkMs = NEVER;
  }
}

/** Tell whether polls stand in for the socket. */
export function isPollingInstead({ isFallback, transport }: Connection): boolean {
  return isFallback && transport !== "push";
}

/** Polls take over from the socket. */
export function startPolling({ watches, nowMs, random, hasBeenLive }: Work): void {
  const atMs = nowMs + (hasBeenLive ? random * SPREAD_MS : 0);
  for (const watch of watches.values()) {
    if (!isGranted(watch)) watch.checkMs = Math.min(watch.checkMs, atMs);
  }
}

/** Ask for everything now: an answer that is on its way may come over a road that is gone. */
export function askAnew({ watches, lines, nowMs }: Work): void {
  for (const line of Object.values(lines)) {
    line.inFlight = null;
    line.notBeforeMs = line.heldMs;
  }
  for (const watch of watches.values()) watch.checkMs = nowMs;
}

/** Tell whether every channel is up to date, pushed where it can be. */
export function isWhole({ watches, lines }: Connection): boolean {
  return readable(watches).every((watch) => {
    if (watch.isStale || watch.sequence.position === null) return false;
    if (watch.subscription === "denied") return lines[watch.audience].isAnswered;
    return isGranted(watch) && watch.isCaughtUp;
  });
}

/** Tell whether polls keep every channel up to date. */
export function isPolled({ watches, lines }: Connection): boolean {
  const used = readable(watches);
  return used.length > 0 && used.every(({ audience }) => lines[audience].isAnswered);
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
