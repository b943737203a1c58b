/**
 * The shell: feeds events to the pure machine of protocol/connection.ts and performs its effects.
 *
 * Here: clock, chance, timers, and which I/O answers which effect. No rule lives here.
 */
import { Channel } from "./channel.ts";
import { TextQueue } from "./io/gzip.ts";
import { poll } from "./io/poller.ts";
import { fetchPresence, type Present } from "./io/presence.ts";
import { fetchSession, type OpenedSession, type Wish } from "./io/session.ts";
import { signUrl } from "./io/signing.ts";
import { type OpenWire, openSocket, type Wire } from "./io/wire.ts";
import { Listeners } from "./listeners.ts";
import { channelOf, checkChannel, isPublic, OWN, topicOf } from "./protocol/channels.ts";
import { startConnection, step } from "./protocol/connection.ts";
import { BellwireError } from "./protocol/errors.ts";
import {
  type Connection,
  type Effect,
  type Event,
  NEVER,
  type Status,
  type TokenKind,
} from "./protocol/machine.ts";
import { decodeEnvelope } from "./protocol/updates.ts";

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
  /** Called with every event and effect of the machine inside; none of them holds a secret. */
  readonly debug?: (what: Event | Effect) => void;
}

/** Who the server says the client is. */
export interface Identity {
  /** Such as `us-east-1:50e85f6a-…`; a browser stays the same guest. */
  readonly id: string;
  readonly groups: readonly string[];
}

export interface ClientEvents {
  status: Status;
  error: BellwireError;
}

/** A connection to one Bellwire; all its channels share one socket and one poll. */
export class Client {
  readonly #options: ConnectOptions;
  readonly #openWire: OpenWire;
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #channels = new Map<string, Set<Channel>>();
  readonly #effects: Effect[] = [];
  #connection: Connection;
  #token: Token | null;
  /** With its secrets, which the machine does not get to see. */
  #session: OpenedSession | null = null;
  #socket: Wire | null = null;
  /** Counts sockets asked for, so that what an old one still brings is not heard. */
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param openWire opens what is pushed over. */
  constructor(options: ConnectOptions, openWire: OpenWire = openSocket) {
    this.#openWire = openWire;
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
    this.#token = options.token ?? null;
    this.#connection = startConnection(kindOf(this.#token));
    this.#dispatch({ kind: "Started" });
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** How updates come at the moment; null while they do not. */
  get transport(): "push" | "poll" | null {
    const { status } = this;
    return status === "live" ? "push" : status === "polling" ? "poll" : null;
  }

  /** Who the client is; null until a session is there, and after each login and logout. */
  get identity(): Identity | null {
    const { session } = this.#connection.login;
    return session && { id: session.identityId, groups: session.groups };
  }

  /**
   * Become the user of this login: private channels tell `reset` and begin anew, public ones go on.
   *
   * Not needed when a login is only renewed: a token function does that without a break.
   */
  login(token: Token): void {
    this.#become(token);
  }

  /** Become a guest again: private channels tell `not_allowed` and rest until the next login. */
  logout(): void {
    if (this.#token !== null) this.#become(null);
  }

  /**
   * Return who follows a channel by push at the moment, the longest there first.
   *
   * @throws BellwireError `not_allowed` when the channel may not be read or its namespace has no
   * presence; `unauthenticated` for a private one while a login has no session yet.
   */
  async presence(channel: string): Promise<readonly Present[]> {
    const needsToken = !isPublic(channel) || this.#connection.lines.public.needsToken;
    if (needsToken && this.#token !== null && this.identity === null) {
      throw new BellwireError("unauthenticated", "found no session yet, expected one", channel);
    }
    return fetchPresence(this.#options.url, channel, this.#bearer(true));
  }

  /** Listen; the function returned ends it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void {
    return this.#listeners.add(name, listener);
  }

  /**
   * Follow a channel until the handle returned is closed.
   *
   * @throws BellwireError `bad_channel`; `not_allowed` for `user/me/…` without a login.
   */
  channel(name: string): Channel {
    checkChannel(name);
    if (name.startsWith(OWN) && this.#token === null) {
      throw new BellwireError("not_allowed", `found a guest, expected a login for ${name}`, name);
    }
    const handles = this.#channels.get(name) ?? new Set();
    const channel = new Channel(
      name,
      () => this.#connection.watches.get(name)?.sequence,
      () => this.#release(channel),
    );
    handles.add(channel);
    this.#channels.set(name, handles);
    if (handles.size === 1) this.#dispatch({ kind: "ChannelAdded", channel: name });
    return channel;
  }

  /** End for good: no socket, no polls, no timers. */
  close(): void {
    this.#dispatch({ kind: "Closed" });
  }

  #release(channel: Channel): void {
    const handles = this.#channels.get(channel.name);
    if (!handles?.delete(channel) || handles.size > 0) return;
    this.#channels.delete(channel.name);
    this.#dispatch({ kind: "ChannelRemoved", channel: channel.name });
  }

  #become(token: Token | null): void {
    this.#token = token;
    this.#session = null;
    this.#dispatch({ kind: "LoginChanged", token: kindOf(token) });
  }

  /** Events count at once; the effects of those that listeners cause wait for their turn. */
  #dispatch(event: Event): void {
    this.#options.debug?.(event);
    const moment = { nowMs: readClock(), random: Math.random() };
    const [connection, effects] = step(this.#connection, event, moment);
    this.#connection = connection;
    if (this.#effects.push(...effects) > effects.length) return;
    for (let next = this.#effects[0]; next; next = this.#effects[0]) {
      this.#perform(next);
      this.#effects.shift();
    }
  }

  #perform(effect: Effect): void {
    this.#options.debug?.(effect);
    switch (effect.kind) {
      case "Deliver":
        this.#deliver(effect);
        break;
      case "SetStatus":
        this.#listeners.tell("status", effect.status);
        break;
      case "ReportError":
        this.#listeners.tell("error", effect.error);
        break;
      case "StartTimer":
        this.#startTimer(effect.atMs);
        break;
      case "Poll":
        void this.#poll(effect.id, effect.needsToken, effect.query);
        break;
      case "FetchCredentials":
        void this.#fetchCredentials(effect.login);
        break;
      case "OpenSocket":
        void this.#openSocket();
        break;
      default:
        this.#performOnSocket(effect);
    }
  }

  #performOnSocket(
    effect: Extract<Effect, { kind: "CloseSocket" | "Subscribe" | "Unsubscribe" | "Ping" }>,
  ): void {
    switch (effect.kind) {
      case "CloseSocket":
        this.#generation++;
        this.#socket?.close();
        break;
      case "Subscribe":
        this.#socket?.subscribe(this.#topicsOf(effect.channels));
        break;
      case "Unsubscribe":
        this.#socket?.unsubscribe(this.#topicsOf(effect.channels));
        break;
      case "Ping":
        this.#socket?.ping();
    }
  }

  #deliver({ channel, outputs, isFirst, login }: Extract<Effect, { kind: "Deliver" }>): void {
    // A listener may log out between one update and the next.
    const isMeant = () => isPublic(channel) || login === this.#connection.login.number;
    for (const handle of this.#channels.get(channel) ?? []) {
      handle.deliver(outputs, isFirst, isMeant);
    }
  }

  #startTimer(atMs: number): void {
    clearTimeout(this.#timer);
    if (atMs === NEVER) return;
    const delayMs = Math.max(0, atMs - readClock());
    this.#timer = setTimeout(() => this.#dispatch({ kind: "TimerFired" }), Math.ceil(delayMs));
  }

  async #poll(id: number, needsToken: boolean, query: string): Promise<void> {
    const { url } = this.#options;
    this.#dispatch(await poll(id, `${url}/updates?${query}`, this.#bearer(needsToken)));
  }

  #bearer(needsToken: boolean): string | null {
    return (needsToken && this.#session?.token) || null;
  }

  async #fetchCredentials(login: number): Promise<void> {
    try {
      const { url, session: wish } = this.#options;
      const opened = await fetchSession(url, await this.#askToken(), wish);
      if (login === this.#connection.login.number) this.#session = opened;
      const { identityId, groups, guests, lifetimeMs } = opened;
      const session = { identityId, groups, guests, lifetimeMs };
      this.#dispatch({ kind: "CredentialsArrived", login, session });
    } catch (error) {
      this.#dispatch({ kind: "CredentialsFailed", login, error: error as BellwireError });
    }
  }

  async #askToken(): Promise<string | null> {
    try {
      const token = this.#token;
      // Nothing is no login, but no guest either: the server says so.
      return typeof token === "function" ? (await token()) || "" : token;
    } catch (cause) {
      throw new BellwireError("upstream", `the token function failed: ${cause}`);
    }
  }

  async #openSocket(): Promise<void> {
    const session = this.#session;
    if (!session) return; // A listener logged out just now; the socket's end follows.
    const generation = ++this.#generation;
    const isCurrent = () => generation === this.#generation;
    const tell = (event: Event) => {
      if (isCurrent()) this.#dispatch(event);
    };
    try {
      const url = await signUrl(session, Date.now());
      if (isCurrent()) this.#socket = this.#makeSocket(url, session, tell);
    } catch (error) {
      this.#reportLoss(error as Error, tell);
    }
  }

  #makeSocket(url: string, session: OpenedSession, tell: (event: Event) => void): Wire {
    const texts = new TextQueue((topic, text, sizeBytes) => {
      const channel = channelOf(session.stage, topic);
      if (channel !== null) tell(readPayload(channel, text, sizeBytes));
    });
    const listener = {
      onOpened: () => tell({ kind: "Opened" }),
      onSubscribed: (topics: ReadonlyMap<string, boolean>) =>
        tell({ kind: "Subscribed", channels: byChannel(session.stage, topics) }),
      onPonged: () => tell({ kind: "Ponged" }),
      onPayload: (topic: string, payload: Uint8Array<ArrayBuffer>) => texts.push(topic, payload),
      onLost: (error: Error | null) =>
        error ? this.#reportLoss(error, tell) : tell({ kind: "Lost" }),
    };
    const { url: api, session: wish } = this.#options;
    const { identityId } = session;
    return this.#openWire(url, makeClientId(identityId), listener, [
      api,
      identityId,
      wish?.channels,
    ]);
  }

  #reportLoss(error: Error, tell: (event: Event) => void): void {
    // A browser that refuses the URL quotes it, with its signature and token.
    const reason = error.message.replace(/\?X-Amz-\S*/, "?…");
    this.#listeners.tell("error", new BellwireError("upstream", `the socket: ${reason}`));
    tell({ kind: "Lost" });
  }

  #topicsOf(channels: readonly string[]): string[] {
    return channels.map((channel) => topicOf(this.#session?.stage ?? "", channel));
  }
}

function kindOf(token: Token | null): TokenKind {
  return token === null ? "none" : typeof token === "function" ? "renewable" : "fixed";
}

/** Milliseconds since the epoch that never jump back. */
function readClock(): number {
  return performance.timeOrigin + performance.now();
}

function byChannel(stage: string, topics: ReadonlyMap<string, boolean>): Map<string, boolean> {
  return new Map([...topics].map(([topic, granted]) => [topic.slice(stage.length + 1), granted]));
}

function readPayload(channel: string, text: string | null, sizeBytes: number): Event {
  try {
    const envelope = decodeEnvelope(text ?? "");
    if (envelope === null) return { kind: "PayloadDropped", channel, error: null };
    if (envelope.channel === channel) return { kind: "EnvelopeArrived", envelope, sizeBytes };
    throw new BellwireError("malformed", `found ${envelope.channel} on the topic of ${channel}`);
  } catch (error) {
    return { kind: "PayloadDropped", channel, error: error as BellwireError };
  }
}

/** A client id of the identity's own, one per socket: `us-east-1:…-ab8dfbbd4bed`, 48 bits by chance. */
function makeClientId(identityId: string): string {
  return `${identityId}-${crypto.randomUUID().slice(-12)}`;
}
