/**
 * The story of recovery: what the client's debug hook tells, as rows to read and as counts.
 *
 * Pure: the time is given. Not here: what a row says in words (words.ts), the page (panel.ts).
 */

import type { Effect, Event, Status } from "../../src/protocol/machine.ts";
import { addVerdicts, ChannelLedger, type Verdict } from "./ledger.ts";

export type RowKind =
  | "lost"
  | "refused"
  | "opened"
  | "live"
  | "polling"
  | "offline"
  | "failed"
  | "renewed"
  | "unrenewed"
  | "missing"
  | "late-came"
  | "asked"
  | "filled"
  | "polled"
  | "poll-failed"
  | "double"
  | "late"
  | "unreadable"
  | "reset";

/** One thing that happened; the same thing again, with nothing between, is the same row. */
export interface Row {
  readonly id: number;
  readonly atMs: number;
  readonly kind: RowKind;
  readonly channel: string;
  /** How often in a row. */
  readonly times: number;
  /** Updates; of `asked`, the number asked from. */
  readonly amount: number;
  /** How long it took; 0 where that means nothing. */
  readonly lastedMs: number;
}

export interface Counts extends Verdict {
  readonly received: number;
  /** Doubles and late ones, which the client left out. */
  readonly dropped: number;
  readonly gaps: number;
  /** Updates that came by poll. */
  readonly filled: number;
  /** Updates told in all, those of first states aside. */
  readonly told: number;
}

const ROWS_KEPT = 100;
/** Without news for this long the same thing again is a row of its own. */
const SAME_MS = 5_000;
const REPEATED: ReadonlySet<RowKind> = new Set([
  "refused",
  "polled",
  "poll-failed",
  "double",
  "late",
  "unreadable",
  "unrenewed",
]);

type Told = Partial<Pick<Row, "channel" | "amount" | "lastedMs">>;

export class Story {
  #rows: Row[] = [];
  #nextId = 1;
  #nowMs = 0;
  #counts = { received: 0, dropped: 0, gaps: 0, filled: 0, told: 0 };
  readonly #ledgers = new Map<string, ChannelLedger>();
  /** Since when a channel waits for what is missing. */
  readonly #waiting = new Map<string, number>();
  #status: Status = "connecting";
  #isOpen = false;
  #hasSession = false;
  /** Since when it is no longer live. */
  #brokenMs: number | null = null;
  #isByPoll = false;

  /** Oldest first. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  get counts(): Counts {
    const verdicts = [...this.#ledgers.values()].map(({ verdict }) => verdict);
    return { ...this.#counts, ...addVerdicts(verdicts) };
  }

  /** Take in an event or effect in the order the hook tells them; `nowMs` is never before the last. */
  take(what: Event | Effect, nowMs: number): void {
    this.#nowMs = nowMs;
    switch (what.kind) {
      case "EnvelopeArrived":
        this.#isByPoll = false;
        this.#onEnvelope(what);
        break;
      case "AnswerArrived":
        this.#isByPoll = true;
        this.#onAnswer(what);
        break;
      case "Deliver":
        this.#onDeliver(what);
        break;
      case "Poll":
        this.#onPoll(what);
        break;
      case "SetStatus":
        this.#onStatus(what.status);
        break;
      case "ChannelRemoved":
        this.#ledgers.delete(what.channel);
        this.#waiting.delete(what.channel);
        break;
      default:
        this.#onOther(what);
    }
  }

  #onOther(what: Event | Effect): void {
    switch (what.kind) {
      case "Opened":
        this.#isOpen = true;
        if (this.#brokenMs !== null) this.#tell("opened");
        break;
      case "Lost":
        this.#onLost();
        break;
      case "CloseSocket":
        if (this.#isOpen) this.#onLost();
        break;
      case "CredentialsArrived":
        if (this.#hasSession) this.#tell("renewed");
        this.#hasSession = true;
        break;
      case "CredentialsFailed":
        this.#tell("unrenewed");
        break;
      case "PayloadDropped":
        this.#counts.received += 1;
        this.#tell("unreadable", { channel: what.channel });
        break;
      case "PollFailed":
        this.#tell("poll-failed");
    }
  }

  #onEnvelope({ envelope }: Extract<Event, { kind: "EnvelopeArrived" }>): void {
    const { channel } = envelope;
    this.#counts.received += 1;
    const arrival = this.#ledgerOf(channel).takeRun(envelope);
    if (arrival.kind === "gap") {
      this.#counts.gaps += 1;
      if (!this.#waiting.has(channel)) this.#waiting.set(channel, this.#nowMs);
      this.#tell("missing", { channel, amount: arrival.missing });
    } else if (arrival.kind === "double" || arrival.kind === "late") {
      this.#counts.dropped += 1;
      this.#tell(arrival.kind, { channel });
    }
  }

  #onAnswer({ answer }: Extract<Event, { kind: "AnswerArrived" }>): void {
    for (const [channel, part] of answer.channels) {
      const ledger = this.#ledgerOf(channel);
      if (part.recovered) ledger.takeRun(part);
      else ledger.takeSnapshot({ epoch: part.epoch, seq: part.last });
    }
  }

  #onDeliver({ channel, outputs, isFirst }: Extract<Effect, { kind: "Deliver" }>): void {
    const ledger = this.#ledgerOf(channel);
    const amount = ledger.judge(outputs, !!isFirst);
    this.#counts.told += amount;
    if (!isFirst && outputs.some(({ kind }) => kind === "reset")) this.#tell("reset", { channel });
    if (this.#isByPoll && amount > 0) {
      this.#counts.filled += amount;
      this.#tell(this.#status === "polling" ? "polled" : "filled", { channel, amount });
    }
    if (ledger.isBehind) return;
    if (this.#waiting.has(channel) && !this.#isByPoll) this.#tell("late-came", { channel });
    this.#waiting.delete(channel);
  }

  #onPoll({ query }: Extract<Effect, { kind: "Poll" }>): void {
    if (!query.startsWith("cursor=")) return;
    for (const channel of this.#waiting.keys()) {
      this.#tell("asked", { channel, amount: this.#ledgerOf(channel).place?.seq ?? 0 });
    }
  }

  #onLost(): void {
    this.#tell(this.#isOpen ? "lost" : "refused");
    this.#isOpen = false;
    if (this.#status === "live") this.#brokenMs ??= this.#nowMs;
  }

  #onStatus(status: Status): void {
    const brokenMs = this.#brokenMs ?? this.#nowMs;
    if (this.#status === "live") this.#brokenMs ??= this.#nowMs;
    this.#status = status;
    if (status === "live") {
      this.#tell("live", { lastedMs: this.#nowMs - brokenMs });
      this.#brokenMs = null;
    } else if (status !== "connecting") this.#tell(status);
  }

  #ledgerOf(channel: string): ChannelLedger {
    const ledger = this.#ledgers.get(channel) ?? new ChannelLedger();
    this.#ledgers.set(channel, ledger);
    return ledger;
  }

  #tell(kind: RowKind, { channel = "", amount = 0, lastedMs = 0 }: Told = {}): void {
    const last = this.#rows.at(-1);
    const isSame = last?.kind === kind && last.channel === channel && REPEATED.has(kind);
    if (isSame && this.#nowMs - last.atMs < SAME_MS) {
      const more = { times: last.times + 1, amount: last.amount + amount, atMs: this.#nowMs };
      this.#rows = [...this.#rows.slice(0, -1), { ...last, ...more }];
      return;
    }
    const row = { id: this.#nextId++, atMs: this.#nowMs, kind, channel, amount, lastedMs };
    this.#rows = [...this.#rows, { ...row, times: 1 }].slice(-ROWS_KEPT);
  }
}
