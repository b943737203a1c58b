/**
 * The session's life: fetched once, again ahead of its end, and again when it was refused.
 *
 * Part of the machine in connection.ts. Not here: sockets (link.ts), the calls (io/session.ts).
 */
import { backoffMs } from "./backoff.ts";
import type { BellwireError } from "./errors.ts";
import { type Login, NEVER, type Session, type TokenKind, type Work } from "./machine.ts";

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
    fetchedMs: 0,
    expiresMs: 0,
    renewMs: 0,
    heldMs: 0,
    failures: 0,
    refusals: 0,
    isProven: false,
    isSuspect: false,
    isSpent: false,
  };
}

/** Tell whether polls can be sent with the session's token. */
export function hasToken({ session, isSpent }: Login): boolean {
  return session !== null && !isSpent;
}

/** Tell whether a socket may be opened with the session. */
export function mayOpen({ login, nowMs }: Work): boolean {
  return hasToken(login) && !login.isSuspect && login.expiresMs - EXPIRY_MARGIN_MS > nowMs;
}

/** Fetch a session now, unless that is under way or has to wait after a failure. */
export function fetchSession({ login, effects }: Work): void {
  if (login.failures === 0 && login.renewMs !== NEVER) send(login, effects);
}

export function onTimer({ login, effects, nowMs }: Work): void {
  if (nowMs >= login.renewMs) send(login, effects);
}

function send(login: Work["login"], effects: Work["effects"]): void {
  login.renewMs = NEVER;
  effects.push({ kind: "FetchCredentials", login: login.number });
}

/** The network is back: a fetch that failed need not wait any longer than the server asked. */
export function onWoke({ login }: Work): void {
  if (login.failures > 0 && login.renewMs !== NEVER) login.renewMs = login.heldMs;
}

export function onSession(work: Work, session: Session): void {
  const { nowMs, random, login } = work;
  const { lifetimeMs } = session;
  // Spread, because many clients may have come at the same time.
  const aheadMs = Math.min(AHEAD_MS, lifetimeMs / 5) * (1 + random / 4);
  work.login = {
    ...startLogin(login.token, login.number),
    session,
    fetchedMs: nowMs,
    expiresMs: nowMs + lifetimeMs,
    renewMs: nowMs + Math.max(SOONEST_MS, lifetimeMs - aheadMs),
  };
}

/** Plan the next try; tell whether there is to be one. */
export function onFailure({ nowMs, random, effects, login }: Work, error: BellwireError): boolean {
  effects.push({ kind: "ReportError", error });
  const { code, retryable, retryAfterMs } = error;
  // A fault of the service is no refusal: it may be mended while the page stays open.
  const isPassing = retryable || code === "internal" || code === "too_many";
  // The application may have a fresh login by now, but is asked for it only once.
  const isRenewable =
    code === "unauthenticated" && login.token === "renewable" && login.refusals === 0;
  const ownMs = backoffMs(login.failures++, random) + (isRenewable ? REFUSED_MS : 0);
  login.heldMs = nowMs + retryAfterMs * (1 + random);
  login.renewMs = Math.max(login.heldMs, nowMs + ownMs);
  if (!isPassing) login.refusals++;
  return isPassing || isRenewable;
}

/**
 * A socket did not open, which may be because of the session: a browser is not told. The more
 * tries fail, the less likely; where no socket ever opens, sessions are not wasted.
 */
export function suspect(work: Work): void {
  const { login, link } = work;
  if (login.isProven || !isYoung(work, link.attempt)) login.isSuspect = true;
}

/** A poll was refused because of the session: throw it away, if a fresh one may do better. */
export function discard(work: Work, isFirst: boolean): void {
  const { login, nowMs, random } = work;
  if (!isFirst && isYoung(work)) return;
  login.isSpent = true;
  if (login.renewMs !== NEVER && login.failures === 0) login.renewMs = nowMs + backoffMs(0, random);
}

function isYoung({ login, nowMs }: Work, tries = 0): boolean {
  return nowMs - login.fetchedMs <= YOUNG_MS * (1 + tries / 4);
}
