/** A small model of one channel's update log and of the answers that polls get from it. */
import type { Place } from "../../../browser_client/src/protocol/cursors.ts";
import type { Position } from "../../../browser_client/src/protocol/updates.ts";

interface Item {
  readonly number: number;
  readonly epoch: string;
  readonly s: number;
  readonly t: number;
  readonly o: "event" | "set" | "delete";
  readonly k?: string;
  readonly d?: number;
}

export type Message = Readonly<Record<string, unknown>>;

const OPS = ["event", "set", "event", "delete", "set"] as const;

export class Log {
  readonly #channel: string;
  readonly #first: number;
  #items: Item[] = [];
  #kept = 0;
  #generation = 0;
  #isRenewed = true;

  /** @param first the number of the first item, which also is its data. */
  constructor(channel = "public/a", first = 0) {
    this.#channel = channel;
    this.#first = first;
  }

  get tail(): Position {
    const last = this.#items.at(-1);
    return last ? { epoch: last.epoch, seq: last.s } : { epoch: "0", seq: 0 };
  }

  has(number: number): boolean {
    return this.#items[number - this.#first] !== undefined;
  }

  /** Append `count` updates; return the envelope that covers them. */
  publish(count: number, pick: number): Message[] {
    const before = this.#isRenewed ? 0 : this.tail.seq;
    if (this.#isRenewed) this.#generation++;
    this.#isRenewed = false;
    const epoch = `epoch${String(this.#generation).padStart(5, "0")}`;
    const added = Array.from({ length: count }, (_, index) =>
      this.#append(epoch, before + index + 1, pick + index),
    );
    const run = { e: epoch, f: before, l: before + count, u: conflate(added) };
    return [{ v: 1, c: this.#channel, ...run }];
  }

  #append(epoch: string, s: number, pick: number): Item {
    const number = this.#first + this.#items.length;
    const o = OPS[pick % OPS.length] as Item["o"];
    const key = o === "event" ? {} : { k: "xyz"[pick % 3] as string };
    const value = o === "delete" ? {} : { d: number };
    const item: Item = { number, epoch, s, t: number, o, ...key, ...value };
    this.#items.push(item);
    return item;
  }

  /** The next update begins another epoch. */
  renewEpoch(): void {
    this.#isRenewed = true;
  }

  /** All but the newest `keep` items expire. */
  forget(keep: number): void {
    this.#kept = Math.max(this.#kept, this.#items.length - keep);
  }

  state(): Record<string, unknown> {
    const state: Record<string, unknown> = {};
    for (const { o, k, d } of this.#items) {
      if (o === "set") state[k as string] = d;
      if (o === "delete") delete state[k as string];
    }
    return state;
  }

  /** The number of every event from that one on; all there is to tell when there was none. */
  eventsAfter(first: number | undefined): number[] {
    const events = this.#items.filter(isEvent).map(({ number }) => number);
    return first === undefined ? [] : events.filter((number) => number >= first);
  }

  /** Answer a poll; a state comes in pages of so many keys, a first answer with the newest events. */
  answer(asked: Place | null, keysPerPage: number, rewind = 0): object {
    const { epoch, seq } = this.tail;
    if (typeof asked?.page === "string") return this.#turnPage(asked, asked.page, keysPerPage);
    const kept = this.#items.slice(this.#kept).filter((item) => item.epoch === epoch);
    const after = asked?.epoch === epoch || isNeverWritten(asked) ? (asked as Position).seq : null;
    const run = kept.filter(({ s }) => after !== null && s > after);
    const isWhole = after !== null && run.length === seq - after;
    if (isWhole && (asked?.epoch === epoch || this.#generation === 1)) {
      return { e: epoch, f: after, l: seq, recovered: true, u: conflate(run).map(wire) };
    }
    const missed = asked ? kept.filter(({ s }) => asked.epoch !== epoch || s > asked.seq) : [];
    const newest = asked || rewind === 0 ? missed : kept.filter(isEvent).slice(-rewind);
    const u = newest.filter(isEvent).map(wire);
    return { ...this.#page(this.tail, null, keysPerPage), u };
  }

  #turnPage(first: Position, after: string, keysPerPage: number): object {
    const hasMoved = first.epoch !== this.tail.epoch;
    return hasMoved
      ? this.#page(this.tail, null, keysPerPage)
      : this.#page(first, after, keysPerPage);
  }

  #page({ epoch, seq }: Position, after: string | null, keysPerPage: number): object {
    const rest = Object.entries(this.state()).filter(([key]) => after === null || key > after);
    const entries = rest.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, keysPerPage);
    const next = entries.length < rest.length ? { next: entries.at(-1)?.[0] } : {};
    const state = Object.fromEntries(entries);
    return { e: epoch, f: seq, l: seq, recovered: false, state, u: [], ...next };
  }
}

function isNeverWritten(position: Position | null): boolean {
  return position?.epoch === "0";
}

function isEvent({ o }: Item): boolean {
  return o === "event";
}

function conflate(items: readonly Item[]): Item[] {
  const newest = new Map(items.filter(({ o }) => o !== "event").map((item) => [item.k, item]));
  return items.filter((item) => item.o === "event" || newest.get(item.k) === item);
}

function wire({ s, t, o, k, d }: Item): object {
  return { s, t, o, ...(k !== undefined && { k }), ...(d !== undefined && { d }) };
}
