/** The script for old browsers, run in a global scope that has only what is given. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";

const folder = join(import.meta.dirname, "../../../browser_client");
/** As it is written, and as the build makes it smaller. */
export const SOURCE = join(folder, "legacy/bellwire-poll.js");
export const SHIPPED = join(folder, "dist/bellwire-poll.js");

export interface Told {
  readonly channel: string;
  readonly epoch: string;
  readonly seq: number;
  readonly op: "event" | "set" | "delete";
  readonly key?: string;
  readonly data?: unknown;
  readonly at?: number;
  readonly id?: string;
}

export interface PollError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly channel?: string;
}

export interface Options {
  url: string;
  channels: string[];
  rewind?: number;
  token?: string | ((done: (token?: string) => void) => void);
  onUpdate?: (update: Told) => void;
  onState?: (channel: string, state: Readonly<Record<string, unknown>>) => void;
  onReset?: (channel: string) => void;
  onError?: (error: PollError) => void;
  onStatus?: (status: string) => void;
}

export interface Feed {
  stop(): void;
}

export interface BellwirePoll {
  start(options: Options): Feed;
}

/**
 * Run the script in a global scope of its own.
 *
 * @param globals what the browser has: `XMLHttpRequest`, `setTimeout`, `clearTimeout`.
 * @param prelude run before it, such as what takes away or replaces a part of the language.
 */
export function load(globals: object, prelude = "", file = SOURCE): BellwirePoll {
  const scope = createContext({ ...globals });
  runInContext(prelude, scope);
  runInContext(readFileSync(file, "utf8"), scope, { filename: file });
  return runInContext("BellwirePoll", scope) as BellwirePoll;
}
