/** Asks `GET /v1/updates`. Not here: when, from which positions, and what the answer means. */
import { decodeAnswer } from "../protocol/answers.ts";
import type { BellwireError } from "../protocol/errors.ts";
import type { AnswerArrived, PollFailed } from "../protocol/machine.ts";
import { type Answer, errorOfAnswer, exchange } from "./http.ts";

/**
 * Send one poll; every outcome is an event of the connection.
 *
 * @param token sent as bearer, for private channels only: public answers are shared by caches.
 */
export async function poll(
  id: number,
  url: string,
  token: string | undefined,
): Promise<AnswerArrived | PollFailed> {
  try {
    const headers: HeadersInit = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await exchange(url, { headers });
    return answer.status === 200 ? arrived(id, answer) : failed(id, url, answer);
  } catch (error) {
    return { kind: "PollFailed", id, error: error as BellwireError, retryAfterMs: 0 };
  }
}

function arrived(id: number, { headers, text }: Answer): AnswerArrived {
  const answer = decodeAnswer(text);
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

function failed(id: number, url: string, answer: Answer): PollFailed {
  const retryAfterMs = 1000 * (numberIn(answer.headers, "Retry-After") ?? 0);
  return { kind: "PollFailed", id, error: errorOfAnswer(url, answer), retryAfterMs };
}

/** Read a header that is a number; other spellings, such as a date, count as not there. */
function numberIn(headers: Headers, name: string): number | null {
  const text = headers.get(name);
  return text && /^\d+$/.test(text) ? Number(text) : null;
}
