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
  return { needsToken, inFlight: null, isAnswered: false, failures: 0, notBeforeMs: 0 };
}

/** Watch a channel; its first poll and its subscription go out with the next timer. */
export function addChannel({ connection, nowMs }: Work, channel: string): void {
  connection.watches.set(channel, {
    sequence: startSequence(channel),
    subscription: "none",
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
  const name = nameInFull(channel, connection.login.session?.identityId);
  const isSubscribed = watch?.subscription === "asked" || watch?.subscription === "granted";
  if (isSubscribed && followersOf(connection, name).length === 0) {
    effects.push({ kind: "Unsubscribe", channels: [name] });
  }
}

/** Return what follows the channel of this full name: by that name, by `user/me/…`, or both. */
export function followersOf({ watches, login }: Connection, channel: string): Watch[] {
  return namesOf(channel, login.session?.identityId).flatMap((name) => watches.get(name) ?? []);
}

/** Forget what was private and every answer on its way: they are another identity's. */
export function restart(work: Work): void {
  const { connection, nowMs } = work;
  for (const audience of AUDIENCES) {
    changeLine(work, audience, startLine(connection.lines[audience].needsToken));
  }
  for (const [channel, { sequence }] of connection.watches) {
    change(work, channel, { isRefused: false, checkMs: nowMs });
    if (isPublic(channel)) continue;
    addChannel(work, channel);
    deliver(work, channel, takeAway(sequence), false);
  }
}

/** Hand over what a step brought, if anything. */
export function deliver(
  { connection, effects }: Work,
  channel: string,
  outputs: readonly SequenceOutput[],
  isFirst: boolean,
): void {
  const { number: login } = connection.login;
  if (isFirst || outputs.length > 0) {
    effects.push({ kind: "Deliver", login, channel, outputs, isFirst });
  }
}

/** Give channels up, and say so once for each. */
export function refuse(work: Work, channels: readonly string[], error: BellwireError): void {
  for (const channel of channels) {
    change(work, channel, { isRefused: true });
    const one = new BellwireError(error.code, error.message, channel);
    work.effects.push({ kind: "ReportError", error: one });
  }
}

/** Mark and return the channels to subscribe; beyond `limit` in all, they are polled instead. */
export function takeUnsubscribed(work: Work, limit: number): string[] {
  const { watches, login } = work.connection;
  const taken = [...watches.values()].filter(
    ({ subscription }) => subscription === "asked" || subscription === "granted",
  ).length;
  const wanted = [...watches].filter(
    ([channel, { subscription, isRefused }]) =>
      subscription === "none" && !isRefused && (isPublic(channel) || login.token !== "none"),
  );
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
    if (subscription === "none") continue;
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

/** What was answered while the socket was open says nothing of the server now. */
export function forgetAnswers(work: Work): void {
  for (const audience of AUDIENCES) changeLine(work, audience, { isAnswered: false });
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

/** Tell whether a poll has failed since the last one that was answered. */
export function hasFailedPoll({ lines }: Connection): boolean {
  return AUDIENCES.some((audience) => lines[audience].failures > 0);
}

export function readable({ watches }: Connection, audience: Audience): [string, Watch][] {
  return [...watches].filter(
    ([channel, watch]) => !watch.isRefused && audienceOf(channel) === audience,
  );
}

function audienceOf(channel: string): Audience {
  return isPublic(channel) ? "public" : "private";
}

export function change({ connection }: Work, channel: string, fields: Partial<Watch>): void {
  const watch = connection.watches.get(channel);
  if (watch) connection.watches.set(channel, { ...watch, ...fields });
}

export function changeLine({ connection }: Work, audience: Audience, fields: Partial<Line>): void {
  const line = { ...connection.lines[audience], ...fields };
  connection.lines = { ...connection.lines, [audience]: line };
}
