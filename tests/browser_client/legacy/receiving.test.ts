/** What the script for old browsers makes of answers: rules R2 to R4, for one that only polls. */
import { describe, expect, it } from "vitest";
import { answer, EPOCH, event, events, placesOf, run, set, TestedFeed, whole } from "./feed.ts";

/** A feed whose first answer was the whole state at 3. */
function followed(state: object = { cpu: 1 }): TestedFeed {
  const tested = new TestedFeed();
  tested.answer({ "public/a": whole(3, state) });
  tested.news();
  return tested;
}

describe("a first answer", () => {
  it("tells the state as sets in order, then the events that rewind asked for, no reset", () => {
    const tested = new TestedFeed({ rewind: 2 });
    const state = { "\u{1f514}": 1, "\uff5e": 2, a: 3 };
    const request = tested.answer({ "public/a": whole(3, state, { u: events(1, 3) }) });
    expect(request.query).toEqual({ channels: "public/a", rewind: "2" });
    expect(tested.told).toEqual([
      [3, "set", "a", 3],
      [3, "set", "\u{1f514}", 1],
      [3, "set", "\uff5e", 2],
      [2, "event", 2],
      [3, "event", 3],
      state,
    ]);
  });

  it("tells a state that has no keys", () => {
    expect(followed({}).told).toEqual([]);
    const tested = new TestedFeed();
    tested.answer({ "public/a": whole(0) });
    expect(tested.told).toEqual([{}]);
  });
});

describe("updates", () => {
  it("have the fields of the module's", () => {
    const tested = followed();
    const wire = { s: 4, i: "order-7", t: 1795417463828, o: "set", k: "cpu", d: null };
    tested.answer(
      { "public/a": run(3, 5, [wire, { s: 5, t: 9, o: "delete", k: "cpu" }]) },
      "c",
      2000,
    );
    expect(tested.updates.slice(1)).toEqual([
      {
        ...{ channel: "public/a", epoch: EPOCH, seq: 4, op: "set", key: "cpu", data: null },
        ...{ at: 1795417463828, id: "order-7" },
      },
      { channel: "public/a", epoch: EPOCH, seq: 5, op: "delete", key: "cpu", at: 9 },
    ]);
  });

  it("are told once, whatever comes again", () => {
    const tested = followed();
    tested.answer({ "public/a": run(3, 5) }, "c", 2000);
    tested.answer({ "public/a": run(3, 6) }, "c", 2000);
    tested.answer({ "public/a": run(2, 4) }, "c", 2000);
    tested.answer({ "public/a": run(4, 6) }, "c", 2000);
    expect(tested.news()).toEqual([
      [4, "event", 4],
      [5, "event", 5],
      [6, "event", 6],
    ]);
  });

  it("change the state, which is told anew each time", () => {
    const states: object[] = [];
    const tested = new TestedFeed({ onState: (_, state) => states.push(state) });
    tested.answer({ "public/a": whole(3, { cpu: 1 }) });
    tested.answer({ "public/a": run(3, 5, [set(4, "cpu", 2), event(5)]) }, "c", 2000);
    tested.answer({ "public/a": run(5, 6) }, "c", 2000);
    tested.answer({ "public/a": run(6, 7, [{ s: 7, t: 0, o: "delete", k: "cpu" }]) }, "c", 2000);
    expect(states.map((state) => ({ ...state }))).toEqual([{ cpu: 1 }, { cpu: 2 }, {}]);
  });

  it("of an unknown op advance the position and change nothing else", () => {
    const tested = followed();
    tested.answer(
      { "public/a": run(3, 4, [{ s: 4, t: 0, o: "merge", k: "cpu", d: 9 }]) },
      "c",
      2000,
    );
    tested.answer({ "public/a": run(4, 5) }, "c", 2000);
    expect(tested.news()).toEqual([[5, "event", 5]]);
  });

  it("may have the keys that objects are made of", () => {
    const tested = new TestedFeed({ onState: (_, state) => tested.told.push(state) });
    const text = '{"__proto__":{"x":1},"constructor":2,"toString":3,"hasOwnProperty":4}';
    tested.answer({ "public/a": whole(3, JSON.parse(text)) });
    const state = tested.told.at(-1) as Record<string, unknown>;
    expect(Object.entries(state)).toEqual([
      ["__proto__", { x: 1 }],
      ["constructor", 2],
      ["toString", 3],
      ["hasOwnProperty", 4],
    ]);
    expect(state["valueOf"]).toBeUndefined();
    const proto = [set(4, "__proto__", 5), { s: 5, t: 0, o: "delete", k: "constructor" }];
    tested.answer({ "public/a": run(3, 5, proto) }, "c", 2000);
    const next = tested.told.at(-1) as Record<string, unknown>;
    expect(Object.entries(next)).toEqual([
      ["__proto__", 5],
      ["toString", 3],
      ["hasOwnProperty", 4],
    ]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});

describe("an answer that is not recovered", () => {
  it("is a reset, the differences with deletions, the events that are new, and the state", () => {
    const tested = followed({ a: { x: 1, y: [1, 2] }, b: 1, c: 1, __proto: 0 });
    const state = { a: { x: 1, y: [1, 2] }, b: { length: 0 }, d: null, __proto: 0 };
    tested.answer({ "public/a": whole(9, state, { u: events(2, 5) }) }, "c", 2000);
    expect(tested.news()).toEqual([
      "reset",
      [9, "delete", "c"],
      [9, "set", "b", { length: 0 }],
      [9, "set", "d", null],
      [4, "event", 4],
      [5, "event", 5],
      state,
    ]);
  });

  it.each([
    ["a list", { x: [] }, { x: {} }],
    ["an inherited member", { x: { constructor: 1 } }, { x: { b: 1 } }],
    ["a key __proto__", { x: JSON.parse('{"__proto__":{}}') }, { x: { b: {} } }],
    ["null", { x: null }, { x: {} }],
    ["a longer list", { x: [1] }, { x: [1, 2] }],
  ])("tells %s from what is like it", (_, before, after) => {
    const tested = followed(before);
    tested.answer({ "public/a": whole(9, after) }, "c", 2000);
    expect(tested.news()).toEqual(["reset", [9, "set", "x", after.x], after]);
  });

  it("of another epoch brings all of its events, and the old epoch is left behind", () => {
    const tested = followed();
    const other = { e: "otherone", u: events(0, 2) };
    tested.answer({ "public/a": whole(2, { cpu: 1 }, other) }, "c", 2000);
    expect(tested.news()).toEqual(["reset", [1, "event", 1], [2, "event", 2], { cpu: 1 }]);
    tested.answer({ "public/a": whole(50, { cpu: 7 }) }, "c", 2000);
    tested.answer({ "public/a": run(50, 51) }, "c", 2000);
    expect(tested.news()).toEqual([]);
  });

  it("of what was shown already says nothing", () => {
    const tested = followed();
    tested.answer({ "public/a": whole(3, { cpu: 5 }) }, "c", 2000);
    tested.answer({ "public/a": whole(2, { cpu: 6 }) }, "c", 2000);
    expect(tested.news()).toEqual([]);
  });

  it("in pages is shown when it is whole, with the first page's events", () => {
    const tested = followed();
    const page = (state: object, next: string | undefined, u: object[] = []) =>
      whole(9, state, { u, ...(next !== undefined && { next }) });
    tested.answer({ "public/a": page({ "": 1 }, "", events(3, 4)) }, "p1", 2000);
    tested.answer({ "public/a": page({}, "") }, "p2", 2000);
    expect(tested.news()).toEqual([]);
    expect(placesOf(tested.answer({ "public/a": page({ b: 2 }, undefined) }, "p3", 2000))).toEqual({
      "public/a": { epoch: EPOCH, seq: 9, page: "" },
    });
    expect(tested.news()).toEqual([
      "reset",
      [9, "delete", "cpu"],
      [9, "set", "", 1],
      [9, "set", "b", 2],
      [4, "event", 4],
      { "": 1, b: 2 },
    ]);
  });

  it.each(["", '"\\\n', "\u00e9\u{1f514}\uff5e\u2028"])("goes on after the key %j", (next) => {
    const tested = followed();
    tested.answer({ "public/a": whole(9, { [next]: 1 }, { next }) }, "c", 2000);
    expect(placesOf(tested.answer({ "public/a": whole(9) }, "c", 2000))).toEqual({
      "public/a": { epoch: EPOCH, seq: 9, page: next },
    });
  });

  it("in pages begins anew with another epoch, and is dropped by what is recovered", () => {
    const tested = followed();
    tested.answer({ "public/a": whole(9, { a: 1 }, { next: "a" }) }, "c", 2000);
    tested.answer({ "public/a": whole(2, { z: 1 }, { e: "otherone", next: "z" }) }, "c", 2000);
    tested.answer({ "public/a": run(3, 3) }, "c", 2000);
    tested.answer({ "public/a": whole(2, { zz: 1 }, { e: "otherone" }) }, "c", 2000);
    expect(tested.news()).toEqual(["reset", [2, "delete", "cpu"], [2, "set", "zz", 1], { zz: 1 }]);
  });
});

describe("continuity", () => {
  it("is never with what was left behind, not even from never written", () => {
    const tested = followed();
    tested.answer({ "public/a": whole(0, {}, { e: "0" }) }, "c", 2000);
    tested.news();
    tested.answer({ "public/a": run(0, 3) }, "c", 2000);
    expect(tested.news()).toEqual([]);
  });

  it("of a channel does not wait for one whose answers are not heard", () => {
    const tested = new TestedFeed({ channels: ["public/a", "public/b"] });
    const other = { e: "otherone" };
    tested.answer({ "public/a": whole(9), "public/b": whole(1) });
    tested.answer({ "public/a": whole(3, {}, other), "public/b": run(1, 2) }, "c", 2000);
    tested.answer({ "public/a": whole(9), "public/b": run(2, 4) }, "c", 2000);
    const request = tested.answer({ "public/a": whole(9), "public/b": run(4, 4) }, "c", 2000);
    expect(placesOf(request)).toEqual({
      "public/a": { epoch: "otherone", seq: 3 },
      "public/b": { epoch: EPOCH, seq: 4 },
    });
  });

  it("holds from never written into the first epoch", () => {
    const tested = new TestedFeed();
    tested.answer({ "public/a": whole(0, {}, { e: "0" }) });
    tested.answer({ "public/a": run(0, 2) }, "c", 2000);
    expect(tested.news()).toEqual([{}, [1, "event", 1], [2, "event", 2]]);
  });

  it.each([
    ["a gap", run(5, 6)],
    ["an epoch that is not ours", { ...run(3, 4), e: "otherone" }],
    ["an epoch left behind", { ...run(3, 4), e: "leftleft" }],
    ["a state of an epoch left behind", whole(50, {}, { e: "leftleft" })],
  ])("is sought from where the channel is, not from where the answer was, after %s", (_, part) => {
    const tested = new TestedFeed();
    tested.answer({ "public/a": whole(9, {}, { e: "leftleft" }) });
    tested.answer({ "public/a": whole(3, { cpu: 1 }) }, "mine", 2000);
    tested.news();
    tested.reply({ body: answer({ "public/a": part }, "astray", true) }, 2000);
    expect(tested.news()).toEqual([]);
    expect(tested.browser.nextTimerMs).toBe(2000);
    const again = tested.answer({ "public/a": run(3, 5) }, "c", 2000);
    expect(placesOf(again)).toEqual({ "public/a": { epoch: EPOCH, seq: 3 } });
    expect(tested.news()).toEqual([
      [4, "event", 4],
      [5, "event", 5],
    ]);
  });
});

it("tells a callback that throws to the window, and goes on", () => {
  const seen: number[] = [];
  const tested = new TestedFeed({
    onUpdate: ({ seq }) => {
      seen.push(seq);
      throw new Error(`at ${seq}`);
    },
  });
  const thrown: unknown[] = [];
  tested.browser.thrown = thrown;
  tested.answer({ "public/a": whole(0) });
  tested.answer({ "public/a": run(0, 2) }, "c", 2000);
  tested.answer({ "public/a": run(2, 3) }, "c", 2000);
  tested.browser.pass(0);
  expect(seen).toEqual([1, 2, 3]);
  expect(thrown.map(String)).toEqual(["Error: at 1", "Error: at 2", "Error: at 3"]);
});

it("tells nothing after it was stopped by a callback", () => {
  const seen: number[] = [];
  const tested = new TestedFeed({
    onUpdate: ({ seq }) => {
      seen.push(seq);
      tested.feed.stop();
    },
  });
  tested.reply({ body: answer({ "public/a": whole(2, {}, { u: events(0, 2) }) }, "c") });
  expect(seen).toEqual([1]);
  expect(tested.told).toEqual([]);
  expect(tested.browser.timers).toBe(0);
});
