/**
 * What one channel's subscriber knows, and the receiver rules R1–R5 of the protocol.
 *
 * `step(sequence, input)` is all: envelopes and poll answers go in, updates in their order come
 * out. Not here: when to poll (catch_up.ts) and who listens.
 */
import type { ChannelAnswer } from "./answers.ts";
import type { Place } from "./cursors.ts";
import { isEqualJson, orderByCodePoint } from "./json.ts";
import { type Change, KeyedState } from "./keyed_state.ts";
import type { Envelope, Position, WireUpdate } from "./updates.ts";

/** An update as the application gets it. */
export interface Update {
  /** As it was asked for. */
  readonly channel: string;
  /** Which life of the channel `seq` counts in. */
  readonly epoch: string;
  /** 1, 2, 3 …; numbers are left out where a later value of the key took the place of this one. */
  readonly seq: number;
  /** `set` and `delete` change the state, `event` does not. */
  readonly op: "event" | "set" | "delete";
  /** Of set and delete. */
  readonly key?: string;
  /** Of event and set; null is a value. */
  readonly data?: unknown;
  /** When it was published, in ms since the epoch; unknown for a difference found after a reset. */
  readonly at?: number;
  /** What the publisher called it, once per channel. */
  readonly id?: string;
}

export interface Sequence {
  readonly channel: string;
  /** Null until the first answer. */
  readonly position: Position | null;
  readonly state: KeyedState;
  /** What has come of a state that comes in pages; it is shown when it is whole. */
  readonly pages: readonly ChannelAnswer[];
  /** Envelopes that do not join on yet, by the number they start after. */
  readonly held: readonly Held[];
  /** The epochs left behind, newest last. */
  readonly left: readonly string[];
}

interface Held {
  readonly envelope: Envelope;
  readonly sizeBytes: number;
}

export type SequenceInput =
  | { readonly kind: "envelope"; readonly envelope: Envelope; readonly sizeBytes: number }
  | {
      readonly kind: "answer";
      readonly answer: ChannelAnswer;
      /** The position the request named; null for a first request. */
      readonly askedFrom: Position | null;
    };

export type SequenceOutput =
  | { readonly kind: "update"; readonly update: Update }
  /** Continuity was lost; the differences of state and the kept events follow. */
  | { readonly kind: "reset" }
  /** An update whose op this version does not know was passed over. */
  | { readonly kind: "unknown"; readonly update: WireUpdate };

const MAX_HELD = 64;
const MAX_HELD_BYTES = 1024 * 1024;
const MAX_LEFT = 16;
const NEVER_WRITTEN = "0";

/** Return a channel's sequence before anything is known of it. */
export function startSequence(channel: string): Sequence {
  return {
    channel,
    position: null,
    state: new KeyedState(new Map()),
    pages: [],
    held: [],
    left: [],
  };
}

/** Tell whether only a poll can bring the channel further: no position, a gap, half a state. */
export function isBehind({ position, held, pages }: Sequence): boolean {
  return position === null || held.length > 0 || pages.length > 0;
}

/** Return where the next poll goes on: after the last page that came, else from the position. */
export function placeOf({ position, pages }: Sequence): Place | null {
  const page = pages.at(-1);
  return page ? { epoch: page.epoch, seq: page.last, page: page.next } : position;
}

/** Take in an envelope or an answer; return the new sequence and what the application is told. */
export function step(sequence: Sequence, input: SequenceInput): [Sequence, SequenceOutput[]] {
  const run = new Run(sequence);
  if (input.kind === "envelope") run.takeEnvelope(input);
  else run.takeAnswer(input.answer, input.askedFrom);
  run.replayHeld();
  return [run.result(), run.outputs];
}

/** Return what a reader who was shown this has to be told to forget it. */
export function takeAway(sequence: Sequence): SequenceOutput[] {
  const run = new Run(sequence);
  run.takeAway();
  return run.outputs;
}

/** One step at work: a private copy of the sequence, changed in place. */
class Run {
  readonly outputs: SequenceOutput[] = [];
  readonly #channel: string;
  #position: Position | null;
  #state: KeyedState;
  readonly #changes: Change[] = [];
  #pages: readonly ChannelAnswer[];
  #held: readonly Held[];
  #left: readonly string[];

  constructor(sequence: Sequence) {
    this.#channel = sequence.channel;
    this.#position = sequence.position;
    this.#state = sequence.state;
    this.#pages = sequence.pages;
    this.#held = sequence.held;
    this.#left = sequence.left;
  }

  result(): Sequence {
    return {
      channel: this.#channel,
      position: this.#position,
      state: this.#changes.length > 0 ? this.#state.with(this.#changes) : this.#state,
      pages: this.#pages,
      held: this.#held,
      left: this.#left,
    };
  }

  takeEnvelope(held: Held): void {
    if (!this.#join(held.envelope)) this.#hold(held);
  }

  takeAnswer(answer: ChannelAnswer, askedFrom: Position | null): void {
    const pages = this.#pages;
    this.#pages = [];
    if (!answer.recovered) {
      if (this.#isTimely(answer, askedFrom)) this.#takePage(answer, pages);
    } else {
      if (this.#isFirstWriting(answer, askedFrom)) this.#enter(answer.epoch, 0);
      // An answer that does not join on is not kept: the next request starts from the position.
      this.#join(answer);
    }
  }

  takeAway(): void {
    if (this.#position === null) return;
    const { epoch, seq: last } = this.#position;
    this.outputs.push({ kind: "reset" });
    this.#showDifferences({ epoch, last, state: new Map() });
  }

  /** Try the held envelopes again, lowest first [R5], and make room if there are too many. */
  replayHeld(): void {
    if (this.#held.length === 0) return;
    const rest = this.#held.filter(({ envelope }) => !this.#join(envelope));
    let sizeBytes = rest.reduce((sum, one) => sum + one.sizeBytes, 0);
    // The lowest go first: the next answer is the more likely to cover them.
    while (rest.length > MAX_HELD || sizeBytes > MAX_HELD_BYTES) {
      sizeBytes -= (rest.shift() as Held).sizeBytes;
    }
    this.#held = rest;
  }

  /** Apply what joins on, drop what is old [R2]; tell whether the run is settled by that. */
  #join({ epoch, after, last, updates }: Omit<Envelope, "channel">): boolean {
    const position = this.#position;
    if (position === null) return false;
    if (epoch !== position.epoch) return this.#left.includes(epoch);
    if (last <= position.seq) return true;
    if (after > position.seq) return false;
    for (const update of updates) if (update.s > position.seq) this.#apply(epoch, update);
    this.#position = { epoch, seq: last };
    return true;
  }

  #hold(held: Held): void {
    this.#held = [...this.#held, held].sort((a, b) => a.envelope.after - b.envelope.after);
  }

  /** From "never written" into the channel's first epoch nothing can be missing. */
  #isFirstWriting(answer: ChannelAnswer, askedFrom: Position | null): boolean {
    return (
      answer.after === 0 &&
      answer.epoch !== NEVER_WRITTEN &&
      isNeverWritten(askedFrom) &&
      isNeverWritten(this.#position) &&
      !this.#left.includes(answer.epoch)
    );
  }

  /** Add a page to those `before` it, or begin anew; the last one makes a whole state. */
  #takePage(page: ChannelAnswer, before: readonly ChannelAnswer[]): void {
    const first = before[0] ?? page;
    const goesOn = first.epoch === page.epoch && first.last === page.last;
    const pages = goesOn ? [...before, page] : [page];
    if (page.next !== null) this.#pages = pages;
    else {
      const state = new Map(pages.flatMap((one) => [...one.state]));
      this.#replace({ ...page, state, updates: (goesOn ? first : page).updates });
    }
  }

  /** Take a whole state instead of the updates between [R4]. */
  #replace(answer: ChannelAnswer): void {
    const before = this.#position;
    if (before !== null) this.outputs.push({ kind: "reset" });
    this.#showDifferences(answer);
    for (const update of answer.updates) {
      const isNew = answer.epoch !== before?.epoch || update.s > before.seq;
      if (isNew && update.o !== "set" && update.o !== "delete") this.#apply(answer.epoch, update);
    }
    this.#state = new KeyedState(answer.state);
    this.#enter(answer.epoch, answer.last);
  }

  #isTimely({ epoch, last }: ChannelAnswer, askedFrom: Position | null): boolean {
    const position = this.#position;
    return (
      askedFrom?.epoch === position?.epoch &&
      !this.#left.includes(epoch) &&
      (epoch !== position?.epoch || last > position.seq)
    );
  }

  #showDifferences({
    epoch,
    last: seq,
    state,
  }: Pick<ChannelAnswer, "epoch" | "last" | "state">): void {
    const old = this.#state.map;
    const place = { channel: this.#channel, epoch, seq };
    for (const key of orderByCodePoint(old.keys())) {
      if (!state.has(key)) this.#show({ ...place, op: "delete", key });
    }
    for (const key of orderByCodePoint(state.keys())) {
      const value = state.get(key);
      if (!old.has(key) || !isEqualJson(old.get(key), value)) {
        this.#show({ ...place, op: "set", key, data: value });
      }
    }
  }

  #enter(epoch: string, seq: number): void {
    const old = this.#position?.epoch;
    if (old !== undefined && old !== epoch) this.#left = [...this.#left, old].slice(-MAX_LEFT);
    this.#position = { epoch, seq };
  }

  #apply(epoch: string, wire: WireUpdate): void {
    const { s: seq, o: op, k: key, d: value, t: at, i: id } = wire;
    if (op !== "event" && op !== "set" && op !== "delete") {
      this.outputs.push({ kind: "unknown", update: wire });
      return;
    }
    if (op !== "event") this.#changes.push([key as string, op === "set" ? value : undefined]);
    this.#show({
      ...{ channel: this.#channel, epoch, seq, op },
      ...(op !== "event" && { key: key as string }),
      ...(op !== "delete" && { data: value }),
      at,
      ...(id !== undefined && { id }),
    });
  }

  #show(update: Update): void {
    this.outputs.push({ kind: "update", update });
  }
}

function isNeverWritten(position: Position | null): boolean {
  return position?.epoch === NEVER_WRITTEN && position.seq === 0;
}
