/** Asks `GET /v1/updates`. Not here: when, from which positions, and what the answer means. */
import { decodeAnswer } from "../protocol/answers.ts";
import { asError } from "../protocol/errors.ts";
import type { AnswerArrived, Effect, PollFailed } from "../protocol/machine.ts";
import { fetchObject, numberIn } from "./http.ts";

type Poll = Pick<Extract<Effect, { kind: "Poll" }>, "id" | "query">;

/**
 * Send one poll; every outcome is an event of the connection.
 *
 * @param url the API's prefix, such as `/v1`.
 * @param bearer the session's token; null for what guests may read, which caches share.
 */
export async function poll(
  { id, query }: Poll,
  url: string,
  bearer: string | null,
): Promise<AnswerArrived | PollFailed> {
  try {
    // As many as there may be, so that what was missed comes in one answer.
    const [fields, headers] = await fetchObject(`${url}/updates?${query}&limit=1000`, {}, bearer);
    return {
      kind: "AnswerArrived",
      id,
      answer: decodeAnswer(fields, numberIn(headers, "Bellwire-Poll-After-Ms")),
      maxAgeMs: 1000 * numberIn(headers, "Cache-Control", /max-age=(\d+)/),
      ageMs: 1000 * numberIn(headers, "Age"),
    };
  } catch (cause) {
    return { kind: "PollFailed", id, error: asError(cause) };
  }
}
