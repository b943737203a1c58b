/**
 * The session's life: fetched once, again ahead of its end, and again when it was refused.
 *
 * Part of the machine in connection.ts. Not here: sockets (link.ts), the calls (io/session.ts).
 */
import { backoffMs } from "./backoff.ts";
import type { BellwireError } from "./errors.ts";
import {
  type Login,
  NEVER,
  report,
  type Session,
  type TokenKind,
  type Watch,
  type Work,
} from "./machine.ts";

/** A session is renewed this long before its end, or a fifth of its life if that is shorter. */
const AHEAD_MS = 300_000;
/** Even if the server's answer was of no use, it is not asked again sooner. */
const SOONEST_MS = 5000;
/** Logins of the second in which access was revoked, and of the one before, do not hold. */
const REFUSED_MS = 1000;
/** A session that is refused so soon after it came is hardly to blame. */
const YOUNG_MS = 30_000;
/** Sessions this close to their end are not used for a new socket. */
const EXPIRY_MARGIN_MS = 60_000;

/** Return a login before its session has been fetched. */
export function startLogin(token: TokenKind, number = 0): Login {
  return {
    number,
    token,
    session: null,
    expiresMs: 0,
    trustedMs: 0,
    renewMs: 0,
    heldMs: 0,
    failures: 0,
    wasRefused: false,
    isSpent: false,
  };
}

/** Tell whether polls can be sent with the session's token. */
export function hasToken(login: Login): boolean {
  return !!login.session && !login.isSpent;
}

/** Tell whether the server is sure to refuse: guests read public channels alone. */
export function isForbidden(work: Work, watch: Watch): boolean {
  return watch.audience === "private" && work.login.token === "none";
}

/** Tell whether a socket may be opened with the session. */
export function mayOpen(work: Work): boolean {
  return hasToken(work.login) && work.login.expiresMs - EXPIRY_MARGIN_MS > work.nowMs;
}

/** Fetch a session now, unless that is under way or has to wait after a failure. */
export function fetchSession(work: Work): void {
  if (work.login.failures === 0 && work.login.renewMs < NEVER) send(work);
}

export function onTimer(work: Work): void {
  if (work.nowMs >= work.login.renewMs) send(work);
}

function send(work: Work): void {
  work.login.renewMs = NEVER;
  work.effects.push({ kind: "FetchCredentials", login: work.login.number });
}

export function onSession(work: Work, session: Session): void {
  const { nowMs, random, login, link } = work;
  const { lifetimeMs } = session;
  // Spread, because many clients may have come at the same time.
  const aheadMs = Math.min(AHEAD_MS, lifetimeMs / 5) * (1 + random / 4);
  work.login = {
    ...startLogin(login.token, login.number),
    session,
    expiresMs: nowMs + lifetimeMs,
    // The more tries have failed, the less likely is it that sessions are to blame.
    trustedMs: nowMs + YOUNG_MS * (1 + link.attempt / 2),
    renewMs: nowMs + Math.max(SOONEST_MS, lifetimeMs - aheadMs),
  };
}

/** Plan the next try; tell whether there is to be one. */
export function onFailure(work: Work, error: BellwireError): boolean {
  const { nowMs, random, login } = work;
  const { code } = error;
  report(work, error);
  // A fault of the service is no refusal: it may be mended while the page stays open. Nor is it one
  // that a stranger on the way says nothing is here, where there was a session before.
  const isPassing =
    error.retryable ||
    code === "internal" ||
    code === "too_many" ||
    (code === "not_found" && !!login.session);
  // The application may have a fresh login by now, but is asked for it only once.
  const isRenewable =
    code === "unauthenticated" && login.token === "renewable" && !login.wasRefused;
  const ownMs = backoffMs(login.failures++, random) + (isRenewable ? REFUSED_MS : 0);
  login.heldMs = nowMs + error.retryAfterMs * (1 + random);
  login.renewMs = Math.max(login.heldMs, nowMs + ownMs);
  login.wasRefused ||= !isPassing;
  return isPassing || isRenewable;
}

/**
 * A socket did not open, which may be because of the session: a browser is not told. One that has
 * opened a socket before is the more suspicious.
 */
export function suspect(work: Work): void {
  if (work.nowMs > work.login.trustedMs) work.login.expiresMs = 0;
}

/** A poll was refused because of the session: throw it away, if a fresh one may do better. */
export function discard(work: Work, isFirst: boolean): void {
  const { login } = work;
  if (!isFirst && work.nowMs <= login.trustedMs) return;
  login.isSpent = true;
  fetchSession(work);
}
