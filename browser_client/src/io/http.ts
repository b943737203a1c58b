/**
 * One HTTP exchange with a deadline, and the client's errors for whatever goes wrong with it.
 *
 * Not here: what is asked (poller.ts, credentials.ts), when to ask again (protocol/).
 */
import { BellwireError, type ErrorCode, isErrorCode } from "../protocol/errors.ts";
import { isObject } from "../protocol/updates.ts";

const ANSWER_WITHIN_MS = 10_000;

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "malformed",
  401: "unauthenticated",
  403: "not_allowed",
  404: "not_found",
  409: "conflict",
  413: "too_large",
  429: "too_many",
};

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
  const told = parseObjectOrNull(text)?.["error"];
  if (isObject(told) && isErrorCode(told["code"])) {
    return new BellwireError(told["code"], String(told["message"]));
  }
  const code = CODE_OF_STATUS[status] ?? "upstream";
  return new BellwireError(code, `found status ${status} from ${url}, expected 200`);
}

/** Parse a JSON object; null when it is none, as from a proxy that answers for the server. */
export function parseObjectOrNull(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
