/**
 * The whole machine against a model of the service, on a road that drops, doubles, reorders,
 * delays and cuts, while users come and go; every history comes from one seed, which a failure
 * prints.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { isPublic } from "../../../browser_client/src/protocol/channels.ts";
import { startConnection, step } from "../../../browser_client/src/protocol/connection.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import type { Connection, Effect, Event } from "../../../browser_client/src/protocol/machine.ts";
import { decodeEnvelope } from "../../../browser_client/src/protocol/updates.ts";
import { chanceOf } from "./chance.ts";
import type { Log, Message } from "./model_log.ts";
import { ALICE, type Bearer, BOB, CHANNELS, GUEST, ModelService } from "./model_service.ts";
import { HOUR_MS, sessionFor } from "./rig.ts";

const down = new BellwireError("upstream", "down");
const expired = new BellwireError("unauthenticated", "revoked");

/** What the application was told of one channel since its present user came. */
class Told {
  readonly events: number[] = [];
  readonly shown = new Map<string, unknown>();
  resets = 0;

  /** @param log the one that the application's user may read. */
  hear({ outputs }: Extract<Effect, { kind: "Deliver" }>, log: Log | undefined): void {
    for (const output of outputs) {
      if (output.kind === "reset") this.resets++;
      if (output.kind !== "update") continue;
      const { op, key, data } = output.update;
      if (op !== "delete") expect(log?.has(data as number)).toBe(true);
      if (op === "event") this.events.push(data as number);
      if (op === "set") this.shown.set(key as string, data);
      if (op === "delete") this.shown.delete(key as string);
    }
  }
}

class World {
  readonly service = new ModelService();
  readonly told = new Map(CHANNELS.map((channel) => [channel, new Told()]));
  connection: Connection = startConnection("none");
  /** Whose data the application may see. */
  identityId = GUEST;
  readonly #chance: () => number;
  readonly #due: { atMs: number; happen: () => void }[] = [];
  /** The session as the shell keeps it. */
  #bearer: Bearer | null = null;
  #nowMs = 0;
  #timerMs = Number.POSITIVE_INFINITY;
  #isFaulty = true;
  /** Counts sockets, so that what an old one still carries is dropped. */
  #socket = 0;
  #isUp = false;
  #owner = GUEST;
  #topics = new Set<string>();
  #delivering = Number.POSITIVE_INFINITY;

  constructor(seed: number) {
    this.#chance = chanceOf(seed);
    this.#send({ kind: "Started" });
    for (const channel of CHANNELS) this.#send({ kind: "ChannelAdded", channel });
    this.#later(300, () => this.#publish());
    this.#later(5000, () => this.#cut());
    this.#later(this.#delayMs(20_000), () => this.#change());
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

  #pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[Math.floor(this.#chance() * choices.length)] as Choice;
  }

  #publish(): void {
    if (!this.#isFaulty) return;
    const log: Log = this.#pick(this.service.logs);
    if (this.#strikes(0.02)) log.renewEpoch();
    if (this.#strikes(0.02)) log.forget(Math.floor(this.#chance() * 4));
    const count = 1 + Math.floor(this.#chance() * 4);
    for (const message of log.publish(count, Math.floor(this.#chance() * 100))) {
      if (!this.#strikes(0.1)) this.#push(message);
      if (this.#strikes(0.1)) this.#push(message);
    }
    this.#later(this.#strikes(0.05) ? 20_000 : this.#delayMs(500), () => this.#publish());
  }

  #push(message: Message): void {
    const socket = this.#socket;
    const text = JSON.stringify(message);
    if (!this.#topics.has(message["c"] as string)) return;
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

  /** Somebody logs in or out. */
  #change(): void {
    if (!this.#isFaulty) return;
    this.identityId = this.#pick([GUEST, ALICE, BOB]);
    const token = this.identityId === GUEST ? "none" : this.#pick(["fixed", "renewable"] as const);
    this.#bearer = null;
    this.#send({ kind: "LoginChanged", token });
    this.#checkNothingIsLeft();
    this.#later(this.#delayMs(60_000), () => this.#change());
  }

  #checkNothingIsLeft(): void {
    for (const channel of CHANNELS.filter((one) => !isPublic(one))) {
      expect([...(this.told.get(channel) as Told).shown]).toEqual([]);
      this.told.set(channel, new Told());
    }
  }

  #lose(): void {
    this.#closeSocket();
    this.#send({ kind: "Lost" });
  }

  #closeSocket(): void {
    this.#socket++;
    this.#isUp = false;
    this.#topics.clear();
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
        this.#fetchCredentials(effect.login);
        break;
      case "OpenSocket":
        this.#open();
        break;
      case "CloseSocket":
        this.#closeSocket();
        break;
      case "Subscribe":
        this.#onSocket(this.#delayMs(500), () => this.#suback(effect.channels));
        break;
      case "Ping":
        if (!this.#strikes(0.1)) this.#onSocket(5, () => this.#send({ kind: "Ponged" }));
        break;
      case "Poll":
        this.#poll(effect);
        break;
      case "Deliver":
        this.#hear(effect);
    }
  }

  #fetchCredentials(login: number): void {
    const { identityId } = this;
    this.#later(this.#delayMs(2000), () => {
      if (this.#strikes(0.2)) this.#send({ kind: "CredentialsFailed", login, error: down });
      else this.#takeSession(login, identityId);
    });
  }

  #takeSession(login: number, identityId: string): void {
    // Now and then the application's own login has become another user's without a word.
    const isOther = identityId !== GUEST && this.#strikes(0.1);
    const owner = isOther ? this.#pick([ALICE, BOB]) : identityId;
    const lifetimeMs = this.#isFaulty ? this.#delayMs(60_000) : HOUR_MS;
    const before = this.identityId;
    if (login === this.connection.login.number) {
      this.identityId = owner;
      this.#bearer = { identityId: owner, endsMs: this.#nowMs + lifetimeMs };
    }
    this.#send({ kind: "CredentialsArrived", login, session: sessionFor(lifetimeMs, owner) });
    if (before !== this.identityId) this.#checkNothingIsLeft();
  }

  #onSocket(delayMs: number, happen: () => void): void {
    const socket = this.#socket;
    this.#later(delayMs, () => socket === this.#socket && happen());
  }

  #open(): void {
    this.#socket++;
    this.#owner = this.#bearer?.identityId ?? GUEST;
    if (this.#strikes(0.15)) return; // The handshake is never answered.
    this.#onSocket(this.#delayMs(1000), () => {
      if (this.#strikes(0.3)) return this.#lose();
      this.#isUp = true;
      return this.#send({ kind: "Opened" });
    });
  }

  #suback(channels: readonly string[]): void {
    // AWS IoT may begin to deliver some time after SUBACK.
    this.#delivering = this.#nowMs + (this.#isFaulty ? this.#chance() * 3000 : 0);
    const granted = channels.map((channel) => {
      const isGranted = !!this.service.logOf(channel, this.#owner) && !this.#strikes(0.05);
      if (isGranted) this.#topics.add(channel);
      return [channel, isGranted] as const;
    });
    this.#send({ kind: "Subscribed", channels: new Map(granted) });
  }

  #poll({ id, needsToken, query }: Extract<Effect, { kind: "Poll" }>): void {
    const bearer = needsToken ? this.#bearer : null;
    const sentMs = this.#nowMs;
    const read = () => this.#answer(id, query, bearer, sentMs);
    const early = this.#strikes(0.5) ? read() : null; // Answered now, on its way for a while.
    this.#later(this.#delayMs(3000), () => {
      if (this.#strikes(0.15)) this.#send({ kind: "PollFailed", id, error: down });
      else this.#send(early ?? read());
    });
  }

  #answer(id: number, query: string, bearer: Bearer | null, sentMs: number): Event {
    try {
      if (bearer && this.#strikes(0.05)) throw expired;
      const answer = this.service.answer(query, bearer, sentMs);
      return { kind: "AnswerArrived", id, answer, maxAgeMs: 1000, ageMs: 0 };
    } catch (error) {
      return { kind: "PollFailed", id, error: error as BellwireError };
    }
  }

  #hear(effect: Extract<Effect, { kind: "Deliver" }>): void {
    const { channel } = effect;
    this.told.get(channel)?.hear(effect, this.service.logOf(channel, this.identityId));
  }
}

const HISTORIES = Number(process.env["BELLWIRE_HISTORIES"] ?? 300);

it(
  "loses, doubles and reorders nothing, shows nobody another's, and at rest is live and whole",
  () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World(seed);
        world.run(180_000, 120_000);
        expect(world.connection.status).toBe("live");
        for (const channel of CHANNELS) checkAtRest(world, channel);
      }),
      { numRuns: HISTORIES },
    );
  },
  5000 + HISTORIES * 50,
);

function checkAtRest({ service, identityId, connection, told }: World, channel: string): void {
  const watch = connection.watches.get(channel);
  const { events, shown, resets } = told.get(channel) as Told;
  const log = service.logOf(channel, identityId);
  expect(watch?.isRefused).toBe(log === undefined);
  expect(events).toEqual([...new Set(events)].sort((a, b) => a - b));
  expect(Object.fromEntries(shown)).toEqual(log?.state() ?? {});
  expect(Object.fromEntries(watch?.sequence.state.map ?? [])).toEqual(log?.state() ?? {});
  expect(watch?.sequence.position ?? null).toEqual(log?.tail ?? null);
  if (resets === 0) expect(events).toEqual(log?.eventsAfter(events[0]) ?? []);
}
