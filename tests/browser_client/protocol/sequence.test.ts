/** The receiver rules: the rows that Python reads too, and random histories of one channel. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePart } from "../../../browser_client/src/protocol/answers.ts";
import {
  isBehind,
  placeOf,
  type Sequence,
  type SequenceOutput,
  startSequence,
  step,
} from "../../../browser_client/src/protocol/sequence.ts";
import { decodeEnvelope, type Position } from "../../../browser_client/src/protocol/updates.ts";
import vectors from "../../vectors/receiver.json" with { type: "json" };
import { Log, type Message } from "./model_log.ts";

interface VectorStep {
  readonly envelope?: unknown;
  readonly asked?: [string, number] | null;
  readonly answer?: unknown;
  readonly expect: {
    readonly position: [string, number] | null;
    readonly reset: boolean;
    readonly updates: readonly object[];
    readonly catch_up: boolean;
    readonly held: number;
    readonly state?: Record<string, unknown>;
  };
}

function take(sequence: Sequence, { envelope, asked, answer }: VectorStep) {
  if (envelope !== undefined) return stepEnvelope(sequence, JSON.stringify(envelope));
  const askedFrom = asked ? { epoch: asked[0], seq: asked[1] } : null;
  return step(sequence, { kind: "answer", answer: decodePart(answer), askedFrom });
}

function stepEnvelope(sequence: Sequence, text: string) {
  const envelope = decodeEnvelope(text);
  if (!envelope) throw new Error(`found ${text}, expected an envelope of version 1`);
  return step(sequence, { kind: "envelope", envelope, sizeBytes: text.length });
}

function told(outputs: readonly SequenceOutput[]): object[] {
  return outputs.flatMap((output) => {
    if (output.kind !== "update") return [];
    const { seq, op, key, data } = output.update;
    return [
      { s: seq, o: op, ...(key !== undefined && { k: key }), ...(op !== "delete" && { d: data }) },
    ];
  });
}

describe("a channel's sequence", () => {
  it.each(vectors.rows)("$name", ({ steps }) => {
    let sequence = startSequence("public/a");
    for (const row of steps as unknown as VectorStep[]) {
      const [next, outputs] = take(sequence, row);
      const { position } = next;
      expect({
        position: position && [position.epoch, position.seq],
        reset: outputs.some(({ kind }) => kind === "reset"),
        updates: told(outputs),
        catch_up: isBehind(next),
        held: next.held.length,
        ...(row.expect.state && { state: Object.fromEntries(next.state.map) }),
      }).toEqual(row.expect);
      expect(outputs.findIndex(({ kind }) => kind === "reset")).toBeLessThanOrEqual(0);
      sequence = next;
    }
  });

  it("hands an update over with its place, time and id", () => {
    const [atStart] = step(startSequence("public/a"), {
      kind: "answer",
      answer: decodePart({ e: "k3f9x0ab", f: 42, l: 42, recovered: false, state: {}, u: [] }),
      askedFrom: null,
    });
    const set = { s: 43, i: "a7", t: 1795417463828, o: "set", k: "cpu", d: null };
    const [, outputs] = stepEnvelope(
      atStart,
      JSON.stringify({ v: 1, c: "public/a", e: "k3f9x0ab", f: 42, l: 43, u: [set] }),
    );
    expect(outputs).toEqual([
      {
        kind: "update",
        update: {
          channel: "public/a",
          epoch: "k3f9x0ab",
          seq: 43,
          op: "set",
          key: "cpu",
          data: null,
          at: 1795417463828,
          id: "a7",
        },
      },
    ]);
  });

  it("leaves unchanged values out of a reset", () => {
    const first = { e: "k3f9x0ab", f: 1, l: 1, recovered: false, u: [] };
    const [sequence] = step(startSequence("public/a"), {
      kind: "answer",
      answer: decodePart({ ...first, state: { a: { x: 1, y: [2] }, b: [1], c: null } }),
      askedFrom: null,
    });
    const [, outputs] = step(sequence, {
      kind: "answer",
      answer: decodePart({
        ...first,
        f: 5,
        l: 5,
        state: { a: { x: 1, y: [2] }, b: [1, 2], c: {} },
      }),
      askedFrom: { epoch: "k3f9x0ab", seq: 1 },
    });
    expect(told(outputs)).toEqual([
      { s: 5, o: "set", k: "b", d: [1, 2] },
      { s: 5, o: "set", k: "c", d: {} },
    ]);
  });

  describe("half of whose state has come", () => {
    const EPOCH = "k3f9x0ab";
    const first = { e: EPOCH, f: 5, l: 5, recovered: false, state: { a: 1 }, u: [] };

    function heard(sequence: Sequence, answer: object, asked: number | null): Sequence {
      const askedFrom = asked === null ? null : { epoch: EPOCH, seq: asked };
      return step(sequence, { kind: "answer", answer: decodePart(answer), askedFrom })[0];
    }
    const atOne = heard(startSequence("public/a"), { ...first, f: 1, l: 1 }, null);
    const half = heard(atOne, { ...first, next: "a" }, 1);

    it("goes on after its last key, at the number of its first page", () => {
      expect(placeOf(half)).toEqual({ epoch: EPOCH, seq: 5, page: "a" });
      expect(half.position).toEqual({ epoch: EPOCH, seq: 1 });
    });

    it("gives it up for an answer that was recovered", () => {
      const u = [2, 3].map((s) => ({ s, t: 0, o: "event", d: s }));
      const recovered = { e: EPOCH, f: 1, l: 3, recovered: true, u };
      expect(placeOf(heard(half, recovered, 1))).toEqual({ epoch: EPOCH, seq: 3 });
    });

    it("gives it up once envelopes brought more", () => {
      const u = [{ s: 6, t: 0, o: "set", k: "a", d: 6 }];
      const envelope = { v: 1, c: "public/a", e: EPOCH, f: 1, l: 6, u };
      const [ahead] = stepEnvelope(half, JSON.stringify(envelope));
      const after = heard(ahead, { ...first, state: { b: 2 } }, 1);
      expect([after.position, after.pages]).toEqual([{ epoch: EPOCH, seq: 6 }, []]);
      expect(Object.fromEntries(after.state.map)).toEqual({ a: 6 });
    });
  });

  it("refuses a next that is no key", () => {
    const answer = { e: "k3f9x0ab", f: 5, l: 5, recovered: false, state: {}, u: [], next: 1 };
    expect(() => decodePart(answer)).toThrow(/^found .*, expected recovered or a state/);
  });

  it("holds at most 1 MiB", () => {
    let sequence = startSequence("public/a");
    for (let seq = 1; seq <= 12; seq++) {
      const envelope = {
        channel: "public/a",
        epoch: "k3f9x0ab",
        after: seq,
        last: seq,
        updates: [],
      };
      [sequence] = step(sequence, { kind: "envelope", envelope, sizeBytes: 100 * 1024 });
    }
    expect(sequence.held.map(({ envelope }) => envelope.after)).toEqual([
      3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ]);
  });
});

/** What a run of deliveries and polls, in any order, may bring to one subscriber. */
const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      count: fc.integer({ min: 1, max: 4 }),
      pick: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("renew" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("forget" as const),
      keep: fc.integer({ min: 0, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      pick: fc.nat(),
      again: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("ask" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer" as const), pick: fc.nat() }) },
);

type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

/** One subscriber on a faulty road, and what the application was told. */
class Subscriber {
  readonly log = new Log();
  readonly events: number[] = [];
  readonly shown = new Map<string, unknown>();
  resets = 0;
  sequence = startSequence("public/a");
  #network: Message[] = [];
  #answers: { answer: object; askedFrom: Position | null }[] = [];
  #isPaging = false;
  readonly #keysPerPage: number;

  constructor(keysPerPage: number) {
    this.#keysPerPage = keysPerPage;
  }

  perform(one: Action): void {
    switch (one.do) {
      case "publish":
        this.#network.push(...this.log.publish(one.count, one.pick));
        break;
      case "renew":
        this.log.renewEpoch();
        break;
      case "forget":
        this.log.forget(one.keep);
        break;
      case "deliver":
        this.#deliver(one.pick, one.again);
        break;
      case "drop":
        this.#network.splice(one.pick % (this.#network.length || 1), 1);
        break;
      case "ask":
        this.ask();
        break;
      case "answer":
        this.#answer(one.pick);
    }
  }

  ask(): void {
    const place = placeOf(this.sequence);
    // A page is the answer to the one request outstanding [R4].
    if (this.#isPaging || this.sequence.pages.length > 0) this.#answers = [];
    this.#isPaging = this.sequence.pages.length > 0;
    const askedFrom = this.sequence.position;
    this.#answers.push({ answer: this.log.answer(place, this.#keysPerPage), askedFrom });
  }

  /** Nothing more is lost: all that is under way arrives, then polls until all is there. */
  rest(): void {
    while (this.#network.length > 0) this.#deliver(0, false);
    while (this.#answers.length > 0) this.#answer(0);
    for (let polls = 0; polls < 8; polls++) {
      this.ask();
      this.#answer(0);
    }
  }

  #deliver(pick: number, again: boolean): void {
    const index = pick % (this.#network.length || 1);
    const [message] = again ? this.#network.slice(index) : this.#network.splice(index, 1);
    if (message) this.#hear(stepEnvelope(this.sequence, JSON.stringify(message)));
  }

  #answer(pick: number): void {
    const [one] = this.#answers.splice(pick % (this.#answers.length || 1), 1);
    if (!one) return;
    const { askedFrom } = one;
    const answer = decodePart(JSON.parse(JSON.stringify(one.answer)));
    this.#hear(step(this.sequence, { kind: "answer", answer, askedFrom }));
  }

  #hear([sequence, outputs]: [Sequence, SequenceOutput[]]): void {
    this.sequence = sequence;
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

describe("any history of drops, doubles, reorders, late answers and epochs", () => {
  const history = fc.array(action, { maxLength: 60 });

  it("brings every event once and in order, and at rest the log's state", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 3 }), (actions, keysPerPage) => {
        const subscriber = new Subscriber(keysPerPage);
        subscriber.ask();
        for (const one of actions) subscriber.perform(one);
        subscriber.rest();
        const { log, sequence, events, shown, resets } = subscriber;
        expect(events).toEqual([...new Set(events)].sort((a, b) => a - b));
        expect(sequence.position).toEqual(log.tail);
        // An epoch that came and went unseen may stay held: it could as well be the next one.
        expect(sequence.held.map(({ envelope }) => envelope.epoch)).not.toContain(log.tail.epoch);
        expect(Object.fromEntries(sequence.state.map)).toEqual(log.state());
        expect(Object.fromEntries(shown)).toEqual(log.state());
        if (resets === 0) expect(events).toEqual(log.eventsAfter(events[0]));
      }),
      { numRuns: 3000 },
    );
  });
});
