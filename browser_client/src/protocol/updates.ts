/**
 * Updates and envelopes: what a channel carries, and how one MQTT payload is read.
 *
 * Here: shapes and checks of decoded JSON text. Not here: gzip (io/gzip.ts), order (sequence.ts).
 */
import { isChannel, matches } from "./channels.ts";
import { malformed } from "./errors.ts";
import { utf8Encoder } from "./utf8.ts";

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
const ID = /^[\w.:-]{1,128}$/;
const MAX_KEY_BYTES = 256;
export const NOTHING: Readonly<Record<string, unknown>> = {};

/**
 * Read the JSON text of one MQTT payload.
 *
 * @returns the envelope, or null when it is of another version of the protocol.
 * @throws BellwireError `malformed` when it is not an envelope.
 */
export function decodeEnvelope(text: string): Envelope | null {
  const wire = parseObject(text);
  if (!wire) throw malformed(text, "a JSON object");
  const { v, c: channel } = wire;
  if (v !== 1 && Number.isInteger(v)) return null;
  if (v !== 1 || !isChannel(channel)) throw malformed(wire, "version 1 and a channel");
  return { channel, ...decodeRun(wire, true) };
}

/**
 * Read what envelopes and poll answers share: `{"e":…,"f":…,"l":…,"u":[…]}`.
 *
 * @param isCover whether the updates are those after `f`, of which conflation never drops the newest.
 */
export function decodeRun(
  wire: Readonly<Record<string, unknown>>,
  isCover: boolean,
): Omit<Envelope, "channel"> {
  const { e: epoch, f: after, l: last, u: updates } = wire;
  const isRun = isEpoch(epoch) && isCount(after) && isCount(last) && Array.isArray(updates);
  if (!isRun || last < after) throw malformed(wire, "e, f, l and u of a run");
  let before = isCover ? after : 0;
  for (const update of updates) {
    if (!isUpdate(update) || update.s <= before || update.s > last) {
      throw malformed(update, `an update after ${before} up to ${last}`);
    }
    before = update.s;
  }
  if (isCover && before < last) throw malformed(before, `updates up to ${last}`);
  return { epoch, after, last, updates };
}

/** Parse a JSON object; null when it is none, as from a proxy that answers for the server. */
export function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Tell whether a JSON value is an object, neither a list nor null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Tell whether `value` is an epoch, or "0", which stands for none. */
export function isEpoch(value: unknown): value is string {
  return matches(EPOCH, value);
}

/** Tell whether `value` can be a seq, or 0, which stands before the first. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isUpdate(update: unknown): update is WireUpdate {
  if (!isObject(update)) return false;
  const { s, i, t, o, k } = update;
  const isSound = isCount(s) && isCount(t) && typeof o === "string";
  if (!isSound || !(i === undefined || matches(ID, i))) return false;
  if (o === "event") return "d" in update && !("k" in update);
  if (o !== "set" && o !== "delete") return true;
  const isKeyed = typeof k === "string" && utf8Encoder.encode(k).length <= MAX_KEY_BYTES;
  return isKeyed && (o === "set") === "d" in update;
}
