/**
 * A client's life as one pure machine: `step(connection, event, moment) → [connection, effects]`.
 *
 * Here: which part of the machine answers which event, the public status, the one timer, and
 * what another identity ends. Not here: the words for all that (machine.ts), the session
 * (sessions.ts), the socket's phases (link.ts), which channels there are (watches.ts), polls and
 * rules R5–R9 (polls.ts, catch_up.ts), one channel's order (sequence.ts).
 * Time and chance come in as values, so that a test can be any moment.
 */
import * as catchUp from "./catch_up.ts";
import * as link from "./link.ts";
import {
  type Connection,
  type Draft,
  type Effect,
  type Event,
  type Moment,
  NEVER,
  type Session,
  type Status,
  type TokenKind,
  type Work,
} from "./machine.ts";
import * as polls from "./polls.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

/** How long the socket may take before polls take over. */
export const FALLBACK_AFTER_MS = 5000;

/** Return a connection before its first event. */
export function startConnection(token: TokenKind): Connection {
  return {
    status: "connecting",
    login: sessions.startLogin(token),
    link: link.startLink(),
    watches: new Map(),
    lines: { public: watches.startLine(false), private: watches.startLine(true) },
    fallbackMs: NEVER,
    isFallback: false,
    hasBeenLive: false,
    timerMs: NEVER,
    nextPollId: 1,
    hasWarned: false,
  };
}

/** Take in one event; return the new connection and the effects to perform, in order. */
export function step(connection: Connection, event: Event, moment: Moment): [Connection, Effect[]] {
  if (connection.link.phase === "closed") return [connection, []];
  const draft: Draft = { ...connection, watches: new Map(connection.watches) };
  const work: Work = { ...moment, connection: draft, effects: [] };
  handle(work, event);
  settleStatus(work);
  settleTimer(work);
  return [draft, work.effects];
}

function handle(work: Work, event: Event): void {
  switch (event.kind) {
    case "Started":
      link.start(work);
      break;
    case "ChannelAdded":
      watches.addChannel(work, event.channel);
      link.onChannelAdded(work);
      break;
    case "ChannelRemoved":
      watches.removeChannel(work, event.channel);
      break;
    case "LoginChanged":
      work.connection.login = sessions.startLogin(event.token, work.connection.login.number + 1);
      beginAnew(work);
      break;
    case "TimerFired":
      onTimer(work);
      break;
    case "Closed":
      link.end(work, "closed");
      break;
    default:
      handleArrival(work, event);
  }
}

type Arrival = Exclude<
  Event,
  { kind: "Started" | `Channel${string}` | "LoginChanged" | "TimerFired" | "Closed" }
>;

function handleArrival(work: Work, event: Arrival): void {
  switch (event.kind) {
    case "CredentialsArrived":
      if (event.login === work.connection.login.number) onSession(work, event.session);
      break;
    case "CredentialsFailed": {
      const isHeard = event.login === work.connection.login.number;
      if (isHeard && !sessions.onFailure(work, event.error)) link.end(work, "refused");
      break;
    }
    case "EnvelopeArrived":
      catchUp.onEnvelope(work, event.envelope, event.sizeBytes);
      break;
    case "PayloadDropped":
      catchUp.onPayloadDropped(work, event.channel, event.error);
      break;
    case "AnswerArrived":
      catchUp.onAnswer(work, event);
      break;
    case "PollFailed":
      catchUp.onPollFailed(work, event);
      break;
    default:
      link.onLinkEvent(work, event);
  }
}

function onSession(work: Work, session: Session): void {
  const before = work.connection.login.session;
  sessions.onSession(work, session);
  watches.changeLine(work, "public", { needsToken: !session.guests });
  // The application's own login may have become another one without a word.
  if (before && before.identityId !== session.identityId) beginAnew(work);
  else link.onSession(work);
}

/** Another identity: nothing that was the old one's is kept, nor what is still on its way. */
function beginAnew(work: Work): void {
  watches.restart(work);
  link.restart(work);
}

function onTimer(work: Work): void {
  const { connection, nowMs } = work;
  connection.timerMs = NEVER;
  sessions.onTimer(work);
  link.onTimer(work);
  if (nowMs >= connection.fallbackMs) {
    connection.fallbackMs = NEVER;
    connection.isFallback = true;
    watches.startPolling(work);
  }
  polls.sendPolls(work);
}

function settleStatus(work: Work): void {
  const { connection, effects, nowMs } = work;
  const isLive = connection.link.phase === "open" && watches.isWhole(connection);
  if (isLive) {
    connection.isFallback = false;
    connection.hasBeenLive = true;
    connection.fallbackMs = NEVER;
  } else if (!connection.isFallback && connection.fallbackMs === NEVER) {
    connection.fallbackMs = nowMs + FALLBACK_AFTER_MS;
    if (connection.status === "live") watches.forgetAnswers(work);
  }
  const status = isLive ? "live" : statusWithoutPush(connection);
  if (connection.status === status) return;
  connection.status = status;
  effects.push({ kind: "SetStatus", status });
}

function statusWithoutPush(connection: Connection): Status {
  if (connection.link.phase === "refused") return "failed";
  if (connection.link.phase === "closed") return "offline";
  if (!connection.isFallback) return "connecting";
  if (watches.isPolled(connection)) return "polling";
  const hasFailed = watches.hasFailedPoll(connection) || connection.login.failures > 0;
  return hasFailed ? "offline" : "connecting";
}

function settleTimer({ connection, effects }: Work): void {
  const atMs = Math.min(
    connection.fallbackMs,
    connection.login.renewMs,
    link.nextDeadlineMs(connection.link),
    polls.nextPollMs(connection),
  );
  const timerMs = link.hasEnded(connection.link) ? NEVER : atMs;
  if (timerMs === connection.timerMs) return;
  connection.timerMs = timerMs;
  effects.push({ kind: "StartTimer", atMs: timerMs });
}
