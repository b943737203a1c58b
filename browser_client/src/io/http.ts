/**
 * One HTTP exchange with a deadline, and the client's errors for whatever goes wrong with it.
 *
 * Not here: what is asked (config.ts, session.ts, poller.ts, …), when to ask again (protocol/).
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
 * @param bearer sent as Authorization; it is in no error, though a server or browser may quote it.
 * @throws BellwireError `upstream` when no answer came.
 */
export async function exchange(
  url: string,
  init: RequestInit = {},
  bearer: string | null = null,
): Promise<Answer> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const authorization = bearer !== null && { headers: { Authorization: `Bearer ${bearer}` } };
    const response = await fetch(url, { credentials: "omit", ...init, ...authorization, signal });
    const { status, headers } = response;
    const text = await response.text();
    return {
      status,
      headers,
      text: bearer && status !== 200 ? text.replaceAll(bearer, "…") : text,
    };
  } catch (cause) {
    const { name, message } = cause as Error;
    throw new BellwireError("upstream", `${url} gave no answer: ${bearer ? name : message}`);
  }
}

/**
 * Send a request whose answer is to be a JSON object.
 *
 * @throws BellwireError the answer's own; `upstream` when there was none, or none from Bellwire.
 */
export async function fetchObject(
  url: string,
  init?: RequestInit,
  bearer?: string | null,
): Promise<[fields: Record<string, unknown>, headers: Headers]> {
  const answer = await exchange(url, init, bearer);
  if (answer.status !== 200) throw errorOfAnswer(url, answer);
  const fields = parseObjectOrNull(answer.text);
  if (fields) return [fields, answer.headers];
  throw new BellwireError("upstream", `found no JSON object at ${url}; is a proxy in between?`);
}

/** Make the error for an answer that is not 200: the protocol's own, else one for the status. */
export function errorOfAnswer(url: string, { status, headers, text }: Answer): BellwireError {
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
    1000 * (numberIn(headers, "Retry-After") ?? 0),
  );
}

/** Read a header that is a number; other spellings, such as a date, count as not there. */
export function numberIn(headers: Headers, name: string): number | null {
  const text = headers.get(name);
  return text && /^\d+$/.test(text) ? Number(text) : null;
}

/** Return the server's time in ms since the epoch, if it tells: the clock here may be wrong. */
export function serverTimeMs(headers: Headers): number {
  return Date.parse(headers.get("Date") ?? "") || Date.now();
}

/** Parse a JSON object; null when it is none, as from a proxy that answers for the server. */
export function parseObjectOrNull(text: string): Record<string, unknown> | null {
  try {
    return parseObject(text);
  } catch {
    return null;
  }
}

/** Read a text of an object, as `memberIn` does. */
export function textIn(fields: unknown, name: string): string {
  return memberIn(fields, name, "string") as string;
}

/** Read a time of an object, as `memberIn` does. */
export function timeIn(fields: unknown, name: string): number {
  return memberIn(fields, name, "number") as number;
}

/** @throws BellwireError `malformed`, without the value: it may be a secret. */
function memberIn(fields: unknown, name: string, type: string): unknown {
  const value = isObject(fields) ? fields[name] : undefined;
  if (typeof value === type) return value;
  throw new BellwireError("malformed", `found ${typeof value}, expected a ${type} in ${name}`);
}
