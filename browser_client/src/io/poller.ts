/** Asks `GET /v1/updates`. Not here: when, from which positions, and what the answer means. */
import { decodeAnswer, type PollAnswer } from "../protocol/answers.ts";
import type { BellwireError } from "../protocol/errors.ts";
import type { AnswerArrived, PollFailed } from "../protocol/machine.ts";
import { fetchObject, numberIn } from "./http.ts";

/**
 * Send one poll; every outcome is an event of the connection.
 *
 * @param bearer the session's token; null for what guests may read, which caches share.
 */
export async function poll(
  id: number,
  url: string,
  bearer: string | null,
): Promise<AnswerArrived | PollFailed> {
  try {
    const [fields, headers] = await fetchObject(url, {}, bearer);
    return arrived(id, decodeAnswer(fields), headers);
  } catch (error) {
    return { kind: "PollFailed", id, error: error as BellwireError };
  }
}

function arrived(id: number, answer: PollAnswer, headers: Headers): AnswerArrived {
  const pollAfterMs = numberIn(headers, "Bellwire-Poll-After-Ms") ?? answer.pollAfterMs;
  const maxAge = /(?:^|[\s,])max-age=(\d+)/.exec(headers.get("Cache-Control") ?? "");
  return {
    kind: "AnswerArrived",
    id,
    answer: { ...answer, pollAfterMs },
    maxAgeMs: 1000 * Number(maxAge?.[1] ?? 0),
    ageMs: 1000 * (numberIn(headers, "Age") ?? 0),
  };
}
