/** A small model of one channel's update log and of the answers that polls get from it. */
import type { Place } from "../../../browser_client/src/protocol/cursors.ts";
import type { Position, WireUpdate } from "../../../browser_client/src/protocol/updates.ts";

export type State = Readonly<Record<string, unknown>>;

export interface Item {
  /** Never used again, not even when the log is restored; the item's data, too. */
  readonly number: number;
  readonly epoch: string;
  readonly wire: WireUpdate;
  readonly atMs: number;
  /** The channel's state as of this item. */
  readonly state: State;
}

export type Message = Readonly<Record<string, unknown>>;

const OPS = ["event", "set", "event", "delete", "set"] as const;
const NEVER_WRITTEN: Position = { epoch: "0", seq: 0 };

export class Log {
  readonly #channel: string;
  #items: Item[] = [];
  /** Every item ever, by epoch: what was read before a copy was restored stays what it was. */
  readonly #epochs = new Map<string, Item[]>();
  #nextNumber: number;
  #kept = 0;
  #isRenewed = true;
  /** The highest number that has expired. */
  forgotten = -1;

  /** @param first the number of the first item. */
  constructor(channel = "public/a", first = 0) {
    this.#channel = channel;
    this.#nextNumber = first;
  }

  get tail(): Position {
    return positionOf(this.#items.at(-1));
  }

  tailAsOf(asOfMs: number): Position {
    return positionOf(this.#items.findLast(({ atMs }) => atMs <= asOfMs));
  }

  /** Tell whether the item of this number is one of the log's. */
  has(number: number): boolean {
    return this.#items.some((item) => item.number === number);
  }

  /** Append `count` updates; return the envelope that covers them. */
  publish(count: number, pick: number, atMs = 0): Message[] {
    const before = this.#isRenewed ? 0 : this.tail.seq;
    if (this.#isRenewed) this.#beginEpoch();
    const epoch = epochName(this.#epochs.size);
    const added = Array.from({ length: count }, (_, index) =>
      this.#append(epoch, before + index + 1, pick + index, atMs),
    );
    const run = { e: epoch, f: before, l: before + count, u: conflate(added) };
    return [{ v: 1, c: this.#channel, ...run }];
  }

  #beginEpoch(): void {
    this.#isRenewed = false;
    this.#epochs.set(epochName(this.#epochs.size + 1), []);
  }

  #append(epoch: string, s: number, pick: number, atMs: number): Item {
    const number = this.#nextNumber++;
    const o = OPS[pick % OPS.length] as (typeof OPS)[number];
    const k = "xyz"[pick % 3] as string;
    const key = o === "event" ? {} : { k };
    const value = o === "delete" ? {} : { d: number };
    const wire: WireUpdate = { s, t: number, o, ...key, ...value };
    const state = stateAfter(this.#items.at(-1)?.state ?? {}, o, k, number);
    const item = { number, epoch, wire, atMs, state };
    this.#items.push(item);
    this.#epochs.get(epoch)?.push(item);
    return item;
  }

  /** The next update begins another epoch. */
  renewEpoch(): void {
    this.#isRenewed = true;
  }

  /** Go back to a copy that lacks the newest `lost` items; to be published to at once. */
  restore(lost: number): void {
    this.#items.length = Math.max(0, this.#items.length - lost);
    this.#kept = Math.min(this.#kept, this.#items.length);
    this.renewEpoch();
  }

  /** All but the newest `keep` items expire. */
  forget(keep: number): void {
    this.#kept = Math.max(this.#kept, this.#items.length - keep);
    this.forgotten = Math.max(this.forgotten, this.#items[this.#kept - 1]?.number ?? -1);
  }

  state(): State {
    return this.#items.at(-1)?.state ?? {};
  }

  stateAt({ epoch, seq }: Position): State | undefined {
    return seq === 0 ? {} : this.#epochs.get(epoch)?.[seq - 1]?.state;
  }

  /** The numbers of the events of (`after`, `last`] of an epoch. */
  eventsIn(epoch: string, after: number, last: number): number[] {
    return eventsAmong(this.#epochs.get(epoch)?.slice(after, last) ?? []);
  }

  /** The number of every event from that one on; all there is to tell when there was none. */
  eventsAfter(first: number | undefined): number[] {
    const events = eventsAmong(this.#items);
    return first === undefined ? [] : events.filter((number) => number >= first);
  }

  /**
   * Answer a poll; a state comes in pages of so many keys.
   *
   * @param asOfMs what was published later is not seen, where that is allowed.
   * @param most updates in an answer that joins on.
   * @param rewind how many of the newest events come with a first answer.
   */
  answer(asked: Place | null, keysPerPage: number, asOfMs = 0, most = 1000, rewind = 0): object {
    if (typeof asked?.page === "string") return this.#turnPage(asked, asked.page, keysPerPage);
    const run = asked && (this.#runAfter(asked, asOfMs) ?? this.#runAfter(asked, 0));
    if (asked && run) {
      const taken = run.slice(0, most);
      const { epoch, seq } = taken.length > 0 ? positionOf(taken.at(-1)) : asked;
      return { e: epoch, f: asked.seq, l: seq, recovered: true, u: conflate(taken) };
    }
    const u = asked ? this.#missedBy(asked) : rewind > 0 ? this.#keptEvents().slice(-rewind) : [];
    return { ...this.#page(this.tail, null, keysPerPage), u };
  }

  /** Return the items between that position and the tail; null when they are not all there. */
  #runAfter({ epoch, seq }: Position, asOfMs: number): Item[] | null {
    const late = asOfMs > 0 ? this.#items.findIndex(({ atMs }) => atMs > asOfMs) : -1;
    const end = late < 0 ? this.#items.length : late;
    const tail = positionOf(this.#items[end - 1]);
    const isFirst = epoch === NEVER_WRITTEN.epoch && tail.epoch === epochName(1);
    if (tail.epoch !== epoch && !isFirst) return null;
    if (seq >= tail.seq) return [];
    const start = end - (tail.seq - seq);
    return start < this.#kept ? null : this.#items.slice(start, end);
  }

  /** Return the kept events that who asked cannot have had. */
  #missedBy(asked: Place): WireUpdate[] {
    const isSame = asked.epoch === this.tail.epoch;
    return this.#keptEvents().filter(({ s }) => !isSame || s > asked.seq);
  }

  /** Return the events of the present epoch that have not expired. */
  #keptEvents(): WireUpdate[] {
    const { epoch } = this.tail;
    const kept = this.#items.slice(this.#kept).filter((item) => item.epoch === epoch);
    return kept.flatMap(({ wire }) => (wire.o === "event" ? [wire] : []));
  }

  #turnPage(first: Position, after: string, keysPerPage: number): object {
    if (first.epoch === this.tail.epoch) return this.#page(first, after, keysPerPage);
    return { ...this.#page(this.tail, null, keysPerPage), u: this.#missedBy(first) };
  }

  #page({ epoch, seq }: Position, after: string | null, keysPerPage: number): object {
    const rest = Object.entries(this.state()).filter(([key]) => after === null || key > after);
    const entries = rest.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, keysPerPage);
    const next = entries.length < rest.length ? { next: entries.at(-1)?.[0] } : {};
    const state = Object.fromEntries(entries);
    return { e: epoch, f: seq, l: seq, recovered: false, state, u: [], ...next };
  }
}

function epochName(generation: number): string {
  return `epoch${String(generation).padStart(5, "0")}`;
}

function positionOf(item: Item | undefined): Position {
  return item ? { epoch: item.epoch, seq: item.wire.s } : NEVER_WRITTEN;
}

function stateAfter(before: State, op: string, key: string, value: number): State {
  if (op === "event") return before;
  const { [key]: _, ...others } = before;
  return op === "set" ? { ...others, [key]: value } : others;
}

function eventsAmong(items: readonly Item[]): number[] {
  return items.flatMap(({ wire, number }) => (wire.o === "event" ? [number] : []));
}

function conflate(items: readonly Item[]): WireUpdate[] {
  const newest = new Map(items.map(({ wire }) => [wire.k, wire]));
  return items.flatMap(({ wire }) =>
    wire.o === "event" || newest.get(wire.k) === wire ? [wire] : [],
  );
}
