/**
 * The socket's life: opening, subscriptions, keep-alive, loss, the next try.
 *
 * Part of the machine in connection.ts. Not here: the session it is opened with (sessions.ts),
 * bytes (mqtt.ts).
 */
import { backoffMs } from "./backoff.ts";
import { nameInFull } from "./channels.ts";
import { type Link, NEVER, type Work } from "./machine.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

const OPEN_WITHIN_MS = 5000;
/** So that a dead link is known within 40 s; it is a third of the keep-alive told to the broker. */
const PING_EVERY_MS = 30_000;
const ANSWER_WITHIN_MS = 10_000;
/** A link that may have died while the page slept has to show quickly that it has not. */
const PROVE_WITHIN_MS = 3000;
/** A connection that lasted this long was a good one: the next loss starts from the first delay. */
const LASTING_MS = 10_000;
/** Nobody waits for a page that nobody looks at: its tries are this many times further apart. */
const HIDDEN_FACTOR = 4;
/** AWS IoT quotas: filters in one SUBSCRIBE, subscriptions of one connection. */
const MAX_FILTERS = 8;
const MAX_SUBSCRIPTIONS = 50;

/** Return a link before its first try. */
export function startLink(): Link {
  return {
    phase: "idle",
    attempt: 0,
    openedMs: 0,
    deadlineMs: NEVER,
    pingMs: NEVER,
  };
}

/** Begin the next try: fetch a session if there is none to trust, else open a socket. */
export function start(work: Work): void {
  const { transport, login, link } = work;
  if (transport === "poll") {
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

/** Leave the socket, if there is one, and begin as at first. */
export function restart(work: Work): void {
  leave(work, "idle");
  start(work);
}

/** Leave the socket, to sleep or to begin anew. */
export function leave(work: Work, phase: "idle" | "asleep"): void {
  work.effects.push({ kind: "CloseSocket" });
  watches.forgetSubscriptions(work);
  work.link = { ...startLink(), phase };
}

/** A session has come, fresh enough for a socket that waits for it. */
export function onSession(work: Work): void {
  if (work.link.phase === "fetching") openSocket(work);
}

/** End for good: by the application's wish, or refused. */
export function end({ link, effects }: Work, phase: "closed" | "refused"): void {
  link.phase = phase;
  effects.push({ kind: "CloseSocket" });
}

/** Tell whether nothing happens by itself now; a login or waking up may change that. */
export function isAtRest({ phase }: Link): boolean {
  return phase === "closed" || phase === "refused" || phase === "asleep";
}

export function onTimer(work: Work): void {
  const { link, nowMs } = work;
  if (nowMs >= link.deadlineMs) {
    if (link.phase === "waiting") start(work);
    else giveUp(work);
  } else if (nowMs >= link.pingMs) ping(work, ANSWER_WITHIN_MS);
}

/** The page or its network is back: try now, or see whether the socket still lives. */
export function onWoke(work: Work): void {
  const { link } = work;
  const { phase } = link;
  if (phase === "asleep") link.phase = "idle"; // Without a socket, that is what it stays.
  if (phase === "waiting" || phase === "asleep") start(work);
  else if (phase === "open") ping(work, PROVE_WITHIN_MS);
}

function ping({ link, effects, nowMs }: Work, withinMs: number): void {
  link.pingMs = nowMs + PING_EVERY_MS;
  link.deadlineMs = Math.min(link.deadlineMs, nowMs + withinMs);
  effects.push({ kind: "Ping" });
}

function giveUp(work: Work): void {
  work.effects.push({ kind: "CloseSocket" });
  onLoss(work);
}

function openSocket({ link, effects, nowMs }: Work): void {
  link.phase = "opening";
  link.deadlineMs = nowMs + OPEN_WITHIN_MS;
  effects.push({ kind: "OpenSocket" });
}

export function onOpen(work: Work): void {
  const { link, login, nowMs } = work;
  login.isProven = true;
  link.phase = "open";
  link.openedMs = nowMs;
  link.deadlineMs = NEVER;
  link.pingMs = nowMs + PING_EVERY_MS;
  subscribe(work);
}

export function onLoss(work: Work): void {
  const { link, nowMs, random, isHidden } = work;
  if (link.phase === "opening") sessions.suspect(work);
  else if (nowMs - link.openedMs >= LASTING_MS) link.attempt = 0;
  watches.forgetSubscriptions(work);
  link.phase = "waiting";
  link.deadlineMs = nowMs + backoffMs(link.attempt++, random) * (isHidden ? HIDDEN_FACTOR : 1);
  link.pingMs = NEVER;
}

/** On an open link ask for what is not subscribed yet; beyond the quotas, it is polled. */
export function subscribe(work: Work): void {
  const { link, login, effects, nowMs } = work;
  if (link.phase !== "open") return;
  const wanted = watches.takeUnsubscribed(work, MAX_SUBSCRIPTIONS);
  const names = wanted.map((channel) => nameInFull(channel, login.session?.identityId));
  const channels = [...new Set(names)];
  if (channels.length > 0) link.deadlineMs = nowMs + ANSWER_WITHIN_MS;
  while (channels.length > 0) {
    effects.push({ kind: "Subscribe", channels: channels.splice(0, MAX_FILTERS) });
  }
}

export function onSuback(work: Work, channels: ReadonlyMap<string, boolean>): void {
  for (const [channel, isGranted] of channels) {
    for (const watch of watches.followersOf(work, channel)) {
      watches.onSubscription(work, watch, isGranted);
    }
  }
  clearDeadline(work);
}

/** What was asked has been answered, unless a SUBACK is still to come. */
export function clearDeadline({ link, watches: all }: Work): void {
  if (![...all.values()].some(watches.isAsked)) link.deadlineMs = NEVER;
}
