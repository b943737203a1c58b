/**
 * Updates and envelopes: what a channel carries, and how one MQTT payload is read.
 *
 * Here: shapes and checks of decoded JSON text. Not here: gzip (io/gzip.ts), order (sequence.ts).
 */
import { isChannel } from "./channels.ts";
import { malformed } from "./errors.ts";

/** The place of a subscriber in a channel's log; a channel never written is at ("0", 0). */
export interface Position {
  /** Changes when continuity cannot be promised; to be compared for equality only. */
  readonly epoch: string;
  /** The newest update's number within the epoch. */
  readonly seq: number;
}

/** One update as it travels: `{"s":43,"t":1795417463828,"o":"set","k":"cpu","d":12.5}`. */
export interface WireUpdate {
  readonly s: number;
  readonly i?: string;
  readonly t: number;
  /** `event`, `set` or `delete`; a later version may send others. */
  readonly o: string;
  readonly k?: string;
  readonly d?: unknown;
}

/** The seqs `after`+1 … `last` of one epoch; `updates` are those that survived conflation. */
export interface Envelope {
  readonly channel: string;
  readonly epoch: string;
  readonly after: number;
  readonly last: number;
  readonly updates: readonly WireUpdate[];
}

const EPOCH = /^(0|[a-z0-9]{8,16})$/;
const ID = /^[A-Za-z0-9_.:-]{1,128}$/;
const MAX_KEY_BYTES = 256;

/**
 * Read the JSON text of one MQTT payload.
 *
 * @returns the envelope, or null when it is of another version of the protocol.
 * @throws BellwireError `malformed` when it is not an envelope.
 */
export function decodeEnvelope(text: string): Envelope | null {
  const wire = parseObject(text);
  if (wire["v"] !== 1) {
    if (Number.isInteger(wire["v"])) return null;
    throw malformed(wire["v"], "the version 1 in v");
  }
  const channel = wire["c"];
  if (typeof channel !== "string" || !isChannel(channel))
    throw malformed(channel, "a channel in c");
  const envelope = { channel, ...decodeRun(wire) };
  checkCover(envelope);
  return envelope;
}

/** Check that the last number covered is there: conflation never drops the newest update. */
export function checkCover({ after, last, updates }: Omit<Envelope, "channel">): void {
  const first = updates[0]?.s ?? last + 1;
  const newest = updates.at(-1)?.s ?? after;
  if (first <= after || newest !== last) {
    throw malformed([first, newest], `updates after ${after} up to and with ${last} in u`);
  }
}

/** Read what envelopes and poll answers share: `{"e":…,"f":…,"l":…,"u":[…]}`. */
export function decodeRun(wire: Readonly<Record<string, unknown>>): Omit<Envelope, "channel"> {
  const { e: epoch, f: after, l: last, u } = wire;
  if (!isEpoch(epoch)) throw malformed(epoch, "an epoch in e");
  if (!isCount(after)) throw malformed(after, "a seq in f");
  if (!isCount(last) || last < after) throw malformed(last, `a seq of at least ${after} in l`);
  if (!Array.isArray(u)) throw malformed(u, "a list of updates in u");
  let before = 0;
  for (const update of u) {
    checkUpdate(update);
    if (update.s <= before || update.s > last) {
      throw malformed(update.s, `a seq s after ${before} and up to ${last}`);
    }
    before = update.s;
  }
  return { epoch, after, last, updates: u };
}

/** Parse JSON text that must be an object. */
export function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(text, "JSON");
  }
  if (!isObject(value)) throw malformed(value, "a JSON object");
  return value;
}

/** Tell whether a JSON value is an object, neither a list nor null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tell whether `value` is an epoch, or "0", which stands for none. */
export function isEpoch(value: unknown): value is string {
  return typeof value === "string" && EPOCH.test(value);
}

/** Tell whether `value` can be a seq, or 0, which stands before the first. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkUpdate(update: unknown): asserts update is WireUpdate {
  if (!isObject(update)) throw malformed(update, "an update");
  const { s, i, t, o } = update;
  if (!isCount(s) || s === 0) throw malformed(s, "a seq in s");
  if (!isCount(t)) throw malformed(t, "milliseconds since the epoch in t");
  if (typeof o !== "string") throw malformed(o, "an op in o");
  if (i !== undefined && !(typeof i === "string" && ID.test(i))) throw malformed(i, "an id in i");
  if (o === "set" || o === "delete") checkKey(update["k"]);
  if (o === "event" && "k" in update) throw malformed(update, "an event without a key k");
  if (o === "delete" && "d" in update) throw malformed(update, "a delete without data d");
  if ((o === "set" || o === "event") && !("d" in update)) throw malformed(update, "data in d");
}

function checkKey(key: unknown): void {
  if (typeof key !== "string" || new TextEncoder().encode(key).length > MAX_KEY_BYTES) {
    throw malformed(key, `a key of at most ${MAX_KEY_BYTES} bytes in k`);
  }
}
