/** One history from one seed: pages, publishers, and what happens to all of them. */
import type {
  Effect,
  Event,
  TokenKind,
  Transport,
} from "../../../browser_client/src/protocol/machine.ts";
import type { Log } from "../protocol/model_log.ts";
import { Chance } from "./chance.ts";
import { Faults, type Happening, type Tally } from "./faults.ts";
import { Gate } from "./gate.ts";
import { Broker, type World } from "./network.ts";
import { OLDEST_READ_MS, Page, type Surroundings } from "./page.ts";
import { Schedule } from "./schedule.ts";
import { ALICE, BOB, CHANNELS, GUEST, ModelService } from "./service.ts";
import { Tabs } from "./tabs.ts";

export type Trace = (nowMs: number, page: Page, what: Event | Effect) => void;

const QUIET_MS = 120_000;
/** How soon what was published is there at rest where it is pushed. */
const PUSHED_WITHIN_MS = 100;
/** And where it is polled, besides what a cache repeats. */
const SOON_MS = 3000;
/** In gentle histories: the latest regular check [R7], the poll before it and its own time. */
const FRESH_WITHIN_MS = 30_000;
/** Told that it woke, a page asks at once; what a lagging replica left out comes later. */
const AWAKE_WITHIN_MS = 1500;
const GENTLE_EVERY_MS = 10_000;
const MOST_TABS = 3;
const SHARE_OF_TABBED = 0.3;

/**
 * Play the history of a seed.
 *
 * @throws Error that tells the seed, with what was told wrongly or does not come to rest.
 */
export function play(seed: number, tally?: Tally): void {
  try {
    new History(seed, tally).run();
  } catch (cause) {
    throw new Error(`BELLWIRE_SEED=${seed}: ${(cause as Error).message}`, { cause });
  }
}

export class History {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #faults: Faults;
  readonly #schedule = new Schedule();
  readonly #service: ModelService;
  readonly #broker: Broker;
  readonly #tabs: Tabs | null;
  readonly #gate = new Gate();
  readonly #around: Surroundings;
  readonly #transport: Transport;
  #pages: Page[] = [];
  #nextPage = 1;

  constructor(seed: number, tally: Tally = new Map(), trace: Trace = () => {}) {
    const chance = new Chance(seed);
    const schedule = this.#schedule;
    this.#chance = chance;
    this.#faults = new Faults(chance, tally);
    this.#service = new ModelService(
      this.#faults.isGentle ? 1000 : chance.pick([1000, 1000, 5000]),
    );
    this.#world = { chance, faults: this.#faults, schedule, service: this.#service };
    this.#broker = new Broker(this.#world);
    this.#tabs =
      chance.next() < SHARE_OF_TABBED ? new Tabs(this.#world, this.#broker, this.#gate) : null;
    this.#transport = chance.pick(["auto", "auto", "auto", "push", "poll"]);
    this.#around = {
      world: this.#world,
      gate: this.#gate,
      keysPerPage: this.#faults.isGentle ? 1000 : chance.pick([1, 2, 1000, 1000]),
      openWire: (page, owner, listener) =>
        this.#tabs
          ? this.#tabs.openWire(page, owner, listener)
          : this.#broker.connect(owner, listener, (happen) => page.arrive(happen)),
      carriedBy: (payload) => this.#broker.carriedBy(payload),
      trace: (page, what) => trace(schedule.nowMs, page, what),
    };
    this.#faults.count(this.#transport);
    if (this.#faults.isGentle) this.#faults.count("gentle");
  }

  /** Play it. @throws Error when something was told wrongly, or does not come to rest. */
  run(): void {
    const faultyMs = 20_000 + this.#chance.next() * 50_000;
    this.#openPage();
    this.#publish();
    this.#happen();
    if (this.#faults.isGentle) this.#watchFresh();
    this.#schedule.runUntil(faultyMs);
    this.#calm();
    this.#schedule.runUntil(faultyMs + QUIET_MS);
    for (const log of this.#service.logs) this.#publishTo(log);
    this.#schedule.runUntil(faultyMs + QUIET_MS + PUSHED_WITHIN_MS);
    for (const page of this.#pages) page.checkFresh(this.#schedule.nowMs, true);
    this.#schedule.runUntil(faultyMs + QUIET_MS + SOON_MS + this.#service.maxAgeMs);
    for (const page of this.#pages) page.rest();
  }

  #later(delayMs: number, happen: () => void): void {
    this.#schedule.after(delayMs, happen);
  }

  #openPage(): void {
    this.#pages.push(new Page(this.#nextPage++, this.#around, this.#transport));
  }

  #publish(): void {
    if (!this.#faults.isOn) return;
    const log: Log = this.#chance.pick(this.#service.logs);
    if (this.#faults.strikes("renewEpoch")) log.renewEpoch();
    if (this.#faults.strikes("forget")) log.forget(this.#chance.below(4));
    if (this.#faults.strikes("restore")) log.restore(1 + this.#chance.below(8));
    this.#publishTo(log);
    const isPaused = this.#faults.strikes("pause");
    const mostMs = this.#faults.isGentle ? GENTLE_EVERY_MS : 1200;
    this.#later(isPaused ? 15_000 : this.#faults.delayMs(mostMs), () => this.#publish());
  }

  #watchFresh(): void {
    this.#checkFresh(FRESH_WITHIN_MS);
    this.#later(1000, () => this.#faults.isOn && this.#watchFresh());
  }

  #checkFresh(withinMs: number): void {
    if (this.#gate.isClosed) return;
    for (const page of this.#pages) page.checkFresh(this.#schedule.nowMs - withinMs);
  }

  #publishTo(log: Log): void {
    const count = 1 + this.#chance.below(4);
    const { nowMs } = this.#schedule;
    for (const message of log.publish(count, this.#chance.below(90), nowMs)) {
      this.#broker.publish(message);
    }
  }

  #happen(): void {
    this.#later(this.#faults.delayMs(6000), () => {
      if (!this.#faults.isOn) return;
      const happening = this.#faults.happening();
      if (happening) this.#befall(happening);
      this.#happen();
    });
  }

  #befall(happening: Happening): void {
    const page = this.#chance.pick(this.#pages);
    const forMs = this.#faults.delayMs(20_000);
    // Nothing can be done on a machine that sleeps, and little to a page that is put away.
    if (this.#gate.isClosed || (page.isFrozen && PAGE_RUNS.includes(happening))) return;
    if (happening.endsWith("Tab") && !this.#tabs) return;
    this.#faults.count(happening);
    switch (happening) {
      case "cut":
      case "die":
        this.#broker.cut(happening === "cut");
        break;
      case "bar":
        this.#broker.barredUntilMs = this.#schedule.nowMs + forMs * 2;
        break;
      case "sleep":
        this.#sleep(forMs);
        break;
      case "closeTab":
        this.#closeTab(page);
        break;
      case "openTab":
        if (this.#tabs && this.#pages.length < MOST_TABS) this.#openPage();
        break;
      default:
        this.#befallPage(happening, page, forMs);
    }
  }

  #befallPage(happening: Happening, page: Page, forMs: number): void {
    const channel = this.#chance.pick(CHANNELS);
    switch (happening) {
      case "hide":
        page.send({ kind: "Hidden" });
        this.#later(forMs, () => page.arrive(() => page.send({ kind: "Woke", isHidden: false })));
        break;
      case "freeze":
        page.freeze();
        this.#later(forMs, () => this.#thaw(page));
        break;
      case "jump":
        page.moveClock(forMs * 3);
        break;
      case "login":
        this.#login(page);
        break;
      case "unfollow":
        if (!page.told.has(channel)) break;
        page.unfollow(channel);
        this.#later(forMs / 4, () =>
          page.arrive(() => page.told.has(channel) || page.follow(channel)),
        );
    }
  }

  /** The whole machine stops: its clock may, too, and its sockets may be dead when it wakes. */
  #sleep(forMs: number): void {
    const isClockStopped = this.#chance.next() < 0.3;
    if (this.#chance.next() < 0.6) this.#broker.cut(this.#chance.next() < 0.5);
    this.#gate.close();
    this.#later(forMs, () => {
      if (!this.#gate.isClosed) return;
      for (const page of this.#pages) {
        if (isClockStopped) page.moveClock(-forMs);
        page.wakeWithin(AWAKE_WITHIN_MS);
      }
      this.#gate.open();
      const awakeMs = AWAKE_WITHIN_MS + OLDEST_READ_MS;
      this.#later(AWAKE_WITHIN_MS, () => this.#faults.isGentle && this.#checkFresh(awakeMs));
      for (const page of this.#pages) {
        const isTold = this.#faults.isGentle || this.#chance.next() < 0.7;
        if (isTold && !page.isFrozen) page.send({ kind: "Woke", isHidden: page.isHidden });
      }
    });
  }

  #thaw(page: Page): void {
    this.#gate.arrive(() => {
      if (!page.isGone && page.isFrozen) {
        page.thaw(this.#chance.next() < 0.3, this.#chance.next() < 0.5);
      }
    });
  }

  #login(page: Page): void {
    const identityId = this.#chance.pick([GUEST, ALICE, BOB]);
    const tokens: readonly TokenKind[] = identityId === GUEST ? ["none"] : ["fixed", "renewable"];
    page.login(identityId, this.#chance.pick(tokens));
  }

  #closeTab(page: Page): void {
    if (!this.#tabs) return;
    page.end();
    this.#tabs.onEnd(page);
    this.#pages = this.#pages.filter((one) => one !== page);
    if (this.#pages.length === 0) this.#openPage();
  }

  /** Nothing goes wrong any more, and whoever was away is back. */
  #calm(): void {
    this.#faults.isOn = false;
    this.#broker.barredUntilMs = 0;
    if (this.#gate.isClosed) for (const page of this.#pages) page.wakeWithin(AWAKE_WITHIN_MS);
    this.#gate.open();
    for (const page of this.#pages) {
      if (page.isFrozen) page.thaw(false, true);
      else if (page.isHidden) page.send({ kind: "Woke", isHidden: false });
      for (const channel of CHANNELS) if (!page.told.has(channel)) page.follow(channel);
      if (page.connection.status === "failed") this.#login(page);
    }
  }
}

const PAGE_RUNS: readonly Happening[] = ["hide", "freeze", "jump", "login", "unfollow"];
