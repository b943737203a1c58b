/** Drives the connection's machine with a clock of its own; the test plays the network. */
import { nameInFull } from "../../../browser_client/src/protocol/channels.ts";
import { startConnection, step } from "../../../browser_client/src/protocol/connection.ts";
import { decodeCursor, type Place } from "../../../browser_client/src/protocol/cursors.ts";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import type {
  Connection,
  Effect,
  Event,
  Session,
  TokenKind,
  Transport,
} from "../../../browser_client/src/protocol/machine.ts";
import type { WireUpdate } from "../../../browser_client/src/protocol/updates.ts";

export const EPOCH = "k3f9x0ab";

export type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;

export const HOUR_MS = 3_600_000;
export const ALICE = "us-east-1:alice";

export function sessionFor(lifetimeMs: number, identityId = "us-east-1:guest"): Session {
  return { identityId, groups: [], guests: true, lifetimeMs };
}

export function event(seq: number): WireUpdate {
  return { s: seq, t: 0, o: "event", d: seq };
}

export class Rig {
  connection: Connection;
  nowMs = 1_000_000;
  random = 0.5;
  /** Whether the broker leaves pings without an answer. */
  isMute = false;
  /** Effects since the last `take`, timers left out. */
  #effects: Effect[] = [];
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(token: TokenKind = "none", transport: Transport = "auto") {
    this.connection = startConnection(token, transport);
  }

  send(event: Event): this {
    const { nowMs, random } = this;
    const [connection, effects] = step(this.connection, event, { nowMs, random });
    this.connection = connection;
    for (const effect of effects) {
      if (effect.kind === "StartTimer") this.#timerMs = effect.atMs;
      else this.#effects.push(effect);
    }
    const isPinged = effects.some(({ kind }) => kind === "Ping");
    return isPinged && !this.isMute ? this.send({ kind: "Ponged" }) : this;
  }

  /** Let time pass; every timer on the way fires at its time. */
  pass(ms: number): this {
    const endMs = this.nowMs + ms;
    while (this.#timerMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.#timerMs);
      this.#timerMs = Number.POSITIVE_INFINITY;
      this.send({ kind: "TimerFired" });
    }
    this.nowMs = endMs;
    return this;
  }

  /** Return how long it takes until this is asked for, in steps that divide it. */
  msUntil(kind: Effect["kind"], stepMs: number): number {
    const startedMs = this.nowMs;
    while (!this.take().some((effect) => effect.kind === kind)) {
      if (this.nowMs - startedMs > 2 * HOUR_MS) throw new Error(`expected ${kind} within 2 h`);
      this.pass(stepMs);
    }
    return this.nowMs - startedMs;
  }

  /** Return the effects since the last time and forget them. */
  take(): Effect[] {
    return this.#effects.splice(0);
  }

  taken<Kind extends Effect["kind"]>(kind: Kind): EffectOf<Kind>[] {
    return this.take().filter((effect): effect is EffectOf<Kind> => effect.kind === kind);
  }

  /** The one poll asked for since the last `take`. */
  poll(): EffectOf<"Poll"> {
    const polls = this.taken("Poll");
    if (polls.length !== 1) throw new Error(`found ${polls.length} polls, expected 1`);
    return polls[0] as EffectOf<"Poll">;
  }

  addChannels(...channels: string[]): this {
    for (const channel of channels) this.send({ kind: "ChannelAdded", channel });
    return this;
  }

  /** Start with these channels and go the whole way to `live`, at seq 0 of the epoch. */
  goLive(...channels: string[]): this {
    this.send({ kind: "Started" })
      .addChannels(...channels)
      .pass(0)
      .answerPolls();
    this.open().pass(0).answerPolls();
    return this.grant(...channels)
      .pass(0)
      .answerPolls();
  }

  /** Answer every poll since the last `take`: at seq 0, nothing new. */
  answerPolls(): this {
    for (const poll of this.taken("Poll")) {
      const [, names] = poll.query.split("channels=");
      if (names) this.answerFirst(poll.id, names.split(",").map(decodeURIComponent));
      else this.answerQuiet(poll);
    }
    return this;
  }

  /** A session comes for the login of now: a guest's or, with a token, Alice's. */
  credentials(session: Partial<Session> = {}): this {
    const { number: login, token } = this.connection.login;
    const usual = sessionFor(HOUR_MS, token === "none" ? undefined : ALICE);
    return this.send({ kind: "CredentialsArrived", login, session: { ...usual, ...session } });
  }

  failCredentials(error: BellwireError): this {
    return this.send({ kind: "CredentialsFailed", login: this.connection.login.number, error });
  }

  open(): this {
    return this.credentials().send({ kind: "Opened" });
  }

  grant(...channels: string[]): this {
    return this.suback(true, ...channels);
  }

  suback(isGranted: boolean, ...channels: string[]): this {
    const { session } = this.connection.login;
    const names = channels.map((channel) => nameInFull(channel, session?.identityId));
    return this.send({
      kind: "Subscribed",
      channels: new Map(names.map((name) => [name, isGranted])),
    });
  }

  answerFirst(id: number, channels: readonly string[]): this {
    const part = { epoch: EPOCH, after: 0, last: 0, updates: [], recovered: false, next: null };
    return this.answer(id, new Map(channels.map((one) => [one, { ...part, state: new Map() }])));
  }

  /** Nothing new since the positions that were asked from. */
  answerQuiet(poll: EffectOf<"Poll">): this {
    return this.answerUpTo(poll, 0);
  }

  /** Events up to `last`, in every channel asked for. */
  answerUpTo(poll: EffectOf<"Poll">, last: number, maxAgeMs = 1000): this {
    const parts = [...askedBy(poll)].map(([channel, { epoch, seq }]) => {
      const updates = Array.from({ length: Math.max(0, last - seq) }, (_, n) => event(seq + n + 1));
      const run = { epoch, after: seq, last: Math.max(seq, last), updates };
      return [channel, { ...run, recovered: true, state: new Map(), next: null }] as const;
    });
    return this.answer(poll.id, new Map(parts), maxAgeMs);
  }

  /** A page of `channel`'s state at `seq`: this key, and which is the last if more follow. */
  answerPage(poll: EffectOf<"Poll">, channel: string, key: string, seq: number, more = true): this {
    const run = { epoch: EPOCH, after: seq, last: seq, updates: [], recovered: false };
    const part = { ...run, state: new Map([[key, seq]]), next: more ? key : null };
    return this.answer(poll.id, new Map([[channel, part]]));
  }

  answer(
    id: number,
    channels: Extract<Event, { kind: "AnswerArrived" }>["answer"]["channels"],
    maxAgeMs = 1000,
  ): this {
    const answer = { pollAfterMs: 2000, more: false, channels };
    return this.send({ kind: "AnswerArrived", id, answer, maxAgeMs, ageMs: 0 });
  }

  failPoll(poll: EffectOf<"Poll">, code: BellwireError["code"], channel?: string): this {
    const error = new BellwireError(code, "no", channel);
    return this.send({ kind: "PollFailed", id: poll.id, error });
  }

  /** An envelope of events `after`+1 … `last`. */
  push(channel: string, after: number, last: number): this {
    const updates = Array.from({ length: last - after }, (_, n) => event(after + n + 1));
    const envelope = { channel, epoch: EPOCH, after, last, updates };
    return this.send({ kind: "EnvelopeArrived", envelope, sizeBytes: 100 });
  }
}

export function askedBy(poll: EffectOf<"Poll">): Map<string, Place> {
  return decodeCursor(poll.query.replace(/^cursor=/, ""));
}

/** The seqs of the events handed over by these effects. */
export function eventsIn(effects: readonly Effect[]): number[] {
  return effects
    .filter((effect): effect is EffectOf<"Deliver"> => effect.kind === "Deliver")
    .flatMap(({ outputs }) => outputs)
    .flatMap((output) => (output.kind === "update" ? [output.update.seq] : []));
}
