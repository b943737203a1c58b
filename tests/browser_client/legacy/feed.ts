/** A feed in an old browser of the test's own, and whatever it tells. */
import { decodeCursor } from "../../../browser_client/src/protocol/cursors.ts";
import { OldBrowser, type Reply, type Request } from "./old_browser.ts";
import type { Feed, Options, PollError, Told } from "./script.ts";

export const EPOCH = "k3f9x0ab";
export const HOUR_MS = 3_600_000;

export type Part = Readonly<Record<string, unknown>>;

/** A channel's part of an answer: events `after`+1 … `last`, or these updates. */
export function run(after: number, last: number, u: object[] = events(after, last)): Part {
  return { e: EPOCH, f: after, l: last, recovered: true, u };
}

/** A channel's part that is the whole state at `last`. */
export function whole(last: number, state: object = {}, more: object = {}): Part {
  return { e: EPOCH, f: last, l: last, recovered: false, state, u: [], ...more };
}

export function events(after: number, last: number): object[] {
  return Array.from({ length: last - after }, (_, n) => event(after + n + 1));
}

export function event(s: number): object {
  return { s, t: 0, o: "event", d: s };
}

export function set(s: number, k: string, d: unknown): object {
  return { s, t: 0, o: "set", k, d };
}

/** The body of an answer that names its cursor. */
export function answer(channels: Readonly<Record<string, Part>>, cursor: string, more = false) {
  return { v: 1, cursor, poll_after_ms: 2000, more, channels };
}

export function refusal(status: number, code: string, fields: object = {}): Reply {
  const message = `found something, expected no ${code}`;
  return { status, body: { error: { code, message, retryable: false, ...fields } } };
}

/** A session that lasts so long by the server's clock, which is far from the browser's. */
export function session(token = "bearer", lifetimeMs = HOUR_MS): Reply {
  const headers = { Date: "Sat, 28 Nov 2026 12:00:00 GMT" };
  const expires_at = Date.parse(headers.Date) + lifetimeMs;
  return { headers, body: { identity_id: "us-east-1:alice", token, expires_at, groups: [] } };
}

/** The rows of the cursor that a request has. */
export function placesOf(request: Request): unknown {
  return Object.fromEntries(decodeCursor(request.query["cursor"] as string));
}

export function bearerOf(request: Request): string | undefined {
  return request.sent["Authorization"];
}

export class TestedFeed {
  readonly browser = new OldBrowser();
  /** `[seq, op, key, data]` of each update, `"reset"` and each state, in their order. */
  readonly told: unknown[] = [];
  readonly updates: Told[] = [];
  readonly errors: PollError[] = [];
  readonly statuses: string[] = [];
  readonly feed: Feed;

  constructor(options: Partial<Options> = {}) {
    this.feed = this.browser.start({
      url: "/v1",
      channels: ["public/a"],
      onUpdate: (update) => {
        const { seq, op, key, data } = update;
        this.updates.push(update);
        this.told.push([
          seq,
          op,
          ...(key === undefined ? [] : [key]),
          ...(op === "delete" ? [] : [data]),
        ]);
      },
      onState: (_, state) => this.told.push({ ...state }),
      onReset: () => this.told.push("reset"),
      onError: (error) => this.errors.push(error),
      onStatus: (status) => this.statuses.push(status),
      ...options,
    });
  }

  /** Answer the request that is made now, or after so long. */
  answer(channels: Readonly<Record<string, Part>>, cursor = "c", afterMs = 0): Request {
    return this.reply({ body: answer(channels, cursor) }, afterMs);
  }

  reply(reply: Reply, afterMs = 0): Request {
    this.browser.pass(afterMs);
    const request = this.browser.request();
    request.answer(reply);
    return request;
  }

  /** What was told since the last time. */
  news(): unknown[] {
    return this.told.splice(0);
  }
}
