/** A small model of the service: the logs of its channels, who may read them, and sessions. */

import type { PollAnswer } from "../../../browser_client/src/protocol/answers.ts";
import { decodePart } from "../../../browser_client/src/protocol/answers.ts";
import { nameInFull } from "../../../browser_client/src/protocol/channels.ts";
import { decodeCursor, type Place } from "../../../browser_client/src/protocol/cursors.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import { Log } from "./model_log.ts";

export const GUEST = "us-east-1:guest";
export const ALICE = "us-east-1:alice";
export const BOB = "us-east-1:bob";
const MEMBERS: readonly string[] = [ALICE, BOB];

/** As a client names them. */
export const CHANNELS = ["public/a", "user/me/a", "group/red/a"];
const IN_FULL = ["public/a", `user/${ALICE}/a`, `user/${BOB}/a`, "group/red/a"];
/** More than one log ever holds, so that the data tell whose they are. */
const APART = 1_000_000;

/** What a session's token says. */
export interface Bearer {
  readonly identityId: string;
  readonly endsMs: number;
}

export class ModelService {
  readonly logs = IN_FULL.map((name, index) => new Log(name, index * APART));

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
  answer(query: string, bearer: Bearer | null, nowMs: number): PollAnswer {
    if (bearer && bearer.endsMs <= nowMs) throw new BellwireError("unauthenticated", "expired");
    const parts = [...askedBy(query)].map(([channel, place]) => {
      const log = this.logOf(channel, bearer?.identityId ?? GUEST);
      if (!log) throw new BellwireError("not_allowed", "not yours", channel);
      const part = JSON.stringify(log.answer(place, 1));
      return [channel, decodePart(JSON.parse(part))] as const;
    });
    return { pollAfterMs: 2000, more: false, channels: new Map(parts) };
  }
}

/** Read `cursor=…` or `channels=…`. */
function askedBy(query: string): Map<string, Place | null> {
  const [kind, value = ""] = query.split("=");
  if (kind === "cursor") return decodeCursor(value);
  return new Map(value.split(",").map((name) => [decodeURIComponent(name), null]));
}
