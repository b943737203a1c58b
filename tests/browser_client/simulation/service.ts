/** A small model of the service: the logs of its channels, who may read them, and a cache. */
import type { PollAnswer } from "../../../browser_client/src/protocol/answers.ts";
import { decodePart } from "../../../browser_client/src/protocol/answers.ts";
import { nameInFull } from "../../../browser_client/src/protocol/channels.ts";
import type { Place } from "../../../browser_client/src/protocol/cursors.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import { Log } from "../protocol/model_log.ts";

export const GUEST = "us-east-1:guest";
export const ALICE = "us-east-1:alice";
export const BOB = "us-east-1:bob";
const MEMBERS: readonly string[] = [ALICE, BOB];

/** As a client names them. */
export const CHANNELS = ["public/a", "user/me/a", "group/red/a"];
const IN_FULL = ["public/a", `user/${ALICE}/a`, `user/${BOB}/a`, "group/red/a"];
/** More than one log ever holds, so that the data tell whose they are. */
const APART = 1_000_000;
const POLL_AFTER_MS = 2000;

/** What a session's token says. */
export interface Bearer {
  readonly identityId: string;
  readonly endsMs: number;
}

/** How a poll is answered, within what the protocol allows. */
export interface Reading {
  readonly nowMs: number;
  /** How far the replica is behind that is read where it may be. */
  readonly lagMs: number;
  readonly keysPerPage: number;
  /** Updates in an answer; `more` says that there are more. */
  readonly most: number;
}

export interface Answered {
  readonly answer: PollAnswer;
  readonly ageMs: number;
}

export class ModelService {
  readonly logs = IN_FULL.map((name, index) => new Log(name, index * APART));
  /** For how long an answer that carries nothing private may be repeated. */
  readonly maxAgeMs: number;
  /** By the query, as by URL. */
  readonly #cache = new Map<string, { readonly answer: PollAnswer; readonly storedMs: number }>();

  constructor(maxAgeMs: number) {
    this.maxAgeMs = maxAgeMs;
  }

  /** Return the log that this identity reads under that name; undefined when it may not. */
  logOf(channel: string, identityId: string): Log | undefined {
    const name = nameInFull(channel, identityId);
    return this.#mayRead(name, identityId) ? this.logs[IN_FULL.indexOf(name)] : undefined;
  }

  #mayRead(name: string, identityId: string): boolean {
    if (name === "group/red/a") return identityId === ALICE;
    if (name === "public/a") return true;
    return MEMBERS.includes(identityId) && name.startsWith(`user/${identityId}/`);
  }

  /** @throws BellwireError as the service refuses it. */
  answer(query: string, bearer: Bearer | null, reading: Reading): Answered {
    const { nowMs } = reading;
    if (bearer && bearer.endsMs <= nowMs) throw new BellwireError("unauthenticated", "expired");
    const cached = bearer ? undefined : this.#cache.get(query);
    const ageMs = nowMs - (cached?.storedMs ?? 0);
    if (cached && ageMs < this.maxAgeMs) return { answer: cached.answer, ageMs };
    const answer = this.#read(query, bearer?.identityId ?? GUEST, reading);
    if (!bearer) this.#cache.set(query, { answer, storedMs: nowMs });
    return { answer, ageMs: 0 };
  }

  #read(
    query: string,
    identityId: string,
    { nowMs, lagMs, keysPerPage, most }: Reading,
  ): PollAnswer {
    let more = false;
    const parts = askedBy(query).map(([channel, place]) => {
      const log = this.logOf(channel, identityId);
      if (!log) throw new BellwireError("not_allowed", "not yours", channel);
      const part = decodePart(log.answer(place, keysPerPage, lagMs > 0 ? nowMs - lagMs : 0, most));
      more ||= part.recovered && part.last - part.after === most;
      return [channel, part] as const;
    });
    return { pollAfterMs: POLL_AFTER_MS, more, channels: new Map(parts) };
  }
}

/** Read `cursor=…` or `channels=…`; that cursors are canonical is tested elsewhere. */
export function askedBy(query: string): [string, Place | null][] {
  const [kind, value = ""] = query.split("=");
  if (kind === "channels") return value.split(",").map((name) => [decodeURIComponent(name), null]);
  const [, rows] = JSON.parse(atob(value.replace(/-/g, "+").replace(/_/g, "/")));
  return rows.map(([channel, epoch, seq, page]: [string, string, number, string?]) => [
    channel,
    { epoch, seq, ...(page !== undefined && { page }) },
  ]);
}
