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
  type Effect,
  type Event,
  type Moment,
  NEVER,
  type Session,
  type Status,
  type TokenKind,
  type Transport,
  type Work,
} from "./machine.ts";
import * as polls from "./polls.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

/** How long the socket may take before polls take over. */
export const FALLBACK_AFTER_MS = 5000;

/** Return a connection before its first event. */
export function startConnection(token: TokenKind, transport: Transport = "auto"): Connection {
  return {
    status: "connecting",
    transport,
    isHidden: false,
    login: sessions.startLogin(token),
    link: link.startLink(),
    watches: new Map(),
    lines: { public: watches.startLine(false), private: watches.startLine(true) },
    fallbackMs: NEVER,
    isFallback: transport === "poll",
    hasBeenLive: false,
    timerMs: NEVER,
    nextPollId: 1,
    hasWarned: false,
  };
}

/** Take in one event; return the new connection and the effects to perform, in order. */
export function step(connection: Connection, event: Event, moment: Moment): [Connection, Effect[]] {
  if (connection.link.phase === "closed") return [connection, []];
  const work = startWork(connection, moment);
  (HANDLERS[event.kind] as (work: Work, event: Event) => void)(work, event);
  settleStatus(work);
  settleTimer(work);
  const { effects, nowMs, random, ...next } = work;
  return [next, effects];
}

function startWork(connection: Connection, moment: Moment): Work {
  const { login, link, watches, lines } = connection;
  return {
    ...connection,
    ...moment,
    effects: [],
    login: { ...login },
    link: { ...link },
    watches: new Map([...watches].map(([channel, watch]) => [channel, { ...watch }])),
    lines: { public: { ...lines.public }, private: { ...lines.private } },
  };
}

type Handlers = {
  readonly [Kind in Event["kind"]]: (work: Work, event: Extract<Event, { kind: Kind }>) => void;
};

const HANDLERS: Handlers = {
  Started: link.start,
  ChannelAdded(work, { channel }) {
    watches.addChannel(work, channel);
    link.subscribe(work);
  },
  ChannelRemoved: (work, { channel }) => watches.removeChannel(work, channel),
  LoginChanged(work, { token }) {
    work.login = sessions.startLogin(token, work.login.number + 1);
    beginAnew(work);
  },
  CredentialsArrived(work, { login, session }) {
    if (login === work.login.number) onSession(work, session);
  },
  CredentialsFailed(work, { login, error }) {
    if (login === work.login.number && !sessions.onFailure(work, error)) link.end(work, "refused");
  },
  Opened: link.onOpen,
  Lost(work, { error }) {
    if (error) work.effects.push({ kind: "ReportError", error });
    link.onLoss(work);
  },
  Subscribed: (work, { channels }) => link.onSuback(work, channels),
  Ponged: link.clearDeadline,
  EnvelopeArrived: catchUp.onEnvelope,
  PayloadDropped: catchUp.onPayloadDropped,
  AnswerArrived: catchUp.onAnswer,
  PollFailed: catchUp.onPollFailed,
  TimerFired: onTimer,
  Hidden(work) {
    work.isHidden = true;
  },
  Slept(work) {
    if (link.isAtRest(work.link)) return;
    link.leave(work, "asleep");
    watches.askAnew(work);
    work.fallbackMs = NEVER;
  },
  Woke(work, { isHidden }) {
    work.isHidden = isHidden;
    if (work.link.phase === "refused") return;
    sessions.onWoke(work);
    watches.askAnew(work);
    link.onWoke(work);
  },
  Closed: (work) => link.end(work, "closed"),
};

function onSession(work: Work, session: Session): void {
  const before = work.login.session;
  sessions.onSession(work, session);
  work.lines.public.needsToken = !session.guests;
  // The application's own login may have become another one without a word.
  if (before && before.identityId !== session.identityId) beginAnew(work);
  else link.onSession(work);
}

/** Another identity: nothing that was the old one's is kept, nor what is still on its way. */
function beginAnew(work: Work): void {
  watches.restart(work);
  if (work.link.phase !== "asleep") link.restart(work);
}

function onTimer(work: Work): void {
  work.timerMs = NEVER;
  sessions.onTimer(work);
  link.onTimer(work);
  if (work.nowMs >= work.fallbackMs) {
    work.fallbackMs = NEVER;
    work.isFallback = true;
    if (watches.isPollingInstead(work)) watches.startPolling(work);
  }
  polls.sendPolls(work);
}

function settleStatus(work: Work): void {
  const { effects, nowMs, link, lines } = work;
  const isLive = link.phase === "open" && watches.isWhole(work);
  if (isLive) {
    work.isFallback = false;
    work.hasBeenLive = true;
    work.fallbackMs = NEVER;
  } else if (!work.isFallback && work.fallbackMs === NEVER) {
    work.fallbackMs = nowMs + FALLBACK_AFTER_MS;
    // What was answered while the socket was open says nothing of the server now.
    if (work.status === "live") lines.public.isAnswered = lines.private.isAnswered = false;
  }
  const status = isLive ? "live" : statusWithoutPush(work);
  if (work.status === status) return;
  work.status = status;
  effects.push({ kind: "SetStatus", status });
}

function statusWithoutPush(connection: Connection): Status {
  const { link, login, lines, isFallback } = connection;
  if (link.phase === "refused") return "failed";
  if (link.phase === "closed") return "offline";
  if (!isFallback) return "connecting";
  if (!watches.isPollingInstead(connection)) return "offline";
  if (watches.isPolled(connection)) return "polling";
  const failures = lines.public.failures + lines.private.failures + login.failures;
  return failures > 0 ? "offline" : "connecting";
}

function settleTimer(work: Work): void {
  const { fallbackMs, login, link: line, effects } = work;
  const { deadlineMs, pingMs } = line;
  const timerMs = link.isAtRest(line)
    ? NEVER
    : Math.min(fallbackMs, login.renewMs, deadlineMs, pingMs, polls.nextPollMs(work));
  if (timerMs === work.timerMs) return;
  work.timerMs = timerMs;
  effects.push({ kind: "StartTimer", atMs: timerMs });
}
