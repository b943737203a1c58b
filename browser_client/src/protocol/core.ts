/**
 * What the machine of every client has: credentials, push, polls, recovery.
 *
 * Here: which part of the machine answers which event, the public status, the one timer. Not here:
 * the words for all that (machine.ts), the session (sessions.ts), the socket's phases (link.ts),
 * which channels there are (watches.ts), polls and rules R5–R9 (polls.ts, catch_up.ts), one
 * channel's order (sequence.ts), what the whole machine has besides (connection.ts).
 * Time and chance come in as values, so that a test can be any moment.
 */
import * as catchUp from "./catch_up.ts";
import { BellwireError } from "./errors.ts";
import * as link from "./link.ts";
import {
  type Connection,
  type Event,
  type Handlers,
  NEVER,
  report,
  type Session,
  type Status,
  type Step,
  type TokenKind,
  type Transport,
  type Work,
} from "./machine.ts";
import * as polls from "./polls.ts";
import * as sessions from "./sessions.ts";
import * as watches from "./watches.ts";

/** How long the socket may take before polls take over, spread for losses that many share. */
const FALLBACK_AFTER_MS = 4000;
const SPREAD_MS = 1000;

/** Return a connection before its first event. */
export function startConnection(token: TokenKind, transport: Transport = "auto"): Connection {
  return {
    status: "connecting",
    transport,
    slowness: 1,
    login: sessions.startLogin(token),
    link: link.startLink(),
    watches: new Map(),
    lines: { public: watches.startLine(false), private: watches.startLine(true) },
    fallbackMs: NEVER,
    isFallback: transport === "poll",
    timerMs: NEVER,
    nextPollId: 1,
    hasWarned: false,
  };
}

/** Return the machine of these handlers; events that none of them answers must not come. */
export function stepBy(handlers: Partial<Handlers>): Step {
  return (connection, event, moment) => {
    if (connection.link.phase === "closed") return [connection, []];
    const work = startWork(connection, moment);
    (handlers[event.kind] as (work: Work, event: Event) => void)(work, event);
    settleStatus(work);
    settleTimer(work);
    const { effects, nowMs, random, ...next } = work;
    return [next, effects];
  };
}

function startWork(connection: Connection, moment: Parameters<Step>[2]): Work {
  const { lines } = connection;
  return {
    ...connection,
    ...moment,
    effects: [],
    login: { ...connection.login },
    link: { ...connection.link },
    watches: new Map([...connection.watches].map(([channel, watch]) => [channel, { ...watch }])),
    lines: { public: { ...lines.public }, private: { ...lines.private } },
  };
}

export const HANDLERS = {
  Started: link.start,
  ChannelAdded(work, { channel }) {
    watches.addChannel(work, channel);
    link.subscribe(work);
  },
  ChannelRemoved: watches.removeChannel,
  CredentialsArrived(work, { session }) {
    // A guest whose identity is gone from the pool is another one from now on.
    if (isOther(work, session) && work.login.token !== "none") {
      const error = new BellwireError("not_allowed", "found another login, expected the same");
      fail(work, { error });
    } else {
      takeSession(work, session);
      link.onSession(work);
    }
  },
  CredentialsFailed: fail,
  Opened: link.onOpen,
  Lost(work, { error, isMoved }) {
    if (error) report(work, error);
    link.onLoss(work, isMoved);
  },
  Subscribed: link.onSuback,
  Ponged: link.clearDeadline,
  EnvelopeArrived: catchUp.onEnvelope,
  PayloadDropped: catchUp.onPayloadDropped,
  AnswerArrived: catchUp.onAnswer,
  PollFailed: catchUp.onPollFailed,
  TimerFired(work) {
    work.timerMs = NEVER;
    sessions.onTimer(work);
    link.onTimer(work);
    if (work.nowMs >= work.fallbackMs) {
      work.fallbackMs = NEVER;
      work.isFallback = true;
      if (watches.isPollingInstead(work)) watches.startPolling(work);
    }
    polls.sendPolls(work);
  },
  Closed: (work) => link.end(work, "closed"),
} satisfies Partial<Handlers>;

function fail(work: Work, { error }: { readonly error: BellwireError }): void {
  if (!sessions.onFailure(work, error)) link.end(work, "refused");
}

/** Tell whether the session is of somebody else than the one before. */
export function isOther(work: Work, session: Session): boolean {
  const { session: before } = work.login;
  return !!before && before.identityId !== session.identityId;
}

export function takeSession(work: Work, session: Session): void {
  sessions.onSession(work, session);
  work.lines.public.needsToken = !session.guests;
}

function settleStatus(work: Work): void {
  const { lines } = work;
  const isLive = work.link.phase === "open" && watches.isWhole(work);
  if (isLive) {
    work.isFallback = false;
    work.fallbackMs = NEVER;
  } else if (!work.isFallback && work.fallbackMs === NEVER) {
    work.fallbackMs = work.nowMs + FALLBACK_AFTER_MS + work.random * SPREAD_MS;
    // What was answered while the socket was open says nothing of the server now.
    if (work.status === "live") lines.public.isAnswered = lines.private.isAnswered = false;
  }
  const status = isLive ? "live" : statusWithoutPush(work);
  if (work.status === status) return;
  work.status = status;
  work.effects.push({ kind: "SetStatus", status });
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
  const { deadlineMs, pingMs } = work.link;
  const atMs = link.isAtRest(work.link)
    ? NEVER
    : Math.min(work.fallbackMs, work.login.renewMs, deadlineMs, pingMs, polls.nextPollMs(work));
  if (atMs === work.timerMs) return;
  work.timerMs = atMs;
  work.effects.push({ kind: "StartTimer", atMs });
}
