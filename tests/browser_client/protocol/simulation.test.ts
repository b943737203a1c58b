/**
 * The whole machine against a model of the service, on a road that drops, doubles, reorders,
 * delays and cuts; every history comes from one seed, which a failure prints.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { decodePart } from "../../../browser_client/src/protocol/answers.ts";
import { startConnection, step } from "../../../browser_client/src/protocol/connection.ts";
import { decodeCursor } from "../../../browser_client/src/protocol/cursors.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import type { Connection, Effect, Event } from "../../../browser_client/src/protocol/machine.ts";
import { decodeEnvelope } from "../../../browser_client/src/protocol/updates.ts";
import { Log, type Message } from "./model_log.ts";
import { sessionUntil } from "./rig.ts";

const CHANNEL = "public/a";
const down = new BellwireError("upstream", "down");

/** A small generator of chance (mulberry32), so that a seed replays a history. */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

class World {
  readonly log = new Log();
  readonly events: number[] = [];
  readonly shown = new Map<string, unknown>();
  resets = 0;
  connection: Connection = startConnection(false);
  readonly #chance: () => number;
  readonly #due: { atMs: number; happen: () => void }[] = [];
  #nowMs = 0;
  #timerMs = Number.POSITIVE_INFINITY;
  #isFaulty = true;
  /** Counts sockets, so that what an old one still carries is dropped. */
  #socket = 0;
  #isUp = false;
  #delivering = Number.POSITIVE_INFINITY;

  constructor(seed: number) {
    this.#chance = chanceOf(seed);
    this.#send({ kind: "Started" });
    this.#send({ kind: "ChannelAdded", channel: CHANNEL });
    this.#later(300, () => this.#publish());
    this.#later(5000, () => this.#cut());
  }

  run(faultyMs: number, quietMs: number): void {
    this.#passUntil(faultyMs);
    this.#isFaulty = false;
    this.#passUntil(faultyMs + quietMs);
  }

  #passUntil(endMs: number): void {
    for (;;) {
      this.#due.sort((a, b) => a.atMs - b.atMs);
      const nextMs = Math.min(this.#due[0]?.atMs ?? endMs, this.#timerMs, endMs);
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      if (nextMs >= endMs) return;
      if (this.#timerMs <= nextMs) this.#fire();
      else this.#due.shift()?.happen();
    }
  }

  #fire(): void {
    this.#timerMs = Number.POSITIVE_INFINITY;
    this.#send({ kind: "TimerFired" });
  }

  #later(delayMs: number, happen: () => void): void {
    this.#due.push({ atMs: this.#nowMs + delayMs, happen });
  }

  /** Tell whether a fault of this probability strikes now. */
  #strikes(probability: number): boolean {
    return this.#isFaulty && this.#chance() < probability;
  }

  #delayMs(mostMs: number): number {
    return 1 + this.#chance() * (this.#isFaulty ? mostMs : 50);
  }

  #publish(): void {
    if (!this.#isFaulty) return;
    if (this.#strikes(0.02)) this.log.renewEpoch();
    if (this.#strikes(0.02)) this.log.forget(Math.floor(this.#chance() * 4));
    const count = 1 + Math.floor(this.#chance() * 4);
    for (const message of this.log.publish(count, Math.floor(this.#chance() * 100))) {
      if (!this.#strikes(0.1)) this.#push(message);
      if (this.#strikes(0.1)) this.#push(message);
    }
    this.#later(this.#strikes(0.1) ? 20_000 : this.#delayMs(1500), () => this.#publish());
  }

  #push(message: Message): void {
    const socket = this.#socket;
    const text = JSON.stringify(message);
    this.#later(this.#strikes(0.2) ? this.#delayMs(3000) : 5, () => {
      const envelope = decodeEnvelope(text);
      if (!envelope || socket !== this.#socket || this.#nowMs < this.#delivering) return;
      this.#send({ kind: "EnvelopeArrived", envelope, sizeBytes: text.length });
    });
  }

  #cut(): void {
    if (!this.#isFaulty) return;
    if (this.#isUp) this.#lose();
    this.#later(this.#delayMs(60_000), () => this.#cut());
  }

  #lose(): void {
    this.#closeSocket();
    this.#send({ kind: "Lost" });
  }

  #closeSocket(): void {
    this.#socket++;
    this.#isUp = false;
    this.#delivering = Number.POSITIVE_INFINITY;
  }

  #send(event: Event): void {
    const moment = { nowMs: this.#nowMs, random: this.#chance() };
    const [connection, effects] = step(this.connection, event, moment);
    this.connection = connection;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "StartTimer":
        this.#timerMs = effect.atMs;
        break;
      case "FetchCredentials":
        this.#later(this.#delayMs(2000), () => this.#send(this.#credentials()));
        break;
      case "OpenSocket":
        this.#open();
        break;
      case "CloseSocket":
        this.#closeSocket();
        break;
      case "Subscribe":
        this.#onSocket(this.#delayMs(500), () => this.#suback());
        break;
      case "Ping":
        if (!this.#strikes(0.1)) this.#onSocket(5, () => this.#send({ kind: "Ponged" }));
        break;
      case "Poll":
        this.#poll(effect.id, effect.query);
        break;
      case "Deliver":
        this.#hear(effect);
    }
  }

  #credentials(): Event {
    if (this.#strikes(0.2)) return { kind: "CredentialsFailed", error: down };
    return { kind: "CredentialsArrived", session: sessionUntil(this.#nowMs + 3_600_000) };
  }

  #onSocket(delayMs: number, happen: () => void): void {
    const socket = this.#socket;
    this.#later(delayMs, () => socket === this.#socket && happen());
  }

  #open(): void {
    this.#socket++;
    if (this.#strikes(0.15)) return; // The handshake is never answered.
    this.#onSocket(this.#delayMs(1000), () => {
      if (this.#strikes(0.3)) return this.#lose();
      this.#isUp = true;
      return this.#send({ kind: "Opened" });
    });
  }

  #suback(): void {
    // AWS IoT may begin to deliver some time after SUBACK.
    this.#delivering = this.#nowMs + (this.#isFaulty ? this.#chance() * 3000 : 0);
    this.#send({ kind: "Subscribed", channels: new Map([[CHANNEL, true]]) });
  }

  #poll(id: number, query: string): void {
    const asked = query.startsWith("cursor=")
      ? (decodeCursor(query.slice(7)).get(CHANNEL) ?? null)
      : null;
    const read = () => decodePart(JSON.parse(JSON.stringify(this.log.answer(asked, 1))));
    const early = this.#strikes(0.5) ? read() : null; // Answered now, on its way for a while.
    this.#later(this.#delayMs(3000), () => {
      if (this.#strikes(0.15)) {
        return this.#send({ kind: "PollFailed", id, error: down, retryAfterMs: 0 });
      }
      const channels = new Map([[CHANNEL, early ?? read()]]);
      const answer = { pollAfterMs: 2000, more: false, channels };
      return this.#send({ kind: "AnswerArrived", id, answer, maxAgeMs: 1000, ageMs: 0 });
    });
  }

  #hear({ outputs }: Extract<Effect, { kind: "Deliver" }>): void {
    for (const output of outputs) {
      if (output.kind === "reset") this.resets++;
      if (output.kind !== "update") continue;
      const { op, key, data } = output.update;
      if (op === "event") this.events.push(data as number);
      if (op === "set") this.shown.set(key as string, data);
      if (op === "delete") this.shown.delete(key as string);
    }
  }
}

const HISTORIES = Number(process.env["BELLWIRE_HISTORIES"] ?? 300);

it(
  "loses, doubles and reorders nothing, and is live with the log's state at rest",
  () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World(seed);
        world.run(180_000, 90_000);
        const { log, connection, events, shown, resets } = world;
        const sequence = connection.watches.get(CHANNEL)?.sequence;
        expect(connection.status).toBe("live");
        expect(events).toEqual([...new Set(events)].sort((a, b) => a - b));
        expect(sequence?.position).toEqual(log.tail);
        expect(Object.fromEntries(sequence?.state.map ?? [])).toEqual(log.state());
        expect(Object.fromEntries(shown)).toEqual(log.state());
        if (resets === 0) expect(events).toEqual(log.eventsAfter(events[0]));
      }),
      { numRuns: HISTORIES },
    );
  },
  5000 + HISTORIES * 50,
);
