/**
 * The socket's life: opening, subscriptions, keep-alive, loss, the next try.
 *
 * Part of the machine in connection.ts. Not here: the session it is opened with (sessions.ts),
 * bytes (mqtt.ts).
 */
import { backoffMs } from "./backoff.ts";
import { type Event, type Link, NEVER, type Watch, type Work } from "./machine.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

const OPEN_WITHIN_MS = 5000;
/** So that a dead link is known within 40 s; it is a third of the keep-alive told to the broker. */
const PING_EVERY_MS = 30_000;
const ANSWER_WITHIN_MS = 10_000;
/** Doublings of the first delay: all who lose a broker at once come back over 2 s, not over 0.5. */
const SPREAD = 2;
/** A connection that lasted this long was a good one: the next loss starts from the first delay. */
const LASTING_MS = 10_000;
/** AWS IoT quotas: filters in one SUBSCRIBE, subscriptions of one connection. */
const MAX_FILTERS = 8;
const MAX_SUBSCRIPTIONS = 50;

/** Return a link before its first try. */
export function startLink(phase: Link["phase"] = "idle"): Link {
  return { phase, attempt: 0, openedMs: 0, deadlineMs: NEVER, pingMs: NEVER };
}

/** Begin the next try: fetch a session if there is none to trust, else open a socket. */
export function start(work: Work): void {
  const { login, link } = work;
  if (work.transport === "poll") {
    // A guest reads without a session.
    if (login.token === "none") login.renewMs = NEVER;
    else if (!login.session) sessions.fetchSession(work);
  } else if (sessions.mayOpen(work)) openSocket(work);
  else {
    link.phase = "fetching";
    link.deadlineMs = NEVER;
    sessions.fetchSession(work);
  }
}

/** Leave the socket, to sleep or to begin anew. */
export function leave(work: Work, phase: "idle" | "asleep"): void {
  work.effects.push({ kind: "CloseSocket" });
  watches.forgetSubscriptions(work);
  work.link = startLink(phase);
}

/** A session has come, fresh enough for a socket that waits for it. */
export function onSession(work: Work): void {
  if (work.link.phase === "fetching") openSocket(work);
}

/** End for good: by the application's wish, or refused. */
export function end(work: Work, phase: "closed" | "refused"): void {
  work.link.phase = phase;
  work.effects.push({ kind: "CloseSocket" });
}

/** Tell whether nothing happens by itself now; a login or waking up may change that. */
export function isAtRest(link: Link): boolean {
  return ["closed", "refused", "asleep"].includes(link.phase);
}

export function onTimer(work: Work): void {
  const { link, nowMs } = work;
  if (nowMs < link.deadlineMs) {
    if (nowMs >= link.pingMs) ping(work, ANSWER_WITHIN_MS);
  } else if (link.phase === "waiting") start(work);
  else {
    work.effects.push({ kind: "CloseSocket" });
    onLoss(work);
  }
}

/** Ask the broker for a sign of life. */
export function ping(work: Work, withinMs: number): void {
  const { link, nowMs } = work;
  link.pingMs = nowMs + PING_EVERY_MS;
  link.deadlineMs = Math.min(link.deadlineMs, nowMs + withinMs);
  work.effects.push({ kind: "Ping" });
}

function openSocket(work: Work): void {
  work.link.phase = "opening";
  work.link.deadlineMs = work.nowMs + OPEN_WITHIN_MS;
  work.effects.push({ kind: "OpenSocket" });
}

export function onOpen(work: Work): void {
  const { link, nowMs } = work;
  work.login.trustedMs = 0;
  link.phase = "open";
  link.openedMs = nowMs;
  link.deadlineMs = NEVER;
  link.pingMs = nowMs + PING_EVERY_MS;
  subscribe(work);
}

/** @param isMoved the broker is as well as it was: nobody else has lost anything. */
export function onLoss(work: Work, isMoved = false): void {
  const { link, nowMs } = work;
  if (link.phase === "opening") sessions.suspect(work);
  else if (nowMs - link.openedMs >= LASTING_MS) link.attempt = 0;
  watches.forgetSubscriptions(work);
  link.phase = "waiting";
  const attempt = link.attempt++ + (isMoved ? 0 : SPREAD);
  link.deadlineMs = nowMs + backoffMs(attempt, work.random) * work.slowness;
  link.pingMs = NEVER;
}

/** On an open link ask for what is not subscribed yet; beyond the quotas, it is polled. */
export function subscribe(work: Work): void {
  const { link } = work;
  if (link.phase !== "open") return;
  const all = watches.readable(work.watches);
  let left = MAX_SUBSCRIPTIONS - all.filter((one) => isAsked(one) || watches.isGranted(one)).length;
  const names = new Set<string>();
  for (const watch of all) {
    if (watch.subscription !== "none" || sessions.isForbidden(work, watch)) continue;
    if (left-- > 0) {
      watch.subscription = "asked";
      names.add(watches.fullNameOf(work, watch));
    } else watches.onSubscription(work, watch, false);
  }
  for (const channels = [...names]; channels.length > 0; ) {
    link.deadlineMs = work.nowMs + ANSWER_WITHIN_MS;
    work.effects.push({ kind: "Subscribe", channels: channels.splice(0, MAX_FILTERS) });
  }
}

export function onSuback(work: Work, event: Extract<Event, { kind: "Subscribed" }>): void {
  for (const [channel, isGranted] of event.channels) {
    for (const watch of watches.followersOf(work, channel)) {
      watches.onSubscription(work, watch, isGranted);
    }
  }
  clearDeadline(work);
}

/** What was asked has been answered, unless a SUBACK is still to come. */
export function clearDeadline(work: Work): void {
  if (![...work.watches.values()].some(isAsked)) work.link.deadlineMs = NEVER;
}

/** Tell whether its SUBACK is outstanding. */
function isAsked(watch: Watch): boolean {
  return watch.subscription === "asked";
}
