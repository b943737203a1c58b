/** A browser whose clock, chance and network are the test's: timers fire when time is passed. */
import type { Feed, Options } from "./script.ts";
import { load, SOURCE } from "./script.ts";

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless it is a text. */
  readonly body: unknown;
}

/** One request that the script made; the test answers it, as often and as late as it likes. */
export class Request {
  onreadystatechange: (() => void) | null = null;
  readyState = 0;
  status = 0;
  responseText = "";
  isAborted = false;
  method = "";
  url = "";
  body: string | null = null;
  readonly sent: Record<string, string> = {};
  #headers: Readonly<Record<string, string>> = {};

  constructor(readonly browser: OldBrowser) {}

  open(method: string, url: string): void {
    Object.assign(this, { method, url, readyState: 1 });
  }

  setRequestHeader(name: string, value: string): void {
    this.sent[name] = value;
  }

  send(body: string | null): void {
    this.body = body;
    this.browser.requests.push(this);
    this.browser.onRequest(this);
  }

  abort(): void {
    this.isAborted = true;
  }

  getResponseHeader(name: string): string | null {
    return this.#headers[name] ?? null;
  }

  /** Old browsers may say so twice, and after an abort: whoever calls this decides. */
  answer({ status = 200, headers = {}, body }: Reply): void {
    this.#headers = headers;
    this.responseText = typeof body === "string" ? body : JSON.stringify(body);
    this.#finish(status);
  }

  /** No answer: the network failed. */
  fail(): void {
    this.responseText = "";
    this.#finish(0);
  }

  #finish(status: number): void {
    this.readyState = 4;
    this.status = status;
    this.onreadystatechange?.();
  }

  /** What stands behind the `?`, by name. */
  get query(): Record<string, string> {
    return Object.fromEntries(new URL(this.url, "http://old.example").searchParams);
  }
}

interface Timer {
  readonly atMs: number;
  readonly act: () => void;
}

export class OldBrowser {
  nowMs = 1_000_000;
  random: () => number = () => 0.5;
  /** Requests since the last `take`. */
  readonly requests: Request[] = [];
  /** What reached the window's onerror; null where nothing is to reach it. */
  thrown: unknown[] | null = null;
  onRequest: (request: Request) => void = () => undefined;
  readonly #timers = new Map<number, Timer>();
  #nextTimer = 1;

  /** Start the script with these options. */
  start(options: Options, file = SOURCE): Feed {
    const browser = this;
    const globals = {
      XMLHttpRequest: function make() {
        return new Request(browser);
      },
      setTimeout: (act: () => void, delayMs: number) => this.later(delayMs, act),
      clearTimeout: (id: number) => this.#timers.delete(id),
      nowMs: () => this.nowMs,
      random: () => this.random(),
    };
    const prelude = "Date.now = nowMs; Math.random = random;";
    return load(globals, prelude, file).start(options);
  }

  /** Plan something of the test's own, or a timer of the script; return its id. */
  later(delayMs: number, act: () => void): number {
    const id = this.#nextTimer++;
    this.#timers.set(id, { atMs: this.nowMs + delayMs, act });
    return id;
  }

  /** How many timers there are. */
  get timers(): number {
    return this.#timers.size;
  }

  /** When the next timer fires, in ms from now; null without one. */
  get nextTimerMs(): number | null {
    const [, timer] = this.#next() ?? [];
    return timer ? timer.atMs - this.nowMs : null;
  }

  /** Let time pass; every timer on the way fires at its time. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let next = this.#next(); next && next[1].atMs <= endMs; next = this.#next()) {
      const [id, { atMs, act }] = next;
      this.#timers.delete(id);
      this.nowMs = Math.max(this.nowMs, atMs);
      try {
        act();
      } catch (error) {
        if (!this.thrown) throw error;
        this.thrown.push(error);
      }
    }
    this.nowMs = endMs;
  }

  #next(): [id: number, timer: Timer] | undefined {
    return [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs)[0];
  }

  /** Return the requests since the last time and forget them. */
  take(): Request[] {
    return this.requests.splice(0);
  }

  /** Let the timers of this moment fire; return the one request that was made. */
  request(): Request {
    this.pass(0);
    const [request, ...others] = this.take();
    if (!request || others.length > 0) {
      throw new Error(`found ${others.length + (request ? 1 : 0)} requests, expected 1`);
    }
    return request;
  }
}
