/**
 * The shell: feeds events to the pure machine of protocol/connection.ts and performs its effects.
 *
 * Here: clock, chance, timers, and which I/O answers which effect. No rule lives here.
 */
import { Channel } from "./channel.ts";
import { fetchSession } from "./io/credentials.ts";
import { TextQueue } from "./io/gzip.ts";
import { poll } from "./io/poller.ts";
import { signUrl } from "./io/signing.ts";
import { Socket } from "./io/socket.ts";
import { Listeners } from "./listeners.ts";
import { channelOf, checkChannel, topicOf } from "./protocol/channels.ts";
import { startConnection, step } from "./protocol/connection.ts";
import { BellwireError } from "./protocol/errors.ts";
import {
  type Connection,
  type Effect,
  type Event,
  NEVER,
  type Session,
  type Status,
} from "./protocol/machine.ts";
import { decodeEnvelope } from "./protocol/updates.ts";

/** What `connect` takes. */
export interface ConnectOptions {
  /** The API's prefix, such as `/v1` or `https://example.org/v1`. */
  readonly url: string;
  /** The bearer for polls of private channels, or what gives a fresh one. */
  readonly token?: string | (() => string | Promise<string>);
  /** Called with every event and effect of the machine inside. */
  readonly debug?: (what: Event | Effect) => void;
}

export interface ClientEvents {
  status: Status;
  error: BellwireError;
}

/** A connection to one Bellwire; all its channels share one socket and one poll. */
export class Client {
  readonly #options: ConnectOptions;
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #channels = new Map<string, Set<Channel>>();
  readonly #events: Event[] = [];
  #connection: Connection;
  #session: Session | null = null;
  #socket: Socket | null = null;
  /** Counts sockets asked for, so that what an old one still brings is not heard. */
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, "") };
    this.#connection = startConnection(options.token !== undefined);
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
   * @throws BellwireError `bad_channel`; `not_allowed` for `user/me/…` without a token.
   */
  channel(name: string): Channel {
    checkChannel(name);
    if (name.startsWith("user/me/") && this.#options.token === undefined) {
      throw new BellwireError("not_allowed", `found a guest, expected a token for ${name}`, name);
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

  /** Events that listeners cause while effects are performed wait for their turn. */
  #dispatch(event: Event): void {
    if (this.#events.push(event) > 1) return;
    for (let next = this.#events[0]; next; next = this.#events[0]) {
      this.#options.debug?.(next);
      const moment = { nowMs: readClock(), random: Math.random() };
      const [connection, effects] = step(this.#connection, next, moment);
      this.#connection = connection;
      for (const effect of effects) this.#perform(effect);
      this.#events.shift();
    }
  }

  #perform(effect: Effect): void {
    this.#options.debug?.(effect);
    switch (effect.kind) {
      case "Deliver":
        for (const channel of this.#channels.get(effect.channel) ?? []) {
          channel.deliver(effect.outputs, effect.isFirst);
        }
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
        void this.#poll(effect.id, effect.isPublic, effect.query);
        break;
      case "FetchCredentials":
        void this.#fetchCredentials();
        break;
      case "OpenSocket":
        void this.#openSocket(effect.session);
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

  #startTimer(atMs: number): void {
    clearTimeout(this.#timer);
    if (atMs === NEVER) return;
    const delayMs = Math.max(0, atMs - readClock());
    this.#timer = setTimeout(() => this.#dispatch({ kind: "TimerFired" }), Math.ceil(delayMs));
  }

  async #poll(id: number, isPublic: boolean, query: string): Promise<void> {
    const { url, token } = this.#options;
    try {
      const bearer = isPublic ? undefined : typeof token === "function" ? await token() : token;
      this.#dispatch(await poll(id, `${url}/updates?${query}`, bearer));
    } catch (cause) {
      const error = new BellwireError("upstream", `the token function failed: ${cause}`);
      this.#dispatch({ kind: "PollFailed", id, error, retryAfterMs: 0 });
    }
  }

  async #fetchCredentials(): Promise<void> {
    try {
      this.#dispatch({
        kind: "CredentialsArrived",
        session: await fetchSession(this.#options.url),
      });
    } catch (error) {
      this.#dispatch({ kind: "CredentialsFailed", error: error as BellwireError });
    }
  }

  async #openSocket(session: Session): Promise<void> {
    const generation = ++this.#generation;
    const isCurrent = () => generation === this.#generation;
    const tell = (event: Event) => {
      if (isCurrent()) this.#dispatch(event);
    };
    this.#session = session;
    try {
      const url = await signUrl(session, Date.now());
      if (isCurrent()) this.#socket = this.#makeSocket(url, session, tell);
    } catch (error) {
      this.#reportLoss(error as Error, tell);
    }
  }

  #makeSocket(url: string, session: Session, tell: (event: Event) => void): Socket {
    const texts = new TextQueue((topic, text, sizeBytes) => {
      const channel = channelOf(session.stage, topic);
      if (channel !== null) tell(readPayload(channel, text, sizeBytes));
    });
    return new Socket(url, makeClientId(session.identityId), {
      onOpened: () => tell({ kind: "Opened" }),
      onSubscribed: (topics) => tell({ kind: "Subscribed", channels: byChannel(session, topics) }),
      onPonged: () => tell({ kind: "Ponged" }),
      onPayload: (topic, payload) => texts.push(topic, payload),
      onLost: (error) => (error ? this.#reportLoss(error, tell) : tell({ kind: "Lost" })),
    });
  }

  #reportLoss(error: Error, tell: (event: Event) => void): void {
    this.#listeners.tell("error", new BellwireError("upstream", `the socket: ${error.message}`));
    tell({ kind: "Lost" });
  }

  #topicsOf(channels: readonly string[]): string[] {
    return channels.map((channel) => topicOf((this.#session as Session).stage, channel));
  }
}

/** Milliseconds since the epoch that never jump back. */
function readClock(): number {
  return performance.timeOrigin + performance.now();
}

function byChannel({ stage }: Session, topics: ReadonlyMap<string, boolean>): Map<string, boolean> {
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

/** A client id of the identity's own, one per socket: `us-east-1:…-1b9d6bcd`. */
function makeClientId(identityId: string): string {
  return `${identityId}-${crypto.randomUUID().slice(0, 8)}`;
}
