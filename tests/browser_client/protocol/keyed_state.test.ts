/** Keyed state, against a plain map that is copied each time. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { KeyedState } from "../../../browser_client/src/protocol/keyed_state.ts";

it("changes key by key", () => {
  const state = new KeyedState(new Map<string, unknown>([["a", 1]])).with([
    ["b", null],
    ["a", undefined],
    ["c", 3],
  ]);
  expect([...state.map]).toEqual([
    ["b", null],
    ["c", 3],
  ]);
});

it("has one map for each version", () => {
  const state = new KeyedState(new Map()).with([["a", 1]]);
  const { map } = state;
  expect(state.map).toBe(map);
  expect(state.with([["a", 2]]).map).not.toBe(map);
  expect([...map]).toEqual([["a", 1]]);
});

it("may be changed in two ways from one version", () => {
  const state = new KeyedState(new Map()).with([["a", 1]]);
  const [one, other] = [state.with([["b", 1]]), state.with([["b", 2]])];
  expect([one.map.get("b"), other.map.get("b"), state.map.get("b")]).toEqual([1, 2, undefined]);
});

it("is what a copied map is, whichever versions are looked at and when", () => {
  const change = fc.tuple(fc.constantFrom("a", "b", "c"), fc.option(fc.nat(), { nil: undefined }));
  const version = fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 40 }),
    isLookedAt: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(version, { maxLength: 20 }), (versions) => {
      const plain = new Map<string, unknown>();
      let state = new KeyedState(new Map());
      const seen: [KeyedState, object][] = [];
      for (const { changes, isLookedAt } of versions) {
        for (const [key, value] of changes) {
          if (value === undefined) plain.delete(key);
          else plain.set(key, value);
        }
        state = state.with(changes);
        if (isLookedAt) expect(Object.fromEntries(state.map)).toEqual(Object.fromEntries(plain));
        seen.push([state, Object.fromEntries(plain)]);
      }
      for (const [one, expected] of seen) expect(Object.fromEntries(one.map)).toEqual(expected);
    }),
  );
});
