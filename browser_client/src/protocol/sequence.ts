/**
 * What one channel's subscriber knows, and the receiver rules R1–R5 of the protocol.
 *
 * `step(sequence, input)` is all: envelopes and poll answers go in, updates in their order come
 * out. Not here: when to poll (catch_up.ts) and who listens.
 */
import type { ChannelAnswer } from "./answers.ts";
import type { Place } from "./cursors.ts";
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
  readonly key?: string | undefined;
  /** Of event and set; null is a value. */
  readonly data?: unknown;
  /** When it was published, in ms since the epoch; unknown for a difference found after a reset. */
  readonly at?: number;
  /** What the publisher called it, once per channel. */
  readonly id?: string | undefined;
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
  | {
      readonly kind: "envelope" | "EnvelopeArrived";
      readonly envelope: Envelope;
      readonly sizeBytes: number;
    }
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
  const run: Run = { ...sequence, outputs: [], changes: [] };
  if (input.kind === "answer") takeAnswer(run, input.answer, input.askedFrom);
  else if (!join(run, input.envelope)) hold(run, input);
  replayHeld(run);
  const { outputs, changes, ...next } = run;
  if (changes.length > 0) next.state = next.state.with(changes);
  return [next, outputs];
}

/** Return what a reader who was shown this has to be told to forget it. */
export function takeAway(sequence: Sequence): SequenceOutput[] {
  const run: Run = { ...sequence, outputs: [], changes: [] };
  if (run.position) {
    run.outputs.push({ kind: "reset" });
    showDifferences(run, run.position.epoch, run.position.seq, new Map());
  }
  return run.outputs;
}

/** One step at work: a private copy of the sequence, changed in place. */
interface Run extends Draft<Sequence> {
  readonly outputs: SequenceOutput[];
  readonly changes: Change[];
}

type Draft<Value> = { -readonly [Field in keyof Value]: Value[Field] };

function takeAnswer(run: Run, answer: ChannelAnswer, askedFrom: Position | null): void {
  const { pages } = run;
  run.pages = [];
  if (!answer.recovered) {
    if (isTimely(run, answer, askedFrom)) takePage(run, answer, pages);
  } else {
    if (isFirstWriting(run, answer, askedFrom)) enter(run, answer.epoch, 0);
    // An answer that does not join on is not kept: the next request starts from the position.
    join(run, answer);
  }
}

/** Try the held envelopes again, lowest first [R5], and make room if there are too many. */
function replayHeld(run: Run): void {
  if (run.held.length === 0) return;
  const rest = run.held.filter(({ envelope }) => !join(run, envelope));
  const sumBytes = () => rest.reduce((sum, one) => sum + one.sizeBytes, 0);
  // The lowest go first: the next answer is the more likely to cover them.
  while (rest.length > MAX_HELD || sumBytes() > MAX_HELD_BYTES) rest.shift();
  run.held = rest;
}

/** Apply what joins on, drop what is old [R2]; tell whether the run is settled by that. */
function join(run: Run, { epoch, after, last, updates }: Omit<Envelope, "channel">): boolean {
  const { position, left } = run;
  if (position === null) return false;
  if (epoch !== position.epoch) return left.includes(epoch);
  if (last <= position.seq) return true;
  if (after > position.seq) return false;
  for (const update of updates) if (update.s > position.seq) apply(run, epoch, update);
  run.position = { epoch, seq: last };
  return true;
}

function hold(run: Run, one: Held): void {
  run.held = [...run.held, one].sort((a, b) => a.envelope.after - b.envelope.after);
}

/** From "never written" into the channel's first epoch nothing can be missing. */
function isFirstWriting(
  run: Run,
  { after, epoch }: ChannelAnswer,
  asked: Position | null,
): boolean {
  return (
    after === 0 &&
    epoch !== NEVER_WRITTEN &&
    asked?.epoch === NEVER_WRITTEN &&
    run.position?.epoch === NEVER_WRITTEN &&
    !run.left.includes(epoch)
  );
}

/** Add a page to those `before` it, or begin anew; the last one makes a whole state. */
function takePage(run: Run, page: ChannelAnswer, before: readonly ChannelAnswer[]): void {
  const first = before[0] ?? page;
  const goesOn = first.epoch === page.epoch && first.last === page.last;
  const pages = goesOn ? [...before, page] : [page];
  if (page.next !== null) run.pages = pages;
  else {
    const state = new Map(pages.flatMap((one) => [...one.state]));
    replace(run, { ...(pages[0] as ChannelAnswer), state });
  }
}

/** Take a whole state instead of the updates between [R4]. */
function replace(run: Run, { epoch, last, state, updates }: ChannelAnswer): void {
  const before = run.position;
  if (before !== null) run.outputs.push({ kind: "reset" });
  showDifferences(run, epoch, last, state);
  for (const update of updates) {
    const isNew = epoch !== before?.epoch || update.s > before.seq;
    if (isNew && update.o !== "set" && update.o !== "delete") apply(run, epoch, update);
  }
  run.state = new KeyedState(state);
  enter(run, epoch, last);
}

function isTimely(
  { position, left }: Run,
  { epoch, last }: ChannelAnswer,
  asked: Position | null,
): boolean {
  return (
    asked?.epoch === position?.epoch &&
    !left.includes(epoch) &&
    (epoch !== position?.epoch || last > position.seq)
  );
}

function showDifferences(
  run: Run,
  epoch: string,
  seq: number,
  state: ReadonlyMap<string, unknown>,
): void {
  const old = run.state.map;
  const gone = [...old.keys()].filter((key) => !state.has(key));
  for (const key of [...gone.sort(), ...[...state.keys()].sort()]) {
    const data = state.get(key);
    if (JSON.stringify(old.get(key)) === JSON.stringify(data)) continue;
    const op = state.has(key) ? "set" : "delete";
    run.outputs.push({
      kind: "update",
      update: { channel: run.channel, epoch, seq, op, key, data },
    });
  }
}

function enter(run: Run, epoch: string, seq: number): void {
  const old = run.position?.epoch;
  if (old !== undefined && old !== epoch) run.left = [...run.left, old].slice(-MAX_LEFT);
  run.position = { epoch, seq };
}

function apply(run: Run, epoch: string, wire: WireUpdate): void {
  const { s: seq, o: op, k: key, d: data, t: at, i: id } = wire;
  if (op !== "event" && op !== "set" && op !== "delete") {
    run.outputs.push({ kind: "unknown", update: wire });
    return;
  }
  if (op !== "event") run.changes.push([key as string, data]);
  const update: Update = { channel: run.channel, epoch, seq, op, key, data, at, id };
  run.outputs.push({ kind: "update", update });
}
