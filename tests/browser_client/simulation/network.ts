/** A small model of the broker: sockets that are refused, muted, cut or die, and what they carry. */
import type { Socket, SocketListener } from "../../../browser_client/src/io/socket.ts";
import { decodeEnvelope, type Envelope } from "../../../browser_client/src/protocol/updates.ts";
import type { Message } from "../protocol/model_log.ts";
import type { Chance } from "./chance.ts";
import type { Faults } from "./faults.ts";
import type { Schedule } from "./schedule.ts";
import type { ModelService } from "./service.ts";

export type Wire = Pick<Socket, "subscribe" | "unsubscribe" | "ping" | "close">;

export interface Carried {
  readonly envelope: Envelope;
  readonly sizeBytes: number;
}

/** What every part of a history shares. */
export interface World {
  readonly chance: Chance;
  readonly faults: Faults;
  readonly schedule: Schedule;
  readonly service: ModelService;
}

const TRANSIT_MS = 5;
const GARBLED = new Uint8Array(4).fill(255);

export class Broker {
  /** Payloads are indices of this list, four bytes each. */
  readonly #carried: Carried[] = [];
  readonly #sockets = new Set<BrokerSocket>();
  readonly #world: World;
  /** Nobody gets a socket before that time. */
  barredUntilMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** @param arrive brings what the socket says to whoever listens. */
  connect(owner: string, listener: SocketListener, arrive: Arrive): Wire {
    const isBarred = this.#world.schedule.nowMs < this.barredUntilMs;
    const socket = new BrokerSocket(this.#world, owner, listener, arrive, isBarred);
    this.#sockets.add(socket);
    return socket;
  }

  publish(message: Message): void {
    const text = JSON.stringify(message);
    const envelope = decodeEnvelope(text) as Envelope;
    const payload = new Uint8Array(Uint32Array.of(this.#carried.length).buffer);
    this.#carried.push({ envelope, sizeBytes: text.length });
    for (const socket of this.#sockets) {
      if (socket.isOver) this.#sockets.delete(socket);
      else socket.send(envelope.channel, payload);
    }
  }

  /** Return what a payload stands for; undefined of a garbled one. */
  carriedBy(payload: Uint8Array<ArrayBuffer>): Carried | undefined {
    return this.#carried[new Uint32Array(payload.slice().buffer)[0] as number];
  }

  /** Every socket ends, told or not. */
  cut(isTold: boolean): void {
    for (const socket of this.#sockets) socket.cut(isTold);
    this.#sockets.clear();
  }
}

type Arrive = (happen: () => void) => void;

class BrokerSocket implements Wire {
  readonly #world: World;
  readonly #owner: string;
  readonly #listener: SocketListener;
  readonly #arrive: Arrive;
  /** What is subscribed, and when delivery begins. */
  readonly #topics = new Map<string, number>();
  /** The server has let go of it. */
  isOver = false;
  #isClosed = false;

  constructor(
    world: World,
    owner: string,
    listener: SocketListener,
    arrive: Arrive,
    isBarred: boolean,
  ) {
    this.#world = world;
    this.#owner = owner;
    this.#listener = listener;
    this.#arrive = arrive;
    const { faults } = world;
    if (faults.strikes("muteOpen")) return;
    const isRefused = isBarred || faults.strikes("refuseOpen");
    this.#later(faults.delayMs(1000), () => {
      if (isRefused) this.cut(true);
      else this.#tell(() => listener.onOpened());
    });
  }

  subscribe(topics: readonly string[]): void {
    const { faults } = this.#world;
    if (faults.strikes("loseSuback")) return;
    this.#later(faults.delayMs(500), () => {
      const granted = new Map(topics.map((topic) => [topic, this.#grant(topic)]));
      this.#tell(() => this.#listener.onSubscribed(granted));
    });
  }

  #grant(topic: string): boolean {
    const { faults, schedule, service, chance } = this.#world;
    if (!service.logOf(topic, this.#owner) || faults.strikes("deny")) return false;
    // AWS IoT may begin to deliver some time after SUBACK.
    const lateMs = faults.strikes("deliverLate") ? chance.next() * 3000 : 0;
    this.#topics.set(topic, schedule.nowMs + lateMs);
    return true;
  }

  unsubscribe(topics: readonly string[]): void {
    this.#later(TRANSIT_MS, () => {
      for (const topic of topics) this.#topics.delete(topic);
    });
  }

  ping(): void {
    if (this.#world.faults.strikes("losePing")) return;
    this.#later(TRANSIT_MS, () => this.#tell(() => this.#listener.onPonged()));
  }

  close(): void {
    this.#isClosed = true;
    this.isOver = true;
  }

  cut(isTold: boolean): void {
    this.isOver = true;
    if (isTold) this.#tell(() => this.#listener.onLost(null));
  }

  send(topic: string, payload: Uint8Array<ArrayBuffer>): void {
    const { faults } = this.#world;
    if (!this.#topics.has(topic)) return;
    if (!faults.strikes("drop")) this.#carry(topic, payload);
    if (faults.strikes("double")) this.#carry(topic, payload);
    if (faults.strikes("garble")) this.#carry(topic, GARBLED);
  }

  #carry(topic: string, payload: Uint8Array<ArrayBuffer>): void {
    const { faults, schedule } = this.#world;
    this.#later(faults.strikes("late") ? faults.delayMs(3000) : TRANSIT_MS, () => {
      const beginsMs = this.#topics.get(topic) ?? Number.POSITIVE_INFINITY;
      if (schedule.nowMs >= beginsMs) this.#tell(() => this.#listener.onPayload(topic, payload));
    });
  }

  #later(delayMs: number, happen: () => void): void {
    this.#world.schedule.after(delayMs, () => this.isOver || happen());
  }

  #tell(say: () => void): void {
    this.#arrive(() => this.#isClosed || say());
  }
}
