/**
 * One WebSocket that speaks MQTT, from its opening to its end; it never comes back.
 *
 * Here: frames and packet ids. Not here: which URL, when to ping, when to try again (protocol/).
 */
import {
  encodeConnect,
  encodeDisconnect,
  encodePingreq,
  encodeSubscribe,
  encodeUnsubscribe,
  type Packet,
  REFUSED,
  startDecoder,
} from "../protocol/mqtt.ts";

/**
 * AWS IoT hangs up after one and a half times this, and takes 30 to 1200. Pings are due every 30 s
 * (protocol/link.ts), but a page long hidden has its timers once a minute.
 * Source: Chrome for Developers, "Heavy throttling of chained JS timers beginning in Chrome 88".
 */
const KEEP_ALIVE_S = 90;
/** The only state in which sending throws. */
const CONNECTING = 0;

export interface SocketListener {
  readonly onOpened: () => void;
  /** For each topic asked in one SUBSCRIBE, whether it was granted. */
  readonly onSubscribed: (topics: ReadonlyMap<string, boolean>) => void;
  readonly onPonged: () => void;
  readonly onPayload: (topic: string, payload: Uint8Array<ArrayBuffer>) => void;
  /**
   * Called once; `error` when the server broke the protocol, null when the socket just ended;
   * `isMoved` when only the tab is gone that held it.
   */
  readonly onLost: (error: Error | null, isMoved?: boolean) => void;
}

export interface Socket {
  subscribe(topics: readonly string[]): void;
  unsubscribe(topics: readonly string[]): void;
  ping(): void;
  /** Leave; the listener hears nothing more. */
  close(): void;
}

/** Open a socket; all that comes of it is told to the listener. */
export function openSocket(url: string, clientId: string, listener: SocketListener): Socket {
  const webSocket = new WebSocket(url, "mqtt");
  const asked = new Map<number, readonly string[]>();
  const decode = startDecoder();
  let packetId = 0;
  let isOver = false;

  function send(packet: Uint8Array<ArrayBuffer>): void {
    if (webSocket.readyState !== CONNECTING) webSocket.send(packet);
  }

  /** Packet ids are 1 to 65,535 [MQTT-2.3.1-1]. */
  function nextPacketId(): number {
    packetId = (packetId % 65_535) + 1;
    return packetId;
  }

  function end(finish: () => void): void {
    if (isOver) return;
    isOver = true;
    finish();
    webSocket.close();
  }

  function lose(error: Error | null): void {
    end(() => listener.onLost(error));
  }

  function take(packet: Packet): void {
    if (isOver) return;
    if (packet.kind === "publish") listener.onPayload(packet.topic, packet.payload);
    else if (packet.kind === "pingresp") listener.onPonged();
    else if (packet.kind === "connack") {
      const { returnCode } = packet;
      if (returnCode !== 0) throw new Error(`found CONNACK ${returnCode}, expected 0`);
      listener.onOpened();
    } else if (packet.kind === "suback") {
      const topics = asked.get(packet.packetId) ?? [];
      asked.delete(packet.packetId);
      const isGranted = (index: number) => (packet.granted[index] as number) < REFUSED;
      listener.onSubscribed(new Map(topics.map((topic, index) => [topic, isGranted(index)])));
    }
  }

  webSocket.binaryType = "arraybuffer";
  webSocket.onopen = () => send(encodeConnect(clientId, KEEP_ALIVE_S));
  webSocket.onclose = () => lose(null);
  webSocket.onmessage = ({ data }) => {
    if (isOver) return;
    try {
      // Anything but binary frames must close the connection [MQTT-6.0.0-1].
      if (!(data instanceof ArrayBuffer)) throw new Error("found a text frame");
      for (const packet of decode(new Uint8Array(data))) take(packet);
    } catch (error) {
      lose(error as Error);
    }
  };
  return {
    subscribe(topics) {
      asked.set(nextPacketId(), topics);
      send(encodeSubscribe(packetId, topics));
    },
    unsubscribe: (topics) => send(encodeUnsubscribe(nextPacketId(), topics)),
    ping: () => send(encodePingreq()),
    close: () => end(() => send(encodeDisconnect())),
  };
}
