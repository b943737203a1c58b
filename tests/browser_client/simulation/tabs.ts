/**
 * Tabs that share one socket, and die: the hub is in a worker, or in the tab that came first.
 *
 * As tabs/tab.ts has it, but for how a tab finds the hub: here it knows.
 */
import type { Socket, SocketListener } from "../../../browser_client/src/io/socket.ts";
import { type Hub, type Member, startHub } from "../../../browser_client/src/tabs/hub.ts";
import type { FromHub, ToHub } from "../../../browser_client/src/tabs/messages.ts";
import type { Gate } from "./gate.ts";
import type { Broker, World } from "./network.ts";
import type { Page } from "./page.ts";

const PORT_MS = 2;
/** How long it may take until the others learn that a tab is gone. */
const NOTICE_MS = 100;

/** Where the hub of one owner is; no leader: in a worker, which the tabs outlive one by one. */
interface Host {
  readonly hub: Hub;
  readonly leader: Page | null;
  isOver: boolean;
}

export class Tabs {
  readonly #world: World;
  readonly #broker: Broker;
  readonly #gate: Gate;
  readonly #hasWorker: boolean;
  readonly #hosts = new Map<string, Host>();
  readonly #wires = new Set<TabWire>();

  constructor(world: World, broker: Broker, gate: Gate) {
    this.#world = world;
    this.#broker = broker;
    this.#gate = gate;
    this.#hasWorker = world.chance.next() < 0.5;
    world.faults.count(this.#hasWorker ? "worker" : "leader");
  }

  openWire(page: Page, owner: string, listener: SocketListener): Socket {
    const known = this.#hosts.get(owner);
    const isShared = known !== undefined && !known.isOver;
    if (isShared) this.#world.faults.count("shared");
    const host = isShared ? known : this.#makeHost(page, owner);
    this.#hosts.set(owner, host);
    const wire = new TabWire(this.#world, this.#gate, page, host, listener);
    this.#wires.add(wire);
    return wire;
  }

  #makeHost(page: Page, owner: string): Host {
    const arrive = (happen: () => void) => this.#gate.arrive(() => host.isOver || happen());
    const host: Host = {
      hub: startHub(
        (_url, _clientId, listener) => this.#broker.connect(owner, listener, arrive),
        () => this.#world.schedule.nowMs,
      ),
      leader: this.#hasWorker ? null : page,
      isOver: false,
    };
    return host;
  }

  /** A tab is gone, and the hub with it if it was in there. */
  onEnd(page: Page): void {
    for (const wire of this.#wires) if (wire.page === page) wire.close(NOTICE_MS);
  }
}

class TabWire implements Socket {
  readonly page: Page;
  readonly #world: World;
  readonly #gate: Gate;
  readonly #host: Host;
  readonly #member: Member;
  #isOver = false;
  /** Messages stay in their order, each way. */
  #sentMs = 0;
  #toldMs = 0;

  constructor(world: World, gate: Gate, page: Page, host: Host, listener: SocketListener) {
    this.page = page;
    this.#world = world;
    this.#gate = gate;
    this.#host = host;
    this.#member = (message) => {
      this.#toldMs = this.#post(this.#toldMs, PORT_MS, () =>
        page.arrive(() => this.#isOver || this.#take(listener, message)),
      );
    };
    this.#send({ kind: "open", url: "wss://broker", clientId: "" });
  }

  subscribe(topics: readonly string[]): void {
    this.#send({ kind: "subscribe", topics });
  }

  unsubscribe(topics: readonly string[]): void {
    this.#send({ kind: "unsubscribe", topics });
  }

  ping(): void {
    this.#send({ kind: "ping" });
  }

  close(noticeMs = PORT_MS): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { hub, leader } = this.#host;
    if (leader !== this.page) this.#sendIn(noticeMs, () => hub.leave(this.#member));
    else if (!this.#host.isOver) {
      this.#world.faults.count("leaderGone");
      hub.end();
      this.#host.isOver = true;
    }
  }

  #send(message: ToHub): void {
    this.#sendIn(PORT_MS, () => this.#host.hub.take(this.#member, message));
  }

  #sendIn(delayMs: number, happen: () => void): void {
    this.#sentMs = this.#post(this.#sentMs, delayMs, () =>
      this.#gate.arrive(() => this.#host.isOver || happen()),
    );
  }

  /** Return when it arrives: not before what was posted before it. */
  #post(beforeMs: number, delayMs: number, happen: () => void): number {
    const { schedule, faults } = this.#world;
    const slowMs = faults.strikes("slowPort") ? faults.delayMs(1000) : 0;
    const atMs = Math.max(beforeMs, schedule.nowMs + delayMs + slowMs);
    schedule.after(atMs - schedule.nowMs, happen);
    return atMs;
  }

  #take(listener: SocketListener, message: FromHub): void {
    switch (message.kind) {
      case "opened":
        listener.onOpened();
        break;
      case "subscribed":
        listener.onSubscribed(message.topics);
        break;
      case "ponged":
        listener.onPonged();
        break;
      case "payload":
        listener.onPayload(message.topic, message.payload);
        break;
      case "lost":
        // As the real one has it: a tab that hears this closes, and a leader ends the hub.
        this.close();
        listener.onLost(null, message.message === undefined);
    }
  }
}
