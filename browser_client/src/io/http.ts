/**
 * One HTTP exchange with a deadline, and the client's errors for whatever goes wrong with it.
 *
 * Not here: what is asked (config.ts, session.ts, poller.ts, …), when to ask again (protocol/).
 */
import { BellwireError, codeOf, malformed } from "../protocol/errors.ts";
import { isObject, NOTHING, parseObject } from "../protocol/updates.ts";

const ANSWER_WITHIN_MS = 10_000;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Its JSON object; null when there is none, as from a proxy that answers for the server. */
  readonly fields: Record<string, unknown> | null;
}

/**
 * Send a request whose answer is to be a JSON object.
 *
 * @param bearer sent as Authorization; it is in no error, though a server or browser may quote it.
 * @param toError makes the error of an answer that is none.
 * @throws BellwireError `upstream` when no answer came; else what `toError` makes.
 */
export async function fetchObject(
  url: string,
  init: RequestInit = {},
  bearer: string | null = null,
  toError: (what: string, answer: Answer) => BellwireError = errorOfAnswer,
): Promise<[fields: Record<string, unknown>, headers: Headers]> {
  const [{ status, headers }, text] = await exchange(url, init, bearer);
  const isGood = status === 200;
  const fields = parseObject(bearer && !isGood ? text.replaceAll(bearer, "…") : text);
  if (isGood && fields) return [fields, headers];
  throw toError(url, { status, headers, fields });
}

async function exchange(
  url: string,
  init: RequestInit,
  bearer: string | null,
): Promise<[Response, text: string]> {
  try {
    const authorization = bearer !== null && { headers: { Authorization: `Bearer ${bearer}` } };
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch(url, { credentials: "omit", ...init, ...authorization, signal });
    return [response, await response.text()];
  } catch (cause) {
    const { name, message } = cause as Error;
    throw new BellwireError("upstream", `${url} gave no answer: ${bearer ? name : message}`);
  }
}

/** Make the error for an answer that is not 200: the protocol's own, else one for the status. */
export function errorOfAnswer(url: string, { status, headers, fields }: Answer): BellwireError {
  const error = fields?.["error"];
  const { code, message, channel, retryable } = isObject(error) ? error : NOTHING;
  // A proxy or a login page between here and the server refuses too, and not for good.
  const isStranger = !isObject(error) && (status === 401 || status === 403);
  return new BellwireError(
    codeOf(code, status),
    String(message ?? `found ${status} from ${url}, expected a JSON object`),
    channel as string | undefined,
    (retryable as boolean | undefined) ?? (isStranger || undefined),
    1000 * numberIn(headers, "Retry-After"),
  );
}

/** Read the number in a header; 0 without one, or with another spelling, such as a date. */
export function numberIn(headers: Headers, name: string, pattern = /^(\d+)$/): number {
  return Number(pattern.exec(headers.get(name) ?? "")?.[1] ?? 0);
}

/** Tell how long what ends then holds, by the clock of the server, and how far that runs ahead. */
export function timesOf(endsMs: number, headers: Headers): { lifetimeMs: number; skewMs: number } {
  const nowMs = Date.now();
  const skewMs = (Date.parse(headers.get("Date") ?? "") || nowMs) - nowMs;
  return { lifetimeMs: endsMs - nowMs - skewMs, skewMs };
}

/**
 * Read a member of an object.
 *
 * @throws BellwireError `malformed` when it is of another type; without the value, as it may be a
 * secret.
 */
export function memberIn(fields: unknown, name: string): string;
export function memberIn(fields: unknown, name: string, type: "number"): number;
export function memberIn(fields: unknown, name: string, type = "string"): unknown {
  const value = isObject(fields) ? fields[name] : undefined;
  if (typeof value === type) return value;
  throw malformed(typeof value, `a ${type} in ${name}`);
}
