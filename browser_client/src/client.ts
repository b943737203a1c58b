/**
 * The shell: feeds events to the pure machine of protocol/ and performs its effects.
 *
 * Here: which I/O answers which effect, and who is told. No rule lives here.
 */
import { type Channel, type Delivery, makeChannel } from "./channel.ts";
import { poll } from "./io/poller.ts";
import { type OpenSocket, type StartTexts, startPush } from "./io/push.ts";
import { fetchSession, type OpenedSession, type Wish } from "./io/session.ts";
import { startListeners } from "./listeners.ts";
import { checkChannel } from "./protocol/channels.ts";
import { startConnection } from "./protocol/core.ts";
import { asError, type BellwireError } from "./protocol/errors.ts";
import type { Effect, Event, Status, Step, TokenKind, Transport } from "./protocol/machine.ts";
import { type PerformedEffect, type Runner, startRunner } from "./runner.ts";

/**
 * A token of the application's own login, or what gives one; a function is asked anew for each
 * session, about once an hour, so that a login that has ended can be replaced by a fresh one.
 */
export type Token = string | (() => string | Promise<string>);

/** What `connect` takes. */
export interface ConnectOptions {
  /** The API's prefix, such as `/v1` or `https://example.org/v1`. */
  readonly url: string;
  /** Who connects; without it, a guest. */
  readonly token?: Token;
  /** Whose login the token is, or what a member's session is to be narrowed to. */
  readonly session?: Wish;
  /**
   * How updates come. `auto`, the default: pushed, and polled within 5 s while that does not work;
   * `push`: polled only to catch up; `poll`: no socket at all.
   */
  readonly transport?: Transport;
  /** Called with every event and effect of the machine inside; none of them holds a secret. */
  readonly debug?: (what: Event | Effect) => void;
}

/** Who the server says the client is. */
export interface Identity {
  /** Such as `us-east-1:50e85f6a-…`; a browser stays the same guest. */
  readonly id: string;
  /** Whose `group/…` channels it may read. */
  readonly groups: readonly string[];
}

/** What `client.on` listens to, and what the listener is given. */
export interface ClientEvents {
  /** The new status, whenever it changes. */
  status: Status;
  /** Anything that went wrong; what may pass is tried again without your doing. */
  error: BellwireError;
}

/** A connection to one Bellwire; all its channels share one socket and one poll. */
export interface Client {
  /** `live`: pushed and whole · `polling`: whole as of the last poll · `failed`: refused for good. */
  readonly status: Status;
  /** How updates come at the moment; null while they do not. */
  readonly transport: "push" | "poll" | null;
  /** Who the client is; null until a session is there. */
  readonly identity: Identity | null;
  /** Listen; the function returned ends it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void;
  /**
   * Follow a channel until the handle returned is closed.
   *
   * @throws BellwireError `bad_channel`. A channel that may not be read is told as an `error`.
   */
  channel(name: string): Channel;
  /** End for good: no socket, no polls, no timers. */
  close(): void;
}

/** What the hook of `options.debug` is told; what it throws stops nothing either. */
interface Debugged {
  debug: Event | Effect;
}

/** What differs between the entries of the package. */
export interface Parts {
  /** The machine, of as many handlers as the entry has events. */
  readonly step: Step;
  readonly openSocket: OpenSocket;
  /** Makes texts of one socket's payloads. */
  readonly startTexts: StartTexts;
}

/** Who the client is: what the machine does not get to see. */
export interface Account {
  token: Token | null;
  /** With its secrets; its token is what private requests carry, null for a guest. */
  session: OpenedSession | null;
}

/** A client, and what parts of the package add to it need. */
export interface Started {
  readonly client: Client;
  readonly account: Account;
  readonly runner: Runner;
}

const ROADS: Partial<Record<Status, "push" | "poll">> = { live: "push", polling: "poll" };

type Performers = {
  readonly [Kind in PerformedEffect["kind"]]: (effect: EffectOf<Kind>) => void;
};
type EffectOf<Kind> = Extract<PerformedEffect, { kind: Kind }>;

export function startClient(options: ConnectOptions, parts: Parts): Started {
  const url = trimmed(options.url);
  const { on, tell } = startListeners<ClientEvents & Debugged>();
  if (options.debug) on("debug", options.debug);
  const handles = startListeners<Record<string, Delivery>>();
  const account: Account = { token: options.token ?? null, session: null };
  const first = startConnection(kindOf(account.token), options.transport);
  const runner = startRunner(parts.step, first, perform, (what) => tell("debug", what));
  const { dispatch } = runner;
  const push = startPush(parts, dispatch);
  const performers: Performers = {
    Deliver: (effect) => handles.tell(effect.channel, effect),
    SetStatus: (effect) => tell("status", effect.status),
    ReportError: (effect) => tell("error", effect.error),
    Poll(effect) {
      const bearer = effect.needsToken && account.session?.token;
      poll(effect, url, bearer || null).then(dispatch);
    },
    FetchCredentials: (effect) => fetchCredentials(effect.login).then(dispatch),
    // A listener may have logged out just now; the socket's end follows.
    OpenSocket: () => account.session && push.open(account.session),
    CloseSocket: push.close,
    Subscribe: push.subscribe,
    Unsubscribe: push.unsubscribe,
    Ping: push.ping,
  };

  function perform(effect: PerformedEffect): void {
    (performers[effect.kind] as (effect: PerformedEffect) => void)(effect);
  }

  async function fetchCredentials(login: number): Promise<Event> {
    try {
      const { token } = account;
      // Nothing is no login, but no guest either: the server says so.
      const asked = typeof token === "function" ? (await token()) || "" : token;
      const opened = await fetchSession(url, asked, options.session, account.session);
      if (login === runner.connection.login.number) account.session = opened;
      const { identityId, groups, guests, lifetimeMs } = opened;
      const session = { identityId, groups, guests, lifetimeMs };
      return { kind: "CredentialsArrived", login, session };
    } catch (cause) {
      return { kind: "CredentialsFailed", login, error: asError(cause) };
    }
  }

  dispatch({ kind: "Started" });
  const client: Client = {
    get status() {
      return runner.connection.status;
    },
    get transport() {
      return ROADS[runner.connection.status] ?? null;
    },
    get identity() {
      const { session } = runner.connection.login;
      return session && { id: session.identityId, groups: session.groups };
    },
    on,
    channel(name) {
      checkChannel(name);
      const isFirst = !handles.has(name);
      const look = () => runner.connection.watches.get(name)?.sequence;
      const [channel, deliver] = makeChannel(name, look, () => {
        leave();
        if (!handles.has(name)) dispatch({ kind: "ChannelRemoved", channel: name });
      });
      const leave = handles.on(name, deliver);
      if (isFirst) dispatch({ kind: "ChannelAdded", channel: name });
      return channel;
    },
    close: () => dispatch({ kind: "Closed" }),
  };
  return { client, account, runner };
}

/** Return the API's prefix without slashes at its end. */
export function trimmed(url: string): string {
  return url.replace(/\/+$/, "");
}

/** Return what the machine has to know of a token. */
export function kindOf(token: Token | null): TokenKind {
  return token === null ? "none" : typeof token === "function" ? "renewable" : "fixed";
}
