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
  PacketDecoder,
  REFUSED,
} from "../protocol/mqtt.ts";

/**
 * AWS IoT hangs up after one and a half times this, and takes 30 to 1200. Pings are due every 30 s
 * (protocol/link.ts), but a page long hidden has its timers once a minute.
 * Source: Chrome for Developers, "Heavy throttling of chained JS timers beginning in Chrome 88".
 */
const KEEP_ALIVE_S = 90;

export interface SocketListener {
  readonly onOpened: () => void;
  /** For each topic asked in one SUBSCRIBE, whether it was granted. */
  readonly onSubscribed: (topics: ReadonlyMap<string, boolean>) => void;
  readonly onPonged: () => void;
  readonly onPayload: (topic: string, payload: Uint8Array<ArrayBuffer>) => void;
  /** Called once; `error` when the server broke the protocol, null when the socket just ended. */
  readonly onLost: (error: Error | null) => void;
}

export class Socket {
  readonly #webSocket: WebSocket;
  readonly #listener: SocketListener;
  readonly #decoder = new PacketDecoder();
  readonly #asked = new Map<number, readonly string[]>();
  #packetId = 0;
  #isOver = false;

  constructor(url: string, clientId: string, listener: SocketListener) {
    this.#listener = listener;
    const webSocket = new WebSocket(url, "mqtt");
    this.#webSocket = webSocket;
    webSocket.binaryType = "arraybuffer";
    webSocket.onopen = () => this.#send(encodeConnect(clientId, KEEP_ALIVE_S));
    webSocket.onmessage = ({ data }) => this.#take(data);
    webSocket.onclose = () => this.#end(null);
  }

  subscribe(topics: readonly string[]): void {
    const packetId = this.#nextPacketId();
    this.#asked.set(packetId, topics);
    this.#send(encodeSubscribe(packetId, topics));
  }

  unsubscribe(topics: readonly string[]): void {
    this.#send(encodeUnsubscribe(this.#nextPacketId(), topics));
  }

  ping(): void {
    this.#send(encodePingreq());
  }

  /** Leave; the listener hears nothing more. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#send(encodeDisconnect());
    this.#webSocket.close();
  }

  #send(packet: Uint8Array<ArrayBuffer>): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(packet);
  }

  /** Packet ids are 1 to 65,535 [MQTT-2.3.1-1]. */
  #nextPacketId(): number {
    this.#packetId = (this.#packetId % 65_535) + 1;
    return this.#packetId;
  }

  #take(frame: unknown): void {
    if (this.#isOver) return;
    try {
      // Anything but binary frames must close the connection [MQTT-6.0.0-1].
      if (!(frame instanceof ArrayBuffer)) throw new Error("found a text frame, expected binary");
      for (const packet of this.#decoder.push(new Uint8Array(frame))) this.#handle(packet);
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #handle(packet: Packet): void {
    if (this.#isOver) return;
    switch (packet.kind) {
      case "connack":
        this.#onConnack(packet.returnCode);
        break;
      case "suback":
        this.#onSuback(packet.packetId, packet.granted);
        break;
      case "publish":
        this.#listener.onPayload(packet.topic, packet.payload);
        break;
      case "pingresp":
        this.#listener.onPonged();
        break;
      case "unsuback": // What was unsubscribed is forgotten already.
    }
  }

  #onConnack(returnCode: number): void {
    if (returnCode !== 0) throw new Error(`found CONNACK code ${returnCode}, expected 0`);
    this.#listener.onOpened();
  }

  #onSuback(packetId: number, granted: readonly number[]): void {
    const topics = this.#asked.get(packetId) ?? [];
    this.#asked.delete(packetId);
    this.#listener.onSubscribed(
      new Map(topics.map((topic, index) => [topic, (granted[index] ?? REFUSED) !== REFUSED])),
    );
  }

  #end(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#webSocket.close();
    this.#listener.onLost(error);
  }
}
