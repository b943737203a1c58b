/** What the application may be told of a channel, held against the log after every step. */
import type {
  Sequence,
  SequenceOutput,
  Update,
} from "../../../browser_client/src/protocol/sequence.ts";
import type { Position } from "../../../browser_client/src/protocol/updates.ts";
import type { Log, State } from "../protocol/model_log.ts";

/** @throws Error with that message unless it holds. */
export function check(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Error(message());
}

export class Told {
  readonly #channel: string;
  readonly #isPaged: boolean;
  readonly shown = new Map<string, unknown>();
  #at: Position | null = null;
  #sequence: Sequence | undefined;
  #lastEvent = -1;
  /** Epochs that have been left behind. */
  readonly #left = new Set<string>();
  #news: Update[] = [];
  #isReset = false;

  /** @param isPaged whether states come in pages, which show the log at more than one moment. */
  constructor(channel: string, isPaged: boolean) {
    this.#channel = channel;
    this.#isPaged = isPaged;
  }

  hear(outputs: readonly SequenceOutput[]): void {
    for (const output of outputs) {
      if (output.kind === "reset") {
        this.#check(this.#news.length === 0, () => "a reset behind updates of the same step");
        this.#isReset = true;
      } else if (output.kind === "update") this.#take(output.update);
    }
  }

  #take(update: Update): void {
    const { op, key, data } = update;
    this.#news.push(update);
    if (op === "set") this.shown.set(key as string, data);
    if (op === "delete") this.shown.delete(key as string);
  }

  /** Hold what was told since the last time against the log that the present user may read. */
  settle(sequence: Sequence, log: Log | undefined): void {
    if (sequence === this.#sequence) return;
    this.#sequence = sequence;
    const { position, state, held } = sequence;
    const before = this.#at;
    if (before && before.epoch !== position?.epoch) this.#left.add(before.epoch);
    this.#check(isSame(this.shown, state.map), () => `shown ${show(this.shown)}, not the state`);
    if (position) this.#settleAt(before, position, log);
    else {
      this.#check(this.shown.size === 0, () => `${show(this.shown)} left of another login`);
      this.#lastEvent = -1;
      this.#left.clear();
    }
    const old = held.find(({ envelope }) => this.#left.has(envelope.epoch));
    this.#check(!old, () => `holds an envelope of ${old?.envelope.epoch}, which was left behind`);
    this.#at = position;
    this.#news = [];
    this.#isReset = false;
  }

  #settleAt(before: Position | null, position: Position, log: Log | undefined): void {
    this.#check(log !== undefined, () => "told what the user may not read");
    const state = log.stateAt(position);
    this.#check(state !== undefined, () => `at ${show(position)}, which the log never was`);
    const holds = this.#isPaged || isSame(this.shown, new Map(Object.entries(state)));
    this.#check(holds, () => `shown ${show(this.shown)} at ${show(position)}: ${show(state)}`);
    for (const { epoch, seq } of this.#news) {
      const isThere = epoch === position.epoch && seq <= position.seq;
      this.#check(isThere, () => `an update at ${epoch}:${seq} before ${show(position)}`);
    }
    this.#settleEvents(before, position, log);
  }

  #settleEvents(before: Position | null, { epoch, seq }: Position, log: Log): void {
    const told = this.#news.flatMap(({ op, data }) => (op === "event" ? [data as number] : []));
    const isContinued = before?.epoch === epoch || (before?.epoch === "0" && !this.#isReset);
    const isBack = before?.epoch === epoch && seq < before.seq;
    this.#check(!isBack, () => `back from ${show(before)} to ${seq}`);
    const joins = isContinued || this.#isReset || before === null;
    this.#check(joins, () => `from ${show(before)} to ${epoch} without a reset`);
    const all = log.eventsIn(epoch, isContinued ? (before?.seq ?? 0) : 0, seq);
    const first = this.#firstDue(before, all, told, log.forgotten);
    const due = all.filter((number) => number >= first);
    this.#check(String(told) === String(due), () => `told events ${told}, not ${due}`);
    const news = told[0] ?? Number.POSITIVE_INFINITY;
    this.#check(news > this.#lastEvent, () => `told ${news} after ${this.#lastEvent}`);
    this.#lastEvent = told.at(-1) ?? this.#lastEvent;
  }

  /** Before the first answer, events are none of its affair; a reset excuses those that expired. */
  #firstDue(
    before: Position | null,
    all: readonly number[],
    told: readonly number[],
    forgotten: number,
  ): number {
    if (!this.#isReset && before !== null) return 0;
    const first = told[0] ?? Number.POSITIVE_INFINITY;
    if (before === null) return first;
    return Math.min(first, all.find((number) => number > forgotten) ?? first);
  }

  /** Check that this place of the log, whose epochs ascend, has been reached. */
  checkFresh({ position }: Sequence, { epoch, seq }: Position): void {
    const isThere =
      position !== null &&
      (position.epoch > epoch || (position.epoch === epoch && position.seq >= seq));
    this.#check(isThere, () => `live at ${show(position)}, before ${epoch}:${seq}`);
  }

  /** Check that all is there once nothing goes wrong any more. */
  rest(sequence: Sequence, log: Log | undefined): void {
    const { position } = sequence;
    const tail = log?.tail ?? null;
    const isThere = position?.epoch === tail?.epoch && position?.seq === tail?.seq;
    this.#check(isThere, () => `rests at ${show(position)}, not at ${show(tail)}`);
    const state = new Map(Object.entries(log?.state() ?? {}));
    this.#check(isSame(this.shown, state), () => `rests with ${show(this.shown)}`);
  }

  #check(holds: boolean, message: () => string): asserts holds {
    check(holds, () => `${this.#channel}: ${message()}`);
  }
}

function isSame(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  if (one.size !== other.size) return false;
  for (const [key, value] of one) if (other.get(key) !== value) return false;
  return true;
}

function show(value: ReadonlyMap<string, unknown> | Position | State | null): string {
  return JSON.stringify(value instanceof Map ? Object.fromEntries(value) : value);
}
