/**
 * The socket's life: credentials, opening, subscriptions, keep-alive, loss, the next try.
 *
 * Part of the machine in connection.ts. Not here: bytes (mqtt.ts), polls (polls.ts).
 */
import { backoffMs } from "./backoff.ts";
import { type Event, type Link, NEVER, type Session, type Work } from "./machine.ts";
import * as watches from "./watches.ts";

type LinkEvent = Extract<
  Event,
  { kind: "CredentialsArrived" | "CredentialsFailed" | "Opened" | "Lost" | "Subscribed" | "Ponged" }
>;

const OPEN_WITHIN_MS = 5000;
/** So that a dead link is known within 40 s; it is a third of the keep-alive told to the broker. */
const PING_EVERY_MS = 30_000;
const ANSWER_WITHIN_MS = 10_000;
/** A connection that lasted this long was a good one: the next loss starts from the first delay. */
const LASTING_MS = 10_000;
/** Credentials that never opened a socket are not asked for again sooner than this. */
const RENEW_AFTER_MS = 30_000;
/** Credentials this close to their end are not used for a new socket. */
const EXPIRY_MARGIN_MS = 60_000;
/** AWS IoT quotas: filters in one SUBSCRIBE, subscriptions of one connection. */
const MAX_FILTERS = 8;
const MAX_SUBSCRIPTIONS = 50;

/** Return a link before its first try. */
export function startLink(): Link {
  return {
    phase: "idle",
    session: null,
    fetchedMs: 0,
    isProven: false,
    isSuspect: false,
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

/** Begin the next try: fetch credentials if there are none to trust, else open a socket. */
export function start(work: Work): void {
  const { session, isSuspect } = work.connection.link;
  if (session && !isSuspect && session.expiresAtMs - EXPIRY_MARGIN_MS > work.nowMs) {
    openSocket(work, session);
  } else {
    change(work, { phase: "fetching", deadlineMs: NEVER });
    work.effects.push({ kind: "FetchCredentials" });
  }
}

/** End for good: by the application's wish, or refused. */
export function end(work: Work, phase: "closed" | "refused"): void {
  change(work, { phase });
  work.effects.push({ kind: "CloseSocket" });
}

/** Tell whether nothing more will happen. */
export function hasEnded({ phase }: Link): boolean {
  return phase === "closed" || phase === "refused";
}

export function onLinkEvent(work: Work, event: LinkEvent): void {
  const { phase } = work.connection.link;
  switch (event.kind) {
    case "CredentialsArrived":
      if (phase === "fetching") onCredentials(work, event.session);
      break;
    case "CredentialsFailed":
      work.effects.push({ kind: "ReportError", error: event.error });
      // A fault of the service is no refusal: it may be mended while the page stays open.
      if (event.error.retryable || event.error.code === "internal") wait(work);
      else end(work, "refused");
      break;
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

function onCredentials(work: Work, session: Session): void {
  change(work, { session, fetchedMs: work.nowMs, isProven: false, isSuspect: false });
  openSocket(work, session);
}

function openSocket(work: Work, session: Session): void {
  change(work, { phase: "opening", deadlineMs: work.nowMs + OPEN_WITHIN_MS });
  work.effects.push({ kind: "OpenSocket", session });
}

function onOpened(work: Work): void {
  const { nowMs } = work;
  change(work, {
    phase: "open",
    isProven: true,
    openedMs: nowMs,
    deadlineMs: NEVER,
    pingMs: nowMs + PING_EVERY_MS,
  });
  subscribe(work);
}

/** A browser cannot tell a refused handshake from a dead network, so both may be the credentials. */
function onLost(work: Work): void {
  const { phase, isProven, fetchedMs, openedMs } = work.connection.link;
  if (phase === "opening" && (isProven || work.nowMs - fetchedMs > RENEW_AFTER_MS)) {
    change(work, { isSuspect: true });
  }
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
  for (let index = 0; index < wanted.length; index += MAX_FILTERS) {
    work.effects.push({ kind: "Subscribe", channels: wanted.slice(index, index + MAX_FILTERS) });
  }
  if (wanted.length > 0) change(work, { deadlineMs: work.nowMs + ANSWER_WITHIN_MS });
}

function onSubscribed(work: Work, channels: ReadonlyMap<string, boolean>): void {
  for (const [channel, isGranted] of channels) watches.onSubscription(work, channel, isGranted);
  clearDeadline(work);
}

function clearDeadline(work: Work): void {
  if (!watches.isAwaitingSuback(work.connection)) change(work, { deadlineMs: NEVER });
}

function change({ connection }: Work, fields: Partial<Link>): void {
  connection.link = { ...connection.link, ...fields };
}
