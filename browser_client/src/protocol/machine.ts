/**
 * The words of the client's machine: its events, its effects, and all that it keeps.
 *
 * Here: shapes, which the parts share. Not here: what is done with them; connection.ts says
 * which part answers which event.
 */
import type { PollAnswer } from "./answers.ts";
import type { BellwireError } from "./errors.ts";
import type { Sequence, SequenceOutput } from "./sequence.ts";
import type { Envelope, Position } from "./updates.ts";

/** A time that never comes. */
export const NEVER = Number.POSITIVE_INFINITY;

/** `live` pushed and whole · `polling` whole as of the last poll · `offline` neither works. */
export type Status = "connecting" | "live" | "polling" | "offline" | "failed";

/** `renewable`: the application can be asked for another one; `none`: a guest. */
export type TokenKind = "none" | "fixed" | "renewable";

/** `auto`: pushed, and polled while that fails · `push`: polled to catch up alone · `poll`. */
export type Transport = "auto" | "push" | "poll";

/** Who the server says the client is; what proves it stays outside, where no event shows it. */
export interface Session {
  readonly identityId: string;
  readonly groups: readonly string[];
  /** Whether guests may read public channels; if not, polls for these need the session too. */
  readonly guests: boolean;
  /** For how long from now its token and its keys hold. */
  readonly lifetimeMs: number;
}

/** When a step happens, and the chance it may use. */
export interface Moment {
  /** Milliseconds since the epoch, from a clock that does not jump back. */
  readonly nowMs: number;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/** What the machine is told. */
export type Event =
  | { readonly kind: "Started" }
  | { readonly kind: "ChannelAdded"; readonly channel: string }
  | { readonly kind: "ChannelRemoved"; readonly channel: string }
  /** The application logged in or out. */
  | { readonly kind: "LoginChanged"; readonly token: TokenKind }
  /** `login` is the one that they were fetched for. */
  | {
      readonly kind: "CredentialsArrived";
      readonly login: number;
      readonly session: Session;
    }
  | {
      readonly kind: "CredentialsFailed";
      readonly login: number;
      readonly error: BellwireError;
    }
  /** The broker accepted the connection. */
  | { readonly kind: "Opened" }
  /**
   * The socket ended, or never opened; `error` when more is known than that, `isMoved` when it was
   * the tab's that held it, not the broker, that went away.
   */
  | {
      readonly kind: "Lost";
      readonly error?: BellwireError | null;
      readonly isMoved?: boolean | undefined;
    }
  /** Channels of sockets are named in full: `user/{identity}/…`, not `user/me/…`. */
  | { readonly kind: "Subscribed"; readonly channels: ReadonlyMap<string, boolean> }
  | { readonly kind: "Ponged" }
  | { readonly kind: "EnvelopeArrived"; readonly envelope: Envelope; readonly sizeBytes: number }
  /** A payload that is no envelope, or (error null) one of another protocol version or no text. */
  | {
      readonly kind: "PayloadDropped";
      readonly channel: string;
      readonly error: BellwireError | null;
    }
  | AnswerArrived
  | PollFailed
  | { readonly kind: "TimerFired" }
  /** Nobody looks at the page any more. */
  | { readonly kind: "Hidden" }
  /** The page is put away, perhaps for good: it may hold no socket and is not run. */
  | { readonly kind: "Slept" }
  /** The page or its network came back, or may have: what was thought of the road is old. */
  | { readonly kind: "Woke"; readonly isHidden: boolean }
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
}

/** What the machine wants done. */
export type Effect =
  | { readonly kind: "FetchCredentials"; readonly login: number }
  | { readonly kind: "OpenSocket" }
  | { readonly kind: "CloseSocket" }
  | { readonly kind: "Subscribe"; readonly channels: readonly string[] }
  | { readonly kind: "Unsubscribe"; readonly channels: readonly string[] }
  | { readonly kind: "Ping" }
  /** `query` is `channels=…` or `cursor=…`; `needsToken`: sent with the session's token. */
  | {
      readonly kind: "Poll";
      readonly id: number;
      readonly needsToken: boolean;
      readonly query: string;
    }
  | {
      readonly kind: "Deliver";
      readonly channel: string;
      /** Those left when another login comes are taken out. */
      readonly outputs: SequenceOutput[];
      /**
       * Whether the channel's state has just become known. Undefined: another login takes it away,
       * which no login after that may keep from the application.
       */
      isFirst: boolean | undefined;
    }
  | { readonly kind: "SetStatus"; readonly status: Status }
  | { readonly kind: "ReportError"; readonly error: BellwireError }
  /** Send `TimerFired` at that time, replacing the timer before; Infinity: never. */
  | { readonly kind: "StartTimer"; readonly atMs: number };

export interface Connection {
  readonly status: Status;
  readonly transport: Transport;
  /** How many times further apart tries and polls are: more than 1 while nobody looks. */
  readonly slowness: number;
  readonly login: Login;
  readonly link: Link;
  readonly watches: ReadonlyMap<string, Watch>;
  readonly lines: Readonly<Record<Audience, Line>>;
  /** When polling takes over unless the socket is live by then. */
  readonly fallbackMs: number;
  readonly isFallback: boolean;
  readonly timerMs: number;
  readonly nextPollId: number;
  readonly hasWarned: boolean;
}

/** Who the client is: how the application logged in, and the session that came of it. */
export interface Login {
  /** Counts logins and logouts, so that what an old one still brings is not heard. */
  readonly number: number;
  readonly token: TokenKind;
  readonly session: Session | null;
  /** No socket is opened with it from a minute before this on. */
  readonly expiresMs: number;
  /** A socket that does not open is not held against the session until then. */
  readonly trustedMs: number;
  /** When the session is fetched next; never while it is being fetched. */
  readonly renewMs: number;
  /** The server wants no fetch before. */
  readonly heldMs: number;
  /** Fetches in a row that failed. */
  readonly failures: number;
  /** Whether one of them was refused. */
  readonly wasRefused: boolean;
  /** Whether a poll was refused because of the session. */
  readonly isSpent: boolean;
}

/** The socket's life so far. */
export interface Link {
  readonly phase:
    | "idle"
    | "fetching"
    | "opening"
    | "open"
    | "waiting"
    | "asleep"
    | "closed"
    | "refused";
  /** Tries since the last connection that lasted. */
  readonly attempt: number;
  readonly openedMs: number;
  /** When the present phase has lasted too long; of an open link: its answer is overdue. */
  readonly deadlineMs: number;
  readonly pingMs: number;
}

/** One channel as the connection sees it. */
export interface Watch {
  readonly audience: Audience;
  readonly sequence: Sequence;
  readonly subscription: "none" | "asked" | "granted" | "denied";
  /** Polls before this one asked for it when it was followed before; they are not its. */
  readonly firstPollId: number;
  /** The first poll sent since SUBACK; 0 once its answer, or that of a later one, has come. */
  readonly caughtUpBy: number;
  /** How many of the checks after SUBACK have been sent. */
  readonly checks: number;
  /** When the next regular poll is due. */
  readonly checkMs: number;
  /** When a poll is due because of a gap. */
  readonly gapMs: number;
  /** Answers in a row that left a gap. */
  readonly gapAnswers: number;
  /** Whether what is shown may be old: a catch-up failed, or its answer was old. */
  readonly isStale: boolean;
  /** Whether the server has said that this channel may not be read. */
  readonly isRefused: boolean;
}

export type Audience = "public" | "private";

/** One of the two lines of polls. */
export interface Line {
  /** Whether its polls carry the session's token, and so wait for one. */
  readonly needsToken: boolean;
  readonly inFlight: InFlight | null;
  /** Whether the last poll was answered. */
  readonly isAnswered: boolean;
  readonly failures: number;
  /** No poll before this, whatever is due. */
  readonly notBeforeMs: number;
  /** The server wants no poll before, not even when the network comes back. */
  readonly heldMs: number;
}

export interface InFlight {
  readonly id: number;
  readonly needsToken: boolean;
  readonly asked: ReadonlyMap<string, Position | null>;
}

/** One step at work: a private copy of the connection, changed in place, and its effects. */
export interface Work
  extends Moment,
    Draft<Omit<Connection, "login" | "link" | "watches" | "lines">> {
  readonly effects: Effect[];
  login: Draft<Login>;
  link: Draft<Link>;
  readonly watches: Map<string, Draft<Watch>>;
  readonly lines: Readonly<Record<Audience, Draft<Line>>>;
}

/** Have the application told of an error. */
export function report(work: Work, error: BellwireError): void {
  work.effects.push({ kind: "ReportError", error });
}

/** What each event does. */
export type Handlers = {
  readonly [Kind in Event["kind"]]: (work: Work, event: Extract<Event, { kind: Kind }>) => void;
};

/** Takes in one event; returns the new connection and the effects to perform, in order. */
export type Step = (connection: Connection, event: Event, moment: Moment) => [Connection, Effect[]];

/** A value while a step changes it. */
export type Draft<Value> = { -readonly [Field in keyof Value]: Value[Field] };
