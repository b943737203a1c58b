/**
 * The client's one error class and the codes it carries.
 *
 * Here: the codes of the protocol and which of them are worth another try. Not here: who is told.
 */

/** Each code of the protocol's errors, and whether the same request may succeed later. */
const RETRYABLE = {
  malformed: false,
  bad_channel: false,
  bad_cursor: false,
  unauthenticated: false,
  not_allowed: false,
  not_found: false,
  conflict: false,
  too_large: false,
  too_many: true,
  upstream: true,
  internal: true,
} as const;

export type ErrorCode = keyof typeof RETRYABLE;

/** Anything the client reports: `code` says what kind, `message` what was found and expected. */
export class BellwireError extends Error {
  override readonly name = "BellwireError";
  readonly code: ErrorCode;
  /** Whether trying again can help; the client then does so by itself. */
  readonly retryable: boolean;
  /** The channel concerned, if it is one channel. */
  readonly channel: string | undefined;

  constructor(code: ErrorCode, message: string, channel?: string) {
    super(message);
    this.code = code;
    this.retryable = RETRYABLE[code];
    this.channel = channel;
  }
}

/** Tell whether `code` is one of the protocol's. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(RETRYABLE, code);
}

/** Make the error for a value that breaks the protocol: what was found, what was expected. */
export function malformed(found: unknown, expected: string): BellwireError {
  return new BellwireError("malformed", `found ${show(found)}, expected ${expected}`);
}

function show(found: unknown): string {
  const text = JSON.stringify(found) ?? String(found);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
