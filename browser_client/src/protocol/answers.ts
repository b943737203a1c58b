/**
 * Poll answers: how the body of `GET /v1/updates` is read.
 *
 * Here: shapes and checks. Not here: the request (io/poller.ts), what an answer means (sequence.ts).
 */
import { malformed } from "./errors.ts";
import { decodeRun, type Envelope, isObject, NOTHING } from "./updates.ts";

/** One channel's part of a poll answer. */
export interface ChannelAnswer extends Omit<Envelope, "channel"> {
  /** False: what was between is not all here; `state` is the whole truth at `last`. */
  readonly recovered: boolean;
  readonly state: ReadonlyMap<string, unknown>;
  /** The key after which the state goes on, on its next page; null when this was the last. */
  readonly next: string | null;
}

/** A poll answer; `more` asks for the next request at once. */
export interface PollAnswer {
  readonly pollAfterMs: number;
  readonly more: boolean;
  readonly channels: ReadonlyMap<string, ChannelAnswer>;
}

const DEFAULT_POLL_AFTER_MS = 2000;

/**
 * Read the JSON object of a poll answer.
 *
 * @param headerMs what its header says of when to ask again, which wins over the body; 0: nothing.
 * @throws BellwireError `malformed` when it is not one.
 */
export function decodeAnswer(
  fields: Readonly<Record<string, unknown>>,
  headerMs: number,
): PollAnswer {
  const { v, poll_after_ms: pollAfterMs, more, channels } = fields;
  if (v !== 1 || !isObject(channels)) throw malformed(fields, "version 1 and channels");
  return {
    pollAfterMs: headerMs || Number(pollAfterMs) || DEFAULT_POLL_AFTER_MS,
    more: more === true,
    channels: new Map(Object.entries(channels).map(([name, part]) => [name, decodePart(part)])),
  };
}

/** Read one channel's part: `{"e":"k3f9x0ab","f":40,"l":43,"recovered":true,"u":[…]}`. */
export function decodePart(part: unknown): ChannelAnswer {
  if (!isObject(part)) throw malformed(part, "an object");
  const { recovered, state = recovered && NOTHING, next = null } = part;
  const isSound = isObject(state) && (next === null || typeof next === "string");
  if (typeof recovered !== "boolean" || !isSound) {
    throw malformed(part, "recovered or a state");
  }
  return { ...decodeRun(part, recovered), recovered, state: new Map(Object.entries(state)), next };
}
