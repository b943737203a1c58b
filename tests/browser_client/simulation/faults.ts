/** What may go wrong, how often, and how often it has. */
import type { Chance } from "./chance.ts";

/** The probability at each occasion. */
const RATES = {
  // Of a message on its way to one subscriber.
  drop: 0.12,
  double: 0.1,
  late: 0.2,
  garble: 0.03,
  // Of a socket.
  refuseOpen: 0.25,
  muteOpen: 0.1,
  loseSuback: 0.03,
  deny: 0.05,
  deliverLate: 0.5,
  losePing: 0.1,
  // Of a message between a tab and the hub.
  slowPort: 0.03,
  // Of a poll.
  failPoll: 0.1,
  holdPoll: 0.04,
  slowPoll: 0.05,
  lagPoll: 0.4,
  cutShort: 0.3,
  revoke: 0.04,
  // Of a session.
  failSession: 0.15,
  holdSession: 0.05,
  refuseSession: 0.05,
  changeOwner: 0.1,
  shortSession: 0.5,
  // Of a publish.
  renewEpoch: 0.03,
  forget: 0.1,
  restore: 0.02,
  pause: 0.05,
};

/** How often each happens, compared to the others, when something happens to the whole world. */
const HAPPENINGS = {
  cut: 4,
  die: 2,
  bar: 1,
  hide: 2,
  freeze: 2,
  sleep: 2,
  jump: 1,
  login: 2,
  unfollow: 1,
  closeTab: 2,
  openTab: 2,
};

export type Fault = keyof typeof RATES;
export type Happening = keyof typeof HAPPENINGS;
/** How often each struck; what the model does by itself is counted, too. */
export type Tally = Map<string, number>;

const FAULTS = Object.keys(RATES) as Fault[];
const ALL_HAPPENINGS = Object.keys(HAPPENINGS) as Happening[];
/** Of what the models do by themselves. */
const WAYS = [
  "auto",
  "push",
  "poll",
  "cached",
  "worker",
  "leader",
  "shared",
  "leaderGone",
  "reset",
];
/** All that is counted. */
export const KINDS: readonly string[] = [...FAULTS, ...ALL_HAPPENINGS, ...WAYS];
/** A history leaves out some kinds and has more of others, so that each is met alone as well. */
const SHARES = [0, 1, 1, 2];
/** Some histories have these alone, and quiet channels: what is published has to be there soon. */
const GENTLE: readonly (Fault | Happening)[] = [
  "deliverLate",
  "lagPoll",
  "renewEpoch",
  "forget",
  "cut",
  "bar",
  "sleep",
  "login",
  "unfollow",
  "closeTab",
  "openTab",
];
const SHARE_OF_GENTLE = 0.15;

export class Faults {
  isOn = true;
  readonly isGentle: boolean;
  readonly tally: Tally;
  readonly #chance: Chance;
  readonly #rates: Readonly<Record<Fault, number>>;
  readonly #lots: readonly Happening[];

  constructor(chance: Chance, tally: Tally) {
    this.#chance = chance;
    this.tally = tally;
    this.isGentle = chance.next() < SHARE_OF_GENTLE;
    const share = (kind: Fault | Happening) =>
      !this.isGentle ? chance.pick(SHARES) : GENTLE.includes(kind) ? 1 : 0;
    const rates = FAULTS.map((fault) => [fault, RATES[fault] * share(fault)]);
    this.#rates = Object.fromEntries(rates);
    this.#lots = ALL_HAPPENINGS.flatMap((one) => Array(HAPPENINGS[one] * share(one)).fill(one));
  }

  /** Tell whether this strikes now. */
  strikes(fault: Fault): boolean {
    const does = this.isOn && this.#chance.next() < this.#rates[fault];
    if (does) this.count(fault);
    return does;
  }

  /** Return what happens next to the whole world, if anything. */
  happening(): Happening | undefined {
    return this.#lots.length > 0 ? this.#chance.pick(this.#lots) : undefined;
  }

  /** Return up to that much, or little once nothing goes wrong any more. */
  delayMs(mostMs: number): number {
    return 1 + this.#chance.next() * (this.isOn ? mostMs : 50);
  }

  /** Return how long half a poll takes. */
  transitMs(): number {
    return this.delayMs(this.isGentle ? 450 : 1500);
  }

  count(kind: string): void {
    this.tally.set(kind, (this.tally.get(kind) ?? 0) + 1);
  }
}
