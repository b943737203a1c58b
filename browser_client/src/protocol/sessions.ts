/**
 * The session's life: fetched once, again ahead of its end, and again when it was refused.
 *
 * Part of the machine in connection.ts. Not here: sockets (link.ts), the calls (io/session.ts).
 */
import { backoffMs } from "./backoff.ts";
import type { BellwireError } from "./errors.ts";
import {
  type Connection,
  type Login,
  NEVER,
  type Session,
  type TokenKind,
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
    fetchedMs: 0,
    expiresMs: 0,
    renewMs: 0,
    failures: 0,
    refusals: 0,
    isProven: false,
    isSuspect: false,
    isSpent: false,
  };
}

/** Tell whether polls can be sent with the session's token. */
export function hasToken({ login }: Connection): boolean {
  return login.session !== null && !login.isSpent;
}

/** Tell whether a socket may be opened with the session. */
export function mayOpen({ connection, nowMs }: Work): boolean {
  const { isSuspect, expiresMs } = connection.login;
  return hasToken(connection) && !isSuspect && expiresMs - EXPIRY_MARGIN_MS > nowMs;
}

/** Fetch a session now, unless that is under way or has to wait after a failure. */
export function fetchSession(work: Work): void {
  const { failures, renewMs } = work.connection.login;
  if (failures === 0 && renewMs !== NEVER) send(work);
}

export function onTimer(work: Work): void {
  if (work.nowMs >= work.connection.login.renewMs) send(work);
}

function send(work: Work): void {
  change(work, { renewMs: NEVER });
  work.effects.push({ kind: "FetchCredentials", login: work.connection.login.number });
}

export function onSession(work: Work, session: Session): void {
  const { nowMs, random, connection } = work;
  const { token, number } = connection.login;
  const { lifetimeMs } = session;
  // Spread, because many clients may have come at the same time.
  const aheadMs = Math.min(AHEAD_MS, lifetimeMs / 5) * (1 + random / 4);
  connection.login = {
    ...startLogin(token, number),
    session,
    fetchedMs: nowMs,
    expiresMs: nowMs + lifetimeMs,
    renewMs: nowMs + Math.max(SOONEST_MS, lifetimeMs - aheadMs),
  };
}

/** Plan the next try; tell whether there is to be one. */
export function onFailure(work: Work, error: BellwireError): boolean {
  const { nowMs, random, effects } = work;
  const { failures, refusals, token } = work.connection.login;
  effects.push({ kind: "ReportError", error });
  const { code, retryable, retryAfterMs } = error;
  // A fault of the service is no refusal: it may be mended while the page stays open.
  const isPassing = retryable || code === "internal" || code === "too_many";
  // The application may have a fresh login by now, but is asked for it only once.
  const isRenewable = code === "unauthenticated" && token === "renewable" && refusals === 0;
  const ownMs = backoffMs(failures, random) + (isRenewable ? REFUSED_MS : 0);
  const pauseMs = Math.max(retryAfterMs * (1 + random), ownMs);
  change(work, {
    renewMs: nowMs + pauseMs,
    failures: failures + 1,
    refusals: isPassing ? refusals : refusals + 1,
  });
  return isPassing || isRenewable;
}

/**
 * A socket did not open, which may be because of the session: a browser is not told. The more
 * tries fail, the less likely; where no socket ever opens, sessions are not wasted.
 */
export function suspect(work: Work): void {
  const { login, link } = work.connection;
  if (login.isProven || !isYoung(work, link.attempt)) change(work, { isSuspect: true });
}

/** A poll was refused because of the session: throw it away, if a fresh one may do better. */
export function discard(work: Work, isFirst: boolean): void {
  const { renewMs, failures } = work.connection.login;
  if (!isFirst && isYoung(work)) return;
  const isPlanned = renewMs === NEVER || failures > 0;
  const atMs = isPlanned ? renewMs : work.nowMs + backoffMs(0, work.random);
  change(work, { isSpent: true, renewMs: atMs });
}

function isYoung({ connection, nowMs }: Work, tries = 0): boolean {
  return nowMs - connection.login.fetchedMs <= YOUNG_MS * (1 + tries / 4);
}

export function change({ connection }: Work, fields: Partial<Login>): void {
  connection.login = { ...connection.login, ...fields };
}
