/** Sockets at the boundary of the hub: what it asked of them, and a way to answer. */
import type { Socket, SocketListener } from "../../../browser_client/src/io/socket.ts";
import { startHub } from "../../../browser_client/src/tabs/hub.ts";
import type { FromHub } from "../../../browser_client/src/tabs/messages.ts";

export type Asked =
  | readonly ["subscribe" | "unsubscribe", readonly string[]]
  | readonly ["ping" | "close"];

export class FakeWire implements Socket {
  readonly asked: Asked[] = [];
  constructor(
    readonly url: string,
    readonly clientId: string,
    readonly listener: SocketListener,
  ) {}
  subscribe(topics: readonly string[]): void {
    this.asked.push(["subscribe", topics]);
  }
  unsubscribe(topics: readonly string[]): void {
    this.asked.push(["unsubscribe", topics]);
  }
  ping(): void {
    this.asked.push(["ping"]);
  }
  close(): void {
    this.asked.push(["close"]);
  }
  publish(topic: string, payload = new Uint8Array([1])): void {
    this.listener.onPayload(topic, payload);
  }
}

/** A hub over fake sockets, at a time that the test sets. */
export class Rig {
  nowMs = 0;
  /** What opening a socket throws. */
  error: Error | null = null;
  readonly wires: FakeWire[] = [];
  readonly hub = startHub(
    (url, clientId, listener) => {
      if (this.error) throw this.error;
      const wire = new FakeWire(url, clientId, listener);
      this.wires.push(wire);
      return wire;
    },
    () => this.nowMs,
  );

  get wire(): FakeWire {
    const wire = this.wires.at(-1);
    if (!wire) throw new Error("found no socket, expected one to have been opened");
    return wire;
  }
}

/** A tab: what it was told, and what it can ask. */
export class Member {
  readonly told: FromHub[] = [];
  readonly #send = (message: FromHub) => {
    this.told.push(message);
  };

  constructor(
    readonly rig: Rig,
    readonly name: string,
  ) {}

  open(): this {
    const url = `wss://example.org/mqtt?${this.name}`;
    this.rig.hub.take(this.#send, { kind: "open", url, clientId: `us-east-1:guest-${this.name}` });
    return this;
  }
  subscribe(...topics: string[]): void {
    this.rig.hub.take(this.#send, { kind: "subscribe", topics });
  }
  unsubscribe(...topics: string[]): void {
    this.rig.hub.take(this.#send, { kind: "unsubscribe", topics });
  }
  ping(): void {
    this.rig.hub.take(this.#send, { kind: "ping" });
  }
  leave(): void {
    this.rig.hub.leave(this.#send);
  }
  /** What it was told since it was asked last. */
  hear(): FromHub[] {
    return this.told.splice(0);
  }
}
