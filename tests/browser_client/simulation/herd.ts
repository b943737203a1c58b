/**
 * A herd: many machines, all live, lose the broker at one moment, which is away for a while and
 * then takes so many connections a second and no more.
 */
import type { ChannelAnswer } from "../../../browser_client/src/protocol/answers.ts";
import { startConnection, step } from "../../../browser_client/src/protocol/connection.ts";
import {
  type Connection,
  type Effect,
  type Event,
  NEVER,
} from "../../../browser_client/src/protocol/machine.ts";
import { EPOCH, HOUR_MS, sessionFor } from "../protocol/rig.ts";
import { Chance } from "./chance.ts";
import { Schedule } from "./schedule.ts";

export interface HerdOptions {
  readonly machines: number;
  /** How long the broker is away. */
  readonly awayMs: number;
  /** Connections that the broker takes per second; AWS IoT's quota of an account is 500. */
  readonly acceptedPerS: number;
}

export interface HerdFigures {
  /** The most of each within one second, since the loss. */
  readonly connectsPerS: number;
  readonly sessionsPerS: number;
  readonly pollsPerS: number;
  /** Connects asked for until 99 % were live again, by each machine. */
  readonly connectsEach: number;
  /** From the broker's return until 99 % were live again. */
  readonly liveAgainMs: number;
}

const CHANNEL = "public/a";
const ROUND_TRIP_MS = 50;
/** Machines come within this, and stay for as long again, before the broker goes. */
const COME_WITHIN_MS = 30_000;
/** Looked at this often; after an hour, nobody waits any longer. */
const LOOK_EVERY_MS = 100;
const SHARE = 0.99;

type Asked = "connects" | "sessions" | "polls";

/** @throws Error when the herd was not live before, or is not an hour after. */
export function runHerd({ machines, awayMs, acceptedPerS }: HerdOptions): HerdFigures {
  const herd = new Herd(acceptedPerS);
  for (let index = 0; index < machines; index++) herd.add();
  const { schedule } = herd;
  schedule.runUntil(2 * COME_WITHIN_MS);
  if (herd.live < machines) throw new Error(`found ${herd.live} live, expected ${machines}`);
  herd.lose(awayMs);
  const backMs = schedule.nowMs + awayMs;
  schedule.runUntil(backMs);
  while (herd.live < SHARE * machines) {
    if (schedule.nowMs - backMs > HOUR_MS) throw new Error(`found ${herd.live} live in an hour`);
    schedule.runUntil(schedule.nowMs + LOOK_EVERY_MS);
  }
  return {
    connectsPerS: herd.worst("connects"),
    sessionsPerS: herd.worst("sessions"),
    pollsPerS: herd.worst("polls"),
    connectsEach: herd.total("connects") / machines,
    liveAgainMs: schedule.nowMs - backMs,
  };
}

class Herd {
  readonly schedule = new Schedule();
  readonly chance = new Chance(1);
  readonly #members: Member[] = [];
  readonly #acceptedPerS: number;
  /** By whole second; what was before the loss is forgotten. */
  #asked: Record<Asked, Map<number, number>> = startCounts();
  readonly #accepted = new Map<number, number>();
  #backMs = 0;
  #isLimited = false;

  constructor(acceptedPerS: number) {
    this.#acceptedPerS = acceptedPerS;
  }

  add(): void {
    const member = new Member(this);
    this.#members.push(member);
    this.schedule.after(this.chance.next() * COME_WITHIN_MS, () => member.start());
  }

  get live(): number {
    return this.#members.filter(({ status }) => status === "live").length;
  }

  lose(awayMs: number): void {
    this.#asked = startCounts();
    this.#isLimited = true;
    this.#backMs = this.schedule.nowMs + awayMs;
    for (const member of this.#members) member.send({ kind: "Lost" });
  }

  count(asked: Asked): void {
    bump(this.#asked[asked], this.#second);
  }

  /** Tell whether the broker takes one more connection now. */
  accepts(): boolean {
    if (!this.#isLimited) return true;
    const { nowMs } = this.schedule;
    return nowMs >= this.#backMs && bump(this.#accepted, this.#second) <= this.#acceptedPerS;
  }

  worst(asked: Asked): number {
    return Math.max(0, ...this.#asked[asked].values());
  }

  total(asked: Asked): number {
    return [...this.#asked[asked].values()].reduce((sum, count) => sum + count, 0);
  }

  get #second(): number {
    return Math.floor(this.schedule.nowMs / 1000);
  }
}

function startCounts(): Record<Asked, Map<number, number>> {
  return { connects: new Map(), sessions: new Map(), polls: new Map() };
}

function bump(counts: Map<number, number>, second: number): number {
  const count = (counts.get(second) ?? 0) + 1;
  counts.set(second, count);
  return count;
}

/** One machine on a road without faults. */
class Member {
  readonly #herd: Herd;
  #connection: Connection = startConnection("none");
  #timer = 0;

  constructor(herd: Herd) {
    this.#herd = herd;
  }

  get status(): Connection["status"] {
    return this.#connection.status;
  }

  start(): void {
    this.send({ kind: "Started" });
    this.send({ kind: "ChannelAdded", channel: CHANNEL });
  }

  send(event: Event): void {
    const moment = { nowMs: this.#herd.schedule.nowMs, random: this.#herd.chance.next() };
    const [connection, effects] = step(this.#connection, event, moment);
    this.#connection = connection;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "StartTimer":
        this.#startTimer(effect.atMs);
        break;
      case "FetchCredentials":
        this.#herd.count("sessions");
        this.#answer({
          kind: "CredentialsArrived",
          login: effect.login,
          session: sessionFor(HOUR_MS),
        });
        break;
      case "OpenSocket":
        this.#herd.count("connects");
        this.#answer({ kind: this.#herd.accepts() ? "Opened" : "Lost" });
        break;
      case "Subscribe":
        this.#answer({ kind: "Subscribed", channels: new Map([[CHANNEL, true]]) });
        break;
      case "Ping":
        this.#answer({ kind: "Ponged" });
        break;
      case "Poll":
        this.#herd.count("polls");
        this.#answer(quietAnswer(effect.id, effect.query.startsWith("cursor=")));
    }
  }

  #answer(event: Event): void {
    this.#herd.schedule.after(ROUND_TRIP_MS, () => this.send(event));
  }

  #startTimer(atMs: number): void {
    const timer = ++this.#timer;
    if (atMs === NEVER) return;
    const delayMs = Math.max(0, Math.ceil(atMs - this.#herd.schedule.nowMs));
    this.#herd.schedule.after(delayMs, () => {
      if (timer === this.#timer) this.send({ kind: "TimerFired" });
    });
  }
}

function quietAnswer(id: number, recovered: boolean): Event {
  const run = { epoch: EPOCH, after: 0, last: 0, updates: [], next: null };
  const part: ChannelAnswer = { ...run, recovered, state: new Map() };
  const answer = { pollAfterMs: 2000, more: false, channels: new Map([[CHANNEL, part]]) };
  return { kind: "AnswerArrived", id, answer, maxAgeMs: 1000, ageMs: 0 };
}
