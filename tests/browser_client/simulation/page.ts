/** One page: the real machine, and its shell as client.ts has it, in virtual time. */
import type { SocketListener } from "../../../browser_client/src/io/socket.ts";
import { isPublic } from "../../../browser_client/src/protocol/channels.ts";
import { startConnection, step } from "../../../browser_client/src/protocol/connection.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import {
  type Connection,
  type Effect,
  type Event,
  NEVER,
  type TokenKind,
  type Transport,
} from "../../../browser_client/src/protocol/machine.ts";
import { HOUR_MS, sessionFor } from "../protocol/rig.ts";
import { Gate } from "./gate.ts";
import type { Carried, Wire, World } from "./network.ts";
import { check, Told } from "./oracle.ts";
import { ALICE, type Bearer, BOB, CHANNELS, GUEST } from "./service.ts";

/** What a page finds around itself. */
export interface Surroundings {
  readonly world: World;
  /** Closed while the machine sleeps on which the page is. */
  readonly gate: Gate;
  readonly keysPerPage: number;
  readonly openWire: (page: Page, owner: string, listener: SocketListener) => Wire;
  readonly carriedBy: (payload: Uint8Array<ArrayBuffer>) => Carried | undefined;
  readonly trace: (page: Page, what: Event | Effect) => void;
}

const down = new BellwireError("upstream", "down");
const refused = new BellwireError("unauthenticated", "refused");
const START_MS = 1_000_000;
/** In gentle histories: the lag of a replica, what a cache repeats, and half a poll. */
export const OLDEST_READ_MS = 5000;
/** In gentle histories: SUBACK and the poll after it. */
const BACK_WITHIN_MS = 2000;

function busy(retryAfterMs: number): BellwireError {
  return new BellwireError("too_many", "busy", undefined, true, retryAfterMs);
}

export class Page {
  readonly id: number;
  readonly told = new Map<string, Told>();
  connection: Connection;
  /** Whose data the application may see. */
  identityId = GUEST;
  isGone = false;
  readonly #around: Surroundings;
  readonly #gate = new Gate();
  /** The session as the shell keeps it. */
  #bearer: Bearer | null = null;
  #wire: Wire | null = null;
  /** Counts sockets, so that what an old one still carries is not heard. */
  #generation = 0;
  #timer = 0;
  #offsetMs = START_MS;
  /** What it shows is what it showed before it slept, until then. */
  #awakeMs = 0;
  #openedMs = Number.NEGATIVE_INFINITY;
  /** No poll may go out before, by the page's clock. */
  #heldMs = { public: 0, private: 0 };

  constructor(id: number, around: Surroundings, transport: Transport) {
    this.id = id;
    this.#around = around;
    this.connection = startConnection("none", transport);
    this.send({ kind: "Started" });
    for (const channel of CHANNELS) this.follow(channel);
  }

  get nowMs(): number {
    return this.#around.world.schedule.nowMs + this.#offsetMs;
  }

  get isHidden(): boolean {
    return this.connection.slowness > 1;
  }

  get isFrozen(): boolean {
    return this.#gate.isClosed;
  }

  follow(channel: string): void {
    this.told.set(channel, new Told(channel, this.#around.keysPerPage < 3));
    this.send({ kind: "ChannelAdded", channel });
  }

  unfollow(channel: string): void {
    this.told.delete(channel);
    this.send({ kind: "ChannelRemoved", channel });
  }

  login(identityId: string, token: TokenKind): void {
    this.identityId = identityId;
    this.#bearer = null;
    this.#heldMs = { public: 0, private: 0 };
    this.send({ kind: "LoginChanged", token });
  }

  /** The page is put away and not run. */
  freeze(): void {
    this.send({ kind: "Slept" });
    this.#gate.close();
  }

  thaw(isHidden: boolean, isWokenFirst: boolean): void {
    if (isWokenFirst) this.send({ kind: "Woke", isHidden });
    this.#gate.open();
    if (!isWokenFirst) this.send({ kind: "Woke", isHidden });
  }

  /** Its machine wakes, and with that what was on its way arrives. */
  wakeWithin(withinMs: number): void {
    this.#awakeMs = this.#around.world.schedule.nowMs + withinMs;
  }

  /** The clock goes on by so much more than time has. */
  moveClock(byMs: number): void {
    this.#offsetMs += byMs;
  }

  /** The tab is closed, without a word. */
  end(): void {
    this.isGone = true;
    this.#generation++;
  }

  /** What comes from outside waits while the page is not run. */
  arrive(happen: () => void): void {
    this.#around.gate.arrive(() => this.#gate.arrive(() => this.isGone || happen()));
  }

  send(event: Event): void {
    this.#around.trace(this, event);
    const moment = { nowMs: this.nowMs, random: this.#around.world.chance.next() };
    const [connection, effects] = step(this.connection, event, moment);
    this.connection = connection;
    for (const effect of effects) this.#perform(effect);
    this.#settle(effects.some(({ kind }) => kind === "SetStatus"));
  }

  /** Hold what was told against the logs; a page that has just come back must know what it missed. */
  #settle(isNews: boolean): void {
    const { faults, schedule } = this.#around.world;
    for (const [channel, { sequence }] of this.connection.watches) {
      this.told.get(channel)?.settle(sequence, this.#logOf(channel));
    }
    const isBack = isNews && schedule.nowMs - this.#openedMs < BACK_WITHIN_MS;
    if (isBack && faults.isGentle) this.checkFresh(schedule.nowMs - OLDEST_READ_MS);
  }

  #logOf(channel: string) {
    return this.#around.world.service.logOf(channel, this.identityId);
  }

  /**
   * Check that a live page has all that was published up to that time.
   *
   * @param isPushed whether only of channels that are pushed and go on: of a new epoch, a poll tells.
   */
  checkFresh(asOfMs: number, isPushed = false): void {
    const { status, watches } = this.connection;
    if (status !== "live" || this.#around.world.schedule.nowMs < this.#awakeMs) return;
    for (const [channel, { sequence, subscription }] of watches) {
      const log = this.#logOf(channel);
      const isPushedOn = subscription === "granted" && sequence.position?.epoch === log?.tail.epoch;
      if (log && (!isPushed || isPushedOn))
        this.told.get(channel)?.checkFresh(sequence, log.tailAsOf(asOfMs));
    }
  }

  /** Check that all is live and whole. */
  rest(): void {
    const { status, transport, watches } = this.connection;
    const expected = transport === "poll" ? "polling" : "live";
    check(status === expected, () => `page ${this.id} rests ${status}, not ${expected}`);
    for (const [channel, watch] of watches) {
      const log = this.#logOf(channel);
      check(watch.isRefused === !log, () => `${channel}: refused ${watch.isRefused}`);
      this.told.get(channel)?.rest(watch.sequence, log);
    }
  }

  #perform(effect: Effect): void {
    this.#around.trace(this, effect);
    switch (effect.kind) {
      case "StartTimer":
        this.#startTimer(effect.atMs);
        break;
      case "FetchCredentials":
        this.#fetchCredentials(effect.login);
        break;
      case "OpenSocket":
        this.#open();
        break;
      case "CloseSocket":
        this.#generation++;
        this.#wire?.close();
        break;
      case "Subscribe":
        this.#wire?.subscribe(effect.channels);
        break;
      case "Unsubscribe":
        this.#wire?.unsubscribe(effect.channels);
        break;
      case "Ping":
        this.#wire?.ping();
        break;
      case "Poll":
        this.#poll(effect);
        break;
      case "Deliver":
        if (effect.outputs[0]?.kind === "reset") this.#around.world.faults.count("reset");
        this.told.get(effect.channel)?.hear(effect.outputs);
    }
  }

  #startTimer(atMs: number): void {
    const timer = ++this.#timer;
    if (atMs === NEVER) return;
    const { schedule, faults, chance } = this.#around.world;
    // Hidden pages get their timers late.
    const lateMs = this.isHidden && faults.isOn ? chance.next() * 1000 : 0;
    const delayMs = Math.max(0, Math.ceil(atMs - this.nowMs));
    schedule.after(delayMs + lateMs, () =>
      this.arrive(() => timer === this.#timer && this.send({ kind: "TimerFired" })),
    );
  }

  #later(delayMs: number, happen: () => void): void {
    this.#around.world.schedule.after(delayMs, () => this.arrive(happen));
  }

  #fetchCredentials(login: number): void {
    const { faults, chance } = this.#around.world;
    const { identityId } = this;
    this.#later(faults.delayMs(2000), () => {
      if (faults.strikes("failSession")) this.#failCredentials(login, down);
      else if (faults.strikes("holdSession")) {
        this.#failCredentials(login, busy(chance.next() * 10_000));
      } else if (identityId !== GUEST && faults.strikes("refuseSession")) {
        this.#failCredentials(login, refused);
      } else this.#takeSession(login, identityId);
    });
  }

  #failCredentials(login: number, error: BellwireError): void {
    this.send({ kind: "CredentialsFailed", login, error });
  }

  #takeSession(login: number, identityId: string): void {
    const { faults, chance, schedule } = this.#around.world;
    // Now and then the application's own login has become another user's without a word.
    const isOther = identityId !== GUEST && faults.strikes("changeOwner");
    const owner = isOther ? chance.pick([ALICE, BOB]) : identityId;
    const lifetimeMs = faults.strikes("shortSession") ? faults.delayMs(60_000) : HOUR_MS;
    if (login === this.connection.login.number) {
      if (owner !== this.identityId) this.#heldMs = { public: 0, private: 0 };
      this.identityId = owner;
      this.#bearer = { identityId: owner, endsMs: schedule.nowMs + lifetimeMs };
    }
    this.send({ kind: "CredentialsArrived", login, session: sessionFor(lifetimeMs, owner) });
  }

  #open(): void {
    const generation = ++this.#generation;
    const tell = (event: Event) => generation === this.#generation && this.send(event);
    this.#wire = this.#around.openWire(this, this.#bearer?.identityId ?? GUEST, {
      onOpened: () => {
        this.#openedMs = this.#around.world.schedule.nowMs;
        tell({ kind: "Opened" });
      },
      onSubscribed: (channels) => tell({ kind: "Subscribed", channels }),
      onPonged: () => tell({ kind: "Ponged" }),
      onPayload: (channel, payload) => tell(this.#read(channel, payload)),
      onLost: (_, isMoved) => tell({ kind: "Lost", isMoved }),
    });
  }

  #read(channel: string, payload: Uint8Array<ArrayBuffer>): Event {
    const carried = this.#around.carriedBy(payload);
    if (carried) return { kind: "EnvelopeArrived", ...carried };
    return { kind: "PayloadDropped", channel, error: refused };
  }

  #poll({ id, needsToken, query }: Extract<Effect, { kind: "Poll" }>): void {
    const { faults, schedule } = this.#around.world;
    const line = this.#lineOf(id);
    check(this.nowMs >= this.#heldMs[line], () => `polled within Retry-After: ${query}`);
    const bearer = needsToken ? this.#bearer : null;
    schedule.after(faults.transitMs(), () => {
      const event = this.#answer(id, query, bearer);
      const delayMs = faults.strikes("slowPoll") ? faults.delayMs(10_000) : faults.transitMs();
      this.#later(delayMs, () => this.#takeAnswer(line, event));
    });
  }

  #lineOf(id: number): "public" | "private" {
    const asked = this.connection.lines.public.inFlight;
    return asked?.id === id && [...asked.asked.keys()].every(isPublic) ? "public" : "private";
  }

  #takeAnswer(line: "public" | "private", event: Extract<Event, { readonly id: number }>): void {
    const isAwaited = this.connection.lines[line].inFlight?.id === event.id;
    if (isAwaited && event.kind === "PollFailed") {
      this.#heldMs[line] = this.nowMs + event.error.retryAfterMs;
    }
    this.send(event);
  }

  #answer(
    id: number,
    query: string,
    bearer: Bearer | null,
  ): Extract<Event, { readonly id: number }> {
    const { faults, chance, service, schedule } = this.#around.world;
    const fail = (error: BellwireError) => ({ kind: "PollFailed", id, error }) as const;
    if (faults.strikes("failPoll")) return fail(down);
    if (faults.strikes("holdPoll")) return fail(busy(chance.next() * 10_000));
    if (bearer && faults.strikes("revoke")) return fail(refused);
    try {
      const { answer, ageMs } = service.answer(query, bearer, {
        nowMs: schedule.nowMs,
        lagMs: faults.strikes("lagPoll") ? chance.next() * 3000 : 0,
        keysPerPage: this.#around.keysPerPage,
        most: faults.strikes("cutShort") ? 2 : 1000,
      });
      if (ageMs > 0) faults.count("cached");
      return { kind: "AnswerArrived", id, answer, maxAgeMs: service.maxAgeMs, ageMs };
    } catch (error) {
      return fail(error as BellwireError);
    }
  }
}
