/**
 * The road by which updates are pushed: one socket at a time, its topics, its payloads as envelopes.
 *
 * Not here: bytes and frames (socket.ts), when there is a socket (protocol/link.ts).
 */
import { BellwireError, malformed } from "../protocol/errors.ts";
import type { Event } from "../protocol/machine.ts";
import { decodeEnvelope } from "../protocol/updates.ts";
import type { OpenedSession } from "./session.ts";
import { signUrl } from "./signing.ts";
import type { Socket, SocketListener } from "./socket.ts";

/**
 * Opens a socket, or joins one that is there.
 *
 * @param url signed, good for about 5 minutes.
 * @param clientId of the session's identity, and of no other socket.
 */
export type OpenSocket = (
  url: string,
  clientId: string,
  listener: SocketListener,
  session: OpenedSession,
) => Socket;

type Payload = Uint8Array<ArrayBuffer>;

/**
 * Returns what takes one socket's payloads in and hands their texts on in that order; null for one
 * that it cannot read.
 */
export type StartTexts = (
  deliver: (topic: string, text: string | null, sizeBytes: number) => void,
) => (topic: string, payload: Payload) => void;

/** What the entries of the package have differently. */
export interface PushParts {
  readonly openSocket: OpenSocket;
  readonly startTexts: StartTexts;
}

/** What names the channels concerned. */
interface OfChannels {
  readonly channels: readonly string[];
}

export interface Push {
  readonly open: (session: OpenedSession) => Promise<void>;
  readonly subscribe: (what: OfChannels) => void;
  readonly unsubscribe: (what: OfChannels) => void;
  readonly ping: () => void;
  readonly close: () => void;
}

/** Return a road without a socket; what comes of the one that is opened is told as events. */
export function startPush(parts: PushParts, tell: (event: Event) => void): Push {
  /** What an old socket still brings is not heard. */
  let current: Road = { prefix: "" };
  const topicsOf = (what: OfChannels) => what.channels.map((channel) => current.prefix + channel);
  const close = () => {
    current.socket?.close();
    current = { prefix: "" };
  };
  return {
    open: async (session) => {
      close();
      const own = current;
      const tellOwn = (event: Event) => {
        if (current === own) tell(event);
      };
      try {
        const url = await signUrl(session, Date.now() + session.skewMs);
        if (current !== own) return;
        own.prefix = `${session.stage}/`;
        const clientId = `${session.identityId}-${crypto.randomUUID().slice(-12)}`;
        const listener = listenFor(own.prefix, parts.startTexts, tellOwn);
        own.socket = parts.openSocket(url, clientId, listener, session);
      } catch (error) {
        tellOwn(lossBy(error as Error));
      }
    },
    subscribe: (what) => current.socket?.subscribe(topicsOf(what)),
    unsubscribe: (what) => current.socket?.unsubscribe(topicsOf(what)),
    ping: () => current.socket?.ping(),
    close,
  };
}

interface Road {
  socket?: Socket;
  /** What its topics begin with. */
  prefix: string;
}

function listenFor(
  prefix: string,
  startTexts: StartTexts,
  tell: (event: Event) => void,
): SocketListener {
  const channelOf = (topic: string) => topic.slice(prefix.length);
  return {
    onOpened: () => tell({ kind: "Opened" }),
    onPonged: () => tell({ kind: "Ponged" }),
    onSubscribed(topics) {
      const channels = [...topics].map(([topic, granted]) => [channelOf(topic), granted] as const);
      tell({ kind: "Subscribed", channels: new Map(channels) });
    },
    onPayload: startTexts((topic, text, sizeBytes) =>
      tell(readPayload(channelOf(topic), text, sizeBytes)),
    ),
    onLost: (error, isMoved) => tell(lossBy(error, isMoved)),
  };
}

/** A browser that refuses the URL quotes it, with its signature and token. */
function lossBy(cause: Error | null, isMoved?: boolean): Event {
  const reason = cause?.message.replace(/\?X-Amz-\S*/, "?…");
  const error = cause && new BellwireError("upstream", `the socket: ${reason}`);
  return { kind: "Lost", error, isMoved };
}

function readPayload(channel: string, text: string | null, sizeBytes: number): Event {
  try {
    const envelope = text === null ? null : decodeEnvelope(text);
    if (!envelope) return { kind: "PayloadDropped", channel, error: null };
    if (envelope.channel === channel) return { kind: "EnvelopeArrived", envelope, sizeBytes };
    throw malformed(envelope.channel, channel);
  } catch (error) {
    return { kind: "PayloadDropped", channel, error: error as BellwireError };
  }
}
