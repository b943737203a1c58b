/**
 * A client's life as one pure machine: `step(connection, event, moment) → [connection, effects]`.
 *
 * Here: events and effects, which part of the machine answers which event, the public status.
 * Not here: the socket's phases (link.ts), polls and rules R5–R9 (catch_up.ts), one channel's order
 * (sequence.ts). Time and chance come in as values, so that a test can be any moment.
 */
import type { PollAnswer } from "./answers.ts";
import * as catchUp from "./catch_up.ts";
import type { BellwireError } from "./errors.ts";
import * as link from "./link.ts";
import type { SequenceOutput } from "./sequence.ts";
import type { Envelope } from "./updates.ts";

/** `live` pushed and whole · `polling` whole as of the last poll · `offline` neither works. */
export type Status = "connecting" | "live" | "polling" | "offline" | "failed";

/** What a socket is opened with: where, as whom, and until when (ms since the epoch). */
export interface Session {
  readonly stage: string;
  readonly region: string;
  readonly iotUrl: string;
  readonly identityId: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtMs: number;
}

/** When a step happens, and the chance it may use. */
export interface Moment {
  /** Milliseconds since the epoch, from a clock that does not jump back. */
  readonly nowMs: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

export type Event =
  | { readonly kind: "Started" }
  | { readonly kind: "ChannelAdded"; readonly channel: string }
  | { readonly kind: "ChannelRemoved"; readonly channel: string }
  | { readonly kind: "CredentialsArrived"; readonly session: Session }
  | { readonly kind: "CredentialsFailed"; readonly error: BellwireError }
  /** The broker accepted the connection. */
  | { readonly kind: "Opened" }
  /** The socket ended, or never opened. */
  | { readonly kind: "Lost" }
  | { readonly kind: "Subscribed"; readonly channels: ReadonlyMap<string, boolean> }
  | { readonly kind: "Ponged" }
  | { readonly kind: "EnvelopeArrived"; readonly envelope: Envelope; readonly sizeBytes: number }
  /** A payload that is no envelope, or (error null) one of another protocol version. */
  | {
      readonly kind: "PayloadDropped";
      readonly channel: string;
      readonly error: BellwireError | null;
    }
  | AnswerArrived
  | PollFailed
  | { readonly kind: "TimerFired" }
  | { readonly kind: "Closed" };

export interface AnswerArrived {
  readonly kind: "AnswerArrived";
  readonly id: number;
  readonly answer: PollAnswer;
  /** For how long a cache may answer the same request with the same. */
  readonly maxAgeMs: number;
  /** For how long this answer has been in a cache. */
  readonly ageMs: number;
}

export interface PollFailed {
  readonly kind: "PollFailed";
  readonly id: number;
  readonly error: BellwireError;
  /** 0 when the server did not say. */
  readonly retryAfterMs: number;
}

export type Effect =
  | { readonly kind: "FetchCredentials" }
  | { readonly kind: "OpenSocket"; readonly session: Session }
  | { readonly kind: "CloseSocket" }
  | { readonly kind: "Subscribe"; readonly channels: readonly string[] }
  | { readonly kind: "Unsubscribe"; readonly channels: readonly string[] }
  | { readonly kind: "Ping" }
  /** `query` is `channels=…` or `cursor=…`. */
  | {
      readonly kind: "Poll";
      readonly id: number;
      readonly isPublic: boolean;
      readonly query: string;
    }
  | {
      readonly kind: "Deliver";
      readonly channel: string;
      readonly outputs: readonly SequenceOutput[];
      /** True when the channel's state has just become known. */
      readonly isFirst: boolean;
    }
  | { readonly kind: "SetStatus"; readonly status: Status }
  | { readonly kind: "ReportError"; readonly error: BellwireError }
  /** Send `TimerFired` at that time, replacing the timer before; Infinity: never. */
  | { readonly kind: "StartTimer"; readonly atMs: number };

export interface Connection {
  readonly status: Status;
  readonly link: link.Link;
  readonly watches: ReadonlyMap<string, catchUp.Watch>;
  readonly lines: Readonly<Record<catchUp.Audience, catchUp.Line>>;
  /** Whether the application has a login, so that a 401 may pass. */
  readonly hasToken: boolean;
  /** When polling takes over unless the socket is live by then. */
  readonly fallbackMs: number;
  readonly isFallback: boolean;
  readonly hasBeenLive: boolean;
  readonly timerMs: number;
  readonly nextPollId: number;
  readonly hasWarned: boolean;
}

/** One step at work: a private copy of the connection, changed in place, and its effects. */
export interface Work extends Moment {
  readonly effects: Effect[];
  readonly connection: Draft;
}

type Draft = {
  -readonly [Field in keyof Connection]: Connection[Field];
} & {
  readonly watches: Map<string, catchUp.Watch>;
};

/** How long the socket may take before polls take over. */
export const FALLBACK_AFTER_MS = 5000;

/** Return a connection before its first event. */
export function startConnection(hasToken: boolean): Connection {
  return {
    status: "connecting",
    link: link.startLink(),
    watches: new Map(),
    lines: { public: catchUp.startLine(), private: catchUp.startLine() },
    hasToken,
    fallbackMs: Number.POSITIVE_INFINITY,
    isFallback: false,
    hasBeenLive: false,
    timerMs: Number.POSITIVE_INFINITY,
    nextPollId: 1,
    hasWarned: false,
  };
}

/** Take in one event; return the new connection and the effects to perform, in order. */
export function step(connection: Connection, event: Event, moment: Moment): [Connection, Effect[]] {
  if (link.hasEnded(connection.link)) return [connection, []];
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
      catchUp.addChannel(work, event.channel);
      link.onChannelAdded(work);
      break;
    case "ChannelRemoved":
      catchUp.removeChannel(work, event.channel);
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

type Arrival = Exclude<Event, { kind: "Started" | `Channel${string}` | "TimerFired" | "Closed" }>;

function handleArrival(work: Work, event: Arrival): void {
  switch (event.kind) {
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

function onTimer(work: Work): void {
  const { connection, nowMs } = work;
  connection.timerMs = Number.POSITIVE_INFINITY;
  link.onTimer(work);
  if (nowMs >= connection.fallbackMs) {
    connection.fallbackMs = Number.POSITIVE_INFINITY;
    connection.isFallback = true;
    catchUp.startPolling(work);
  }
  catchUp.sendPolls(work);
}

function settleStatus({ connection, effects, nowMs }: Work): void {
  const isLive = connection.link.phase === "open" && catchUp.isWhole(connection);
  if (isLive) {
    connection.isFallback = false;
    connection.hasBeenLive = true;
    connection.fallbackMs = Number.POSITIVE_INFINITY;
  } else if (!connection.isFallback && connection.fallbackMs === Number.POSITIVE_INFINITY) {
    connection.fallbackMs = nowMs + FALLBACK_AFTER_MS;
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
  return catchUp.isPolled(connection) ? "polling" : "offline";
}

function settleTimer({ connection, effects }: Work): void {
  const atMs = Math.min(
    connection.fallbackMs,
    link.nextDeadlineMs(connection.link),
    catchUp.nextPollMs(connection),
  );
  const timerMs = link.hasEnded(connection.link) ? Number.POSITIVE_INFINITY : atMs;
  if (timerMs === connection.timerMs) return;
  connection.timerMs = timerMs;
  effects.push({ kind: "StartTimer", atMs: timerMs });
}
