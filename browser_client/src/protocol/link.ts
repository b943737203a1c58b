/**
 * The socket's life: opening, subscriptions, keep-alive, loss, the next try.
 *
 * Part of the machine in connection.ts. Not here: the session it is opened with (sessions.ts),
 * bytes (mqtt.ts).
 */
import { backoffMs } from "./backoff.ts";
import { nameInFull } from "./channels.ts";
import { type Event, type Link, NEVER, type Work } from "./machine.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

type LinkEvent = Extract<Event, { kind: "Opened" | "Lost" | "Subscribed" | "Ponged" }>;

const OPEN_WITHIN_MS = 5000;
/** So that a dead link is known within 40 s; it is a third of the keep-alive told to the broker. */
const PING_EVERY_MS = 30_000;
const ANSWER_WITHIN_MS = 10_000;
/** A connection that lasted this long was a good one: the next loss starts from the first delay. */
const LASTING_MS = 10_000;
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

/** Return when the link next needs `TimerFired`. */
export function nextDeadlineMs({ deadlineMs, pingMs }: Link): number {
  return Math.min(deadlineMs, pingMs);
}

/** Begin the next try: fetch a session if there is none to trust, else open a socket. */
export function start(work: Work): void {
  if (sessions.mayOpen(work)) openSocket(work);
  else {
    change(work, { phase: "fetching", deadlineMs: NEVER });
    sessions.fetchSession(work);
  }
}

/** Leave the socket, if there is one, and begin as at first. */
export function restart(work: Work): void {
  work.effects.push({ kind: "CloseSocket" });
  watches.forgetSubscriptions(work);
  work.connection.link = startLink();
  start(work);
}

/** A session has come, fresh enough for a socket that waits for it. */
export function onSession(work: Work): void {
  if (work.connection.link.phase === "fetching") openSocket(work);
}

/** End for good: by the application's wish, or refused. */
export function end(work: Work, phase: "closed" | "refused"): void {
  change(work, { phase });
  work.effects.push({ kind: "CloseSocket" });
}

/** Tell whether nothing more will happen by itself; another login may do better. */
export function hasEnded({ phase }: Link): boolean {
  return phase === "closed" || phase === "refused";
}

export function onLinkEvent(work: Work, event: LinkEvent): void {
  switch (event.kind) {
    case "Opened":
      onOpened(work);
      break;
    case "Lost":
      onLost(work);
      break;
    case "Subscribed":
      onSubscribed(work, event.channels);
      break;
    case "Ponged":
      clearDeadline(work);
  }
}

export function onTimer(work: Work): void {
  const { phase, deadlineMs, pingMs } = work.connection.link;
  if (work.nowMs >= deadlineMs) {
    if (phase === "waiting") start(work);
    else giveUp(work);
  } else if (work.nowMs >= pingMs) {
    const answerMs = work.nowMs + ANSWER_WITHIN_MS;
    change(work, {
      pingMs: work.nowMs + PING_EVERY_MS,
      deadlineMs: Math.min(deadlineMs, answerMs),
    });
    work.effects.push({ kind: "Ping" });
  }
}

function giveUp(work: Work): void {
  work.effects.push({ kind: "CloseSocket" });
  onLost(work);
}

/** A channel was added: on an open link it is subscribed at once. */
export function onChannelAdded(work: Work): void {
  if (work.connection.link.phase === "open") subscribe(work);
}

function openSocket(work: Work): void {
  change(work, { phase: "opening", deadlineMs: work.nowMs + OPEN_WITHIN_MS });
  work.effects.push({ kind: "OpenSocket" });
}

function onOpened(work: Work): void {
  const { nowMs } = work;
  sessions.change(work, { isProven: true });
  change(work, {
    phase: "open",
    openedMs: nowMs,
    deadlineMs: NEVER,
    pingMs: nowMs + PING_EVERY_MS,
  });
  subscribe(work);
}

function onLost(work: Work): void {
  const { phase, openedMs } = work.connection.link;
  if (phase === "opening") sessions.suspect(work);
  if (phase === "open" && work.nowMs - openedMs >= LASTING_MS) change(work, { attempt: 0 });
  watches.forgetSubscriptions(work);
  wait(work);
}

function wait(work: Work): void {
  const { attempt } = work.connection.link;
  change(work, {
    phase: "waiting",
    attempt: attempt + 1,
    deadlineMs: work.nowMs + backoffMs(attempt, work.random),
    pingMs: NEVER,
  });
}

/** Ask for what is not subscribed yet, as far as the quotas go; the rest is polled. */
function subscribe(work: Work): void {
  const wanted = watches.takeUnsubscribed(work, MAX_SUBSCRIPTIONS);
  const identityId = work.connection.login.session?.identityId;
  const channels = [...new Set(wanted.map((channel) => nameInFull(channel, identityId)))];
  for (let index = 0; index < channels.length; index += MAX_FILTERS) {
    work.effects.push({ kind: "Subscribe", channels: channels.slice(index, index + MAX_FILTERS) });
  }
  if (wanted.length > 0) change(work, { deadlineMs: work.nowMs + ANSWER_WITHIN_MS });
}

function onSubscribed(work: Work, channels: ReadonlyMap<string, boolean>): void {
  for (const [channel, isGranted] of channels) {
    for (const { sequence } of watches.followersOf(work.connection, channel)) {
      watches.onSubscription(work, sequence.channel, isGranted);
    }
  }
  clearDeadline(work);
}

function clearDeadline(work: Work): void {
  if (!watches.isAwaitingSuback(work.connection)) change(work, { deadlineMs: NEVER });
}

function change({ connection }: Work, fields: Partial<Link>): void {
  connection.link = { ...connection.link, ...fields };
}
