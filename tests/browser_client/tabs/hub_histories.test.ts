/** Tabs that come, follow and go at random, over a broker that takes its time. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type FakeWire, Member, Rig } from "./fake_wires.ts";

const TOPICS = ["a", "b", "c", "d"];
const MEMBERS = 3;
/** The broker's end of one socket: takes what was asked in its order, and refuses one topic. */
class Broker {
  readonly filters = new Set<string>();
  #taken = 0;
  constructor(
    readonly wire: FakeWire,
    readonly refused: string | undefined,
  ) {}

  /** Take the next packet; false when there is none. */
  takeOne(): boolean {
    const [kind, topics = []] = this.wire.asked[this.#taken] ?? [];
    if (kind === undefined || kind === "close") return false;
    this.#taken++;
    if (kind === "ping") this.wire.listener.onPonged();
    if (kind === "subscribe") this.#subscribe(topics);
    if (kind === "unsubscribe") for (const topic of topics) this.filters.delete(topic);
    return true;
  }

  #subscribe(topics: readonly string[]): void {
    const granted = topics.map((topic): [string, boolean] => [topic, topic !== this.refused]);
    for (const [topic, isGranted] of granted) if (isGranted) this.filters.add(topic);
    this.wire.listener.onSubscribed(new Map(granted));
  }
}

/** What a tab that keeps its own books believes: which topics it follows, and what is granted. */
class Books {
  readonly follows = new Map<string, "asked" | "granted">();
  payloads: string[] = [];
  isOpen = false;

  read(member: Member): void {
    for (const message of member.hear()) {
      if (message.kind === "opened") this.isOpen = true;
      if (message.kind === "lost") this.reset();
      if (message.kind === "payload") this.payloads.push(message.topic);
      if (message.kind === "subscribed") this.#note(message.topics);
    }
  }

  reset(): void {
    this.isOpen = false;
    this.follows.clear();
  }

  #note(topics: ReadonlyMap<string, boolean>): void {
    for (const [topic, isGranted] of topics) {
      expect(this.follows.has(topic)).toBe(true); // Nothing is told that was not asked.
      if (isGranted) this.follows.set(topic, "granted");
      else this.follows.delete(topic);
    }
  }
}

class World {
  readonly rig = new Rig();
  readonly members = Array.from(
    { length: MEMBERS },
    (_, index) => new Member(this.rig, `${index}`),
  );
  readonly books = this.members.map(() => new Books());
  broker: Broker | null = null;

  act(who: number, what: string, topic: string): void {
    const member = this.members[who] as Member;
    const books = this.books[who] as Books;
    if (what === "open" && !books.isOpen) member.open();
    if (what === "leave") {
      member.leave();
      books.reset();
    }
    if (what === "subscribe" && books.isOpen && !books.follows.has(topic)) {
      books.follows.set(topic, "asked");
      member.subscribe(topic);
    }
    if (what === "unsubscribe" && books.follows.delete(topic)) member.unsubscribe(topic);
    if (what === "answer") this.#findBroker()?.takeOne();
    if (what === "lose" && this.#isUp()) this.rig.wire.listener.onLost(null);
    this.settle();
  }

  settle(): void {
    const broker = this.#findBroker();
    if (broker && this.books.every(({ isOpen }) => !isOpen)) broker.wire.listener.onOpened();
    this.members.forEach((member, index) => {
      this.books[index]?.read(member);
    });
  }

  finish(): Broker | null {
    const broker = this.#findBroker();
    while (broker?.takeOne()) this.settle();
    this.settle();
    return broker;
  }

  #isUp(): boolean {
    return this.rig.wires.at(-1)?.asked.every(([kind]) => kind !== "close") ?? false;
  }

  #findBroker(): Broker | null {
    if (!this.#isUp()) return null;
    if (this.broker?.wire !== this.rig.wire) {
      const { wire, wires } = this.rig;
      this.broker = new Broker(wire, TOPICS[wires.length % TOPICS.length]);
    }
    return this.broker;
  }
}

const action = fc.tuple(
  fc.nat(MEMBERS - 1),
  fc.constantFrom("open", "subscribe", "subscribe", "unsubscribe", "leave", "answer", "lose"),
  fc.constantFrom(...TOPICS),
);

it("gives each tab the payloads of its topics, and asks the broker for no others", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: "max" }), (actions) => {
      const world = new World();
      for (const words of actions) world.act(...words);
      const broker = world.finish();
      const followed = world.books.map(({ follows }) => [...follows.keys()].sort());
      expect([...new Set(followed.flat())].sort()).toEqual([...(broker?.filters ?? [])].sort());
      for (const { follows } of world.books) {
        expect([...follows.values()].every((one) => one === "granted")).toBe(true);
      }
      for (const books of world.books) books.payloads = [];
      for (const topic of TOPICS) broker?.wire.publish(topic);
      world.settle();
      expect(world.books.map(({ payloads }) => payloads)).toEqual(followed);
    }),
    { numRuns: 500 },
  );
});
