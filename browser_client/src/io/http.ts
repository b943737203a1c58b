/**
 * One HTTP exchange with a deadline, and the client's errors for whatever goes wrong with it.
 *
 * Not here: what is asked (poller.ts, credentials.ts), when to ask again (protocol/).
 */
import { BellwireError, codeOf } from "../protocol/errors.ts";
import { isObject, parseObject } from "../protocol/updates.ts";

const ANSWER_WITHIN_MS = 10_000;
const NOBODY: Record<string, unknown> = {};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * Send a request and read the whole answer, whatever its status.
 *
 * @throws BellwireError `upstream` when no answer came.
 */
export async function exchange(url: string, init: RequestInit = {}): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch(url, { credentials: "omit", ...init, signal });
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (cause) {
    throw new BellwireError("upstream", `${url} gave no answer: ${(cause as Error).message}`);
  }
}

/** Make the error for an answer that is not 200: the protocol's own, else one for the status. */
export function errorOfAnswer(url: string, { status, text }: Answer): BellwireError {
  const body = parseObjectOrNull(text)?.["error"];
  const told = isObject(body) ? body : NOBODY;
  const { code, message = `found status ${status} from ${url}, expected 200`, channel } = told;
  // A proxy or a login page between here and the server refuses too, and not for good.
  const isStranger = told === NOBODY && (status === 401 || status === 403);
  const retryable = isStranger || told["retryable"];
  return new BellwireError(
    codeOf(code, status),
    String(message),
    typeof channel === "string" ? channel : undefined,
    typeof retryable === "boolean" ? retryable : undefined,
  );
}

/** Parse a JSON object; null when it is none, as from a proxy that answers for the server. */
export function parseObjectOrNull(text: string): Record<string, unknown> | null {
  try {
    return parseObject(text);
  } catch {
    return null;
  }
}
