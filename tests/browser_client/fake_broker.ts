/**
 * A WebSocket whose other end is a small broker in this process, written with mqtt-packet.
 *
 * Node 20 has no WebSocket; the real thing is tested in a real browser, end to end.
 */
import mqttPacket, { type Packet } from "mqtt-packet";

export class FakeBroker {
  readonly sockets: FakeSocket[] = [];
  /** What the broker does with a packet; the default grants everything. */
  onPacket: (socket: FakeSocket, packet: Packet) => void = grantEverything;
  /** Whether handshakes are refused. */
  isDown = false;

  /** Return the class to stand as the global WebSocket. */
  webSocketClass(): typeof WebSocket {
    const broker = this;
    return class extends FakeSocket {
      constructor(url: string, protocol: string) {
        super(broker, url, protocol);
      }
    } as unknown as typeof WebSocket;
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("found no socket, expected one to have been opened");
    return socket;
  }
}

export class FakeSocket {
  static readonly OPEN = 1;
  readyState = 0;
  binaryType = "blob";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly received: Packet[] = [];
  readonly #parser = mqttPacket.parser({ protocolVersion: 4 });

  constructor(
    readonly broker: FakeBroker,
    readonly url: string,
    readonly protocol: string,
  ) {
    broker.sockets.push(this);
    this.#parser.on("packet", (packet) => {
      this.received.push(packet);
      // Later, as over a network: the parser is not made to be entered again meanwhile.
      queueMicrotask(() => broker.onPacket(this, packet));
    });
    queueMicrotask(() => (broker.isDown ? this.drop() : this.#open()));
  }

  #open(): void {
    if (this.readyState !== 0) return;
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  send(bytes: Uint8Array): void {
    this.#parser.parse(Buffer.from(bytes));
  }

  close(): void {
    if (this.readyState < 2) queueMicrotask(() => this.drop());
    this.readyState = 2;
  }

  /** End the connection from the broker's side. */
  drop(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.();
  }

  /** Send packets to the client, all in one frame. */
  answer(...packets: Packet[]): void {
    const bytes = Buffer.concat(packets.map((packet) => mqttPacket.generate(packet)));
    this.deliver(Uint8Array.from(bytes).buffer);
  }

  deliver(data: unknown): void {
    this.onmessage?.({ data });
  }

  publish(topic: string, payload: string | Buffer): void {
    this.answer({ cmd: "publish", topic, payload, qos: 0, dup: false, retain: false });
  }
}

export function grantEverything(socket: FakeSocket, packet: Packet): void {
  if (packet.cmd === "connect") {
    socket.answer({ cmd: "connack", returnCode: 0, sessionPresent: false });
  }
  if (packet.cmd === "subscribe") {
    const granted = packet.subscriptions.map(() => 0);
    socket.answer({ cmd: "suback", messageId: packet.messageId as number, granted });
  }
  if (packet.cmd === "pingreq") socket.answer({ cmd: "pingresp" });
}
