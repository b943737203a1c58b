/**
 * The client's one error class and the codes it carries.
 *
 * Here: the codes of the protocol and their HTTP statuses. Not here: who is told.
 */

/** Each code of the protocol's errors and its status; the first of a status stands for it. */
const STATUS = {
  malformed: 400,
  bad_channel: 400,
  bad_cursor: 400,
  unauthenticated: 401,
  not_allowed: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_many: 429,
  internal: 500,
  upstream: 502,
};
const TOO_MANY = 429;

/** What kind of error it is, in the protocol's words. */
export type ErrorCode = keyof typeof STATUS;

/** Anything the client reports: `code` says what kind, `message` what was found and expected. */
export class BellwireError extends Error {
  /** Always the same, as in `String(error)`. */
  override readonly name = "BellwireError";
  /** What kind it is; the message is for people and may change. */
  declare readonly code: ErrorCode;
  /** Whether trying again can help; the client then does so by itself. */
  declare readonly retryable: boolean;
  /** The channel concerned, if it is one channel. */
  declare readonly channel: string | undefined;
  /** How long the server wants to be left alone; 0 when it did not say. */
  declare readonly retryAfterMs: number;

  /** @param retryable what the server said; without its word, 429 and 5xx are worth a try. */
  constructor(
    code: ErrorCode,
    message: string,
    channel?: string,
    retryable = STATUS[code] >= TOO_MANY,
    retryAfterMs = 0,
  ) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.channel = channel;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Return `code` if it is one of the protocol's, else the code for that status [PROTOCOL.md §12]. */
export function codeOf(code: unknown, status: number): ErrorCode {
  const codes = Object.keys(STATUS) as ErrorCode[];
  const known = codes.find((one) => one === code);
  return known ?? codes.find((one) => STATUS[one] === status) ?? "upstream";
}

/** Return an error of the client's; whatever else the page's token function or fetch threw is `upstream`. */
export function asError(cause: unknown): BellwireError {
  if (cause instanceof BellwireError) return cause;
  const message = (cause as Error | undefined)?.message;
  return new BellwireError("upstream", `the page threw: ${message}`);
}

/** Make the error for a value that breaks the protocol: what was found, what was expected. */
export function malformed(found: unknown, expected: string): BellwireError {
  return new BellwireError("malformed", `found ${show(found)}, expected ${expected}`);
}

function show(found: unknown): string {
  return String(JSON.stringify(found)).replace(/(.{80}).+/, "$1…");
}
