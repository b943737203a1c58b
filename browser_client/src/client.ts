/**
 * The shell: feeds events to the pure machine of protocol/connection.ts and performs its effects.
 *
 * Here: which I/O answers which effect, and who is told. No rule lives here.
 */
import { type Channel, type Deliver, makeChannel } from "./channel.ts";
import { poll } from "./io/poller.ts";
import { type OpenSocket, startPush } from "./io/push.ts";
import { fetchSession, type OpenedSession, type Wish } from "./io/session.ts";
import { startListeners } from "./listeners.ts";
import { checkChannel, isPublic } from "./protocol/channels.ts";
import { startConnection } from "./protocol/connection.ts";
import { BellwireError } from "./protocol/errors.ts";
import type { Effect, Event, Status, TokenKind, Transport } from "./protocol/machine.ts";
import { type Runner, startRunner } from "./runner.ts";

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
  /** Who the client is; null until a session is there, and after each login and logout. */
  readonly identity: Identity | null;
  /**
   * Become the user of this login: private channels tell `reset` and begin anew, public ones go on.
   *
   * Not needed when a login is only renewed: a token function does that without a break.
   */
  login(token: Token): void;
  /** Become a guest again: private channels tell `not_allowed` and rest until the next login. */
  logout(): void;
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

/** What differs between the entries of the package. */
export interface Parts {
  readonly openSocket: OpenSocket;
  /** Listens to the page's life; returns what ends that. */
  readonly watchPage: (tell: (event: Event) => void) => () => void;
}

/** A client, and what parts of the package add to it need. */
export interface Started {
  readonly client: Client;
  /** Return the session's token: what private requests carry; null for a guest. */
  readonly bearer: () => string | null;
  readonly runner: Runner;
}

export function startClient(options: ConnectOptions, parts: Parts): Started {
  const url = options.url.replace(/\/+$/, "");
  const { on, tell } = startListeners<ClientEvents>();
  const handles = new Map<string, Set<Deliver>>();
  let token: Token | null = options.token ?? null;
  /** With its secrets, which the machine does not get to see. */
  let session: OpenedSession | null = null;
  const first = startConnection(kindOf(token), options.transport);
  const runner = startRunner(first, perform, options.debug);
  const { dispatch } = runner;
  const push = startPush(parts.openSocket, dispatch);
  const bearer = () => session?.token ?? null;

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case "Deliver":
        deliver(effect);
        break;
      case "SetStatus":
        tell("status", effect.status);
        break;
      case "ReportError":
        tell("error", effect.error);
        break;
      case "Poll":
        poll(effect, url, effect.needsToken ? bearer() : null).then(dispatch);
        break;
      case "FetchCredentials":
        fetchCredentials(effect.login).then(dispatch);
        break;
      case "OpenSocket":
        // A listener may have logged out just now; the socket's end follows.
        if (session) push.open(session);
        break;
      case "CloseSocket":
        push.close();
        break;
      case "Subscribe":
        push.subscribe(effect.channels);
        break;
      case "Unsubscribe":
        push.unsubscribe(effect.channels);
        break;
      case "Ping":
        push.ping();
    }
  }

  function deliver({ channel, outputs, isFirst, login }: EffectOf<"Deliver">): void {
    // A listener may log out between one update and the next.
    const isMeant = () => isPublic(channel) || login === runner.connection.login.number;
    for (const handle of handles.get(channel) ?? []) handle(outputs, isFirst, isMeant);
  }

  async function fetchCredentials(login: number): Promise<Event> {
    try {
      const opened = await fetchSession(url, await askToken(token), options.session);
      if (login === runner.connection.login.number) session = opened;
      const { identityId, groups, guests, lifetimeMs } = opened;
      const told = { identityId, groups, guests, lifetimeMs };
      return { kind: "CredentialsArrived", login, session: told };
    } catch (error) {
      return { kind: "CredentialsFailed", login, error: error as BellwireError };
    }
  }

  function become(next: Token | null): void {
    token = next;
    session = null;
    dispatch({ kind: "LoginChanged", token: kindOf(token) });
  }

  const unwatch = parts.watchPage(dispatch);
  dispatch({ kind: "Started" });
  const client: Client = {
    get status() {
      return runner.connection.status;
    },
    get transport() {
      const { status } = runner.connection;
      return status === "live" ? "push" : status === "polling" ? "poll" : null;
    },
    get identity() {
      const { session: known } = runner.connection.login;
      return known && { id: known.identityId, groups: known.groups };
    },
    login: become,
    logout() {
      if (token !== null) become(null);
    },
    on,
    channel(name) {
      checkChannel(name);
      const all = handles.get(name) ?? new Set();
      const look = () => runner.connection.watches.get(name)?.sequence;
      const [channel, own] = makeChannel(name, look, () => {
        if (!all.delete(own) || all.size > 0) return;
        handles.delete(name);
        dispatch({ kind: "ChannelRemoved", channel: name });
      });
      handles.set(name, all.add(own));
      if (all.size === 1) dispatch({ kind: "ChannelAdded", channel: name });
      return channel;
    },
    close() {
      unwatch();
      dispatch({ kind: "Closed" });
    },
  };
  return { client, bearer, runner };
}

type EffectOf<Kind> = Extract<Effect, { kind: Kind }>;

async function askToken(token: Token | null): Promise<string | null> {
  try {
    // Nothing is no login, but no guest either: the server says so.
    return typeof token === "function" ? (await token()) || "" : token;
  } catch (cause) {
    throw new BellwireError("upstream", `the token function failed: ${cause}`);
  }
}

function kindOf(token: Token | null): TokenKind {
  return token === null ? "none" : typeof token === "function" ? "renewable" : "fixed";
}
