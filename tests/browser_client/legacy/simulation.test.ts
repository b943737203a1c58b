/**
 * The script for old browsers against a model of the service, on a road that loses, doubles and
 * delays answers, while sessions end and the log forgets; a failure prints the history's seed.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  decodeCursor,
  encodeCursor,
  type Place,
} from "../../../browser_client/src/protocol/cursors.ts";
import type { Log } from "../protocol/model_log.ts";
import { Chance } from "../simulation/chance.ts";
import { ALICE, CHANNELS, ModelService } from "../simulation/service.ts";
import { answer, refusal } from "./feed.ts";
import { OldBrowser, type Reply, type Request } from "./old_browser.ts";
import type { Told } from "./script.ts";

/** A channel's part of an answer, as it is sent. */
interface Part {
  e: string;
  f: number;
  l: number;
  recovered: boolean;
  u: { s: number }[];
  next?: string;
}

/** What the application was told of one channel. */
class Heard {
  /** The events between two resets each. */
  readonly runs: number[][] = [[]];
  readonly shown = new Map<string, unknown>();

  constructor(readonly log: Log) {}

  update({ op, key, data }: Told): void {
    if (op !== "delete") expect(this.log.has(data as number)).toBe(true);
    if (op === "event") this.runs.at(-1)?.push(data as number);
    if (op === "set") this.shown.set(key as string, data);
    if (op === "delete") this.shown.delete(key as string);
  }

  state(state: object): void {
    expect({ ...state }).toEqual(Object.fromEntries(this.shown));
  }

  reset(): void {
    this.runs.push([]);
  }

  /** Once and in order all in all; between resets without a hole; and at the end all of it. */
  checkAtRest(): void {
    const events = this.runs.flat();
    expect(events).toEqual([...new Set(events)].sort((a, b) => a - b));
    for (const run of this.runs) {
      expect(run).toEqual(this.log.eventsAfter(run[0]).slice(0, run.length));
    }
    const last = this.runs.at(-1) as number[];
    expect(last).toEqual(this.log.eventsAfter(last[0]));
    expect(Object.fromEntries(this.shown)).toEqual(this.log.state());
  }
}

class World {
  readonly heard: Map<string, Heard>;
  readonly #service = new ModelService(0);
  readonly #browser = new OldBrowser();
  readonly #chance: () => number;
  #isFaulty = true;
  status = "";
  /** When each session ends. */
  readonly #sessions: number[] = [];
  /** Answers that a cache on the way has kept, by URL, longer than it was told to. */
  readonly #cached = new Map<string, Reply>();

  constructor(seed: number) {
    const chance = new Chance(seed);
    this.#chance = () => chance.next();
    this.heard = new Map(CHANNELS.map((name) => [name, new Heard(this.#logOf(name))]));
    this.#browser.random = this.#chance;
    this.#browser.onRequest = (request) => this.#carry(request);
    this.#browser.later(300, () => this.#publish());
    this.#browser.start({
      url: "/v1",
      channels: [...CHANNELS],
      rewind: Math.floor(this.#chance() * 3),
      token: (done) => this.#browser.later(this.#delayMs(500), () => done("login")),
      onUpdate: (update) => this.#heardOf(update.channel).update(update),
      onState: (channel, state) => this.#heardOf(channel).state(state),
      onReset: (channel) => this.#heardOf(channel).reset(),
      onError: (error) => expect(error).toMatchObject({ retryable: true }),
      onStatus: (status) => {
        this.status = status;
      },
    });
  }

  run(faultyMs: number, quietMs: number): void {
    this.#browser.pass(faultyMs);
    this.#isFaulty = false;
    this.#browser.pass(quietMs);
  }

  #heardOf(channel: string): Heard {
    return this.heard.get(channel) as Heard;
  }

  #logOf(channel: string): Log {
    return this.#service.logOf(channel, ALICE) as Log;
  }

  #strikes(probability: number): boolean {
    return this.#isFaulty && this.#chance() < probability;
  }

  #delayMs(mostMs: number): number {
    return 1 + this.#chance() * (this.#isFaulty ? mostMs : 50);
  }

  #publish(): void {
    if (!this.#isFaulty) return;
    const log = this.#logOf(CHANNELS[Math.floor(this.#chance() * CHANNELS.length)] as string);
    if (this.#strikes(0.03)) log.renewEpoch();
    if (this.#strikes(0.03)) log.forget(Math.floor(this.#chance() * 4));
    log.publish(1 + Math.floor(this.#chance() * 4), Math.floor(this.#chance() * 100));
    this.#browser.later(this.#delayMs(800), () => this.#publish());
  }

  /** Answer a request, or not; answers may be of when it was sent, late, doubled or none. */
  #carry(request: Request): void {
    if (this.#strikes(0.05)) return;
    const early = this.#strikes(0.5) ? this.#reply(request) : null;
    const delayMs = this.#strikes(0.05) ? this.#delayMs(15_000) : this.#delayMs(1500);
    this.#browser.later(delayMs, () => {
      if (this.#strikes(0.1)) return request.fail();
      request.answer(early ?? this.#reply(request));
      return this.#strikes(0.1) ? request.answer(this.#reply(request)) : undefined;
    });
  }

  #reply(request: Request): Reply {
    if (this.#strikes(0.03)) return { status: 502, body: "" };
    if (this.#strikes(0.03)) return refusal(429, "too_many", { retryable: true });
    if (request.method === "POST") return this.#openSession();
    const { cursor, channels = "", rewind = "0" } = request.query;
    const places = cursor ? decodeCursor(cursor) : namesOf(channels);
    if (this.#isRefused(request, [...places.keys()])) return refusal(401, "unauthenticated");
    const cached = this.#cached.get(request.url);
    if (cached && this.#strikes(0.5)) return cached;
    const fresh = this.#answer(places, Number(rewind));
    this.#cached.set(request.url, fresh);
    return fresh;
  }

  #openSession(): Reply {
    const { nowMs } = this.#browser;
    // Longer than two answers take, or the second refusal in a row would be for good.
    const lifetimeMs = 30_000 + this.#delayMs(60_000);
    const token = `session ${this.#sessions.push(nowMs + lifetimeMs) - 1}`;
    const headers = { Date: new Date(nowMs).toUTCString() };
    return { headers, body: { token, expires_at: nowMs + lifetimeMs } };
  }

  #isRefused({ sent }: Request, names: string[]): boolean {
    const { Authorization: bearer } = sent;
    if (names.every((name) => name.startsWith("public/"))) {
      expect(bearer).toBe(undefined);
      return false;
    }
    const endsMs = this.#sessions[Number(bearer?.replace("Bearer session ", ""))];
    return endsMs === undefined || endsMs <= this.#browser.nowMs;
  }

  #answer(places: Map<string, Place | null>, rewind: number): Reply {
    const parts = [...places].map(([name, place]) => {
      const whole = this.#logOf(name).answer(place, 2, 0, 1000, rewind) as Part;
      return [name, this.#strikes(0.3) ? shorten(whole) : whole] as const;
    });
    const next = parts.map(
      ([name, { e: epoch, l: seq, next: page }]) =>
        [name, { epoch, seq, page: page ?? null }] as const,
    );
    const more = parts.some(([, part]) => part.next !== undefined);
    const body = answer(
      Object.fromEntries(parts.map(([name, part]) => [name, { ...part }])),
      encodeCursor(new Map(next)),
      more,
    );
    return { body: JSON.stringify(body) };
  }
}

function namesOf(channels: string): Map<string, null> {
  return new Map(channels.split(",").map((name) => [name, null]));
}

/** As where the answer is full: only the first of the updates. */
function shorten(part: Part): Part {
  const [first, ...others] = part.u;
  if (!part.recovered || !first || others.length === 0) return part;
  return { ...part, l: first.s, u: [first] };
}

const HISTORIES = Number(process.env["BELLWIRE_HISTORIES"] ?? 300);

it(
  "loses, doubles and reorders nothing without a reset, and at rest is whole",
  () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World(seed);
        world.run(180_000, 120_000);
        expect(world.status).toBe("polling");
        for (const heard of world.heard.values()) heard.checkAtRest();
      }),
      { numRuns: HISTORIES },
    );
  },
  5000 + HISTORIES * 50,
);
