/**
 * The road by which updates are pushed: one socket at a time, its topics, its payloads as envelopes.
 *
 * Not here: bytes and frames (socket.ts), when there is a socket (protocol/link.ts).
 */
import { BellwireError } from "../protocol/errors.ts";
import type { Event } from "../protocol/machine.ts";
import { decodeEnvelope } from "../protocol/updates.ts";
import { startTexts } from "./gzip.ts";
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

export interface Push {
  open(session: OpenedSession): Promise<void>;
  subscribe(channels: readonly string[]): void;
  unsubscribe(channels: readonly string[]): void;
  ping(): void;
  close(): void;
}

/** Return a road without a socket; what comes of the one that is opened is told as events. */
export function startPush(openSocket: OpenSocket, tell: (event: Event) => void): Push {
  let socket: Socket | null = null;
  /** What the topics of the present socket begin with. */
  let prefix = "";
  const topicsOf = (channels: readonly string[]) => channels.map((channel) => prefix + channel);
  const close = () => {
    socket?.close();
    socket = null;
  };
  /** What an old socket still brings is not heard. */
  let current = {};
  return {
    async open(session) {
      close();
      const own = {};
      current = own;
      const tellOwn = (event: Event) => {
        if (current === own) tell(event);
      };
      try {
        const url = await signUrl(session, Date.now() + session.skewMs);
        if (current !== own) return;
        prefix = `${session.stage}/`;
        const clientId = `${session.identityId}-${crypto.randomUUID().slice(-12)}`;
        socket = openSocket(url, clientId, listenFor(prefix, tellOwn), session);
      } catch (error) {
        tellOwn(lossBy(error as Error));
      }
    },
    subscribe: (channels) => socket?.subscribe(topicsOf(channels)),
    unsubscribe: (channels) => socket?.unsubscribe(topicsOf(channels)),
    ping: () => socket?.ping(),
    close() {
      current = {};
      close();
    },
  };
}

function listenFor(prefix: string, tell: (event: Event) => void): SocketListener {
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
    onLost: (error) => tell(lossBy(error)),
  };
}

/** A browser that refuses the URL quotes it, with its signature and token. */
function lossBy(cause: Error | null): Event {
  const reason = cause?.message.replace(/\?X-Amz-\S*/, "?…");
  const error =
    reason === undefined ? null : new BellwireError("upstream", `the socket: ${reason}`);
  return { kind: "Lost", error };
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
