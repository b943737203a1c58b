/** The ledger finds what a client that breaks its word does, and nothing where it keeps it. */

import { expect, test } from "vitest";
import { ChannelLedger, type Run } from "../../../../browser_client/dashboard/misbehave/ledger.ts";
import type { SequenceOutput } from "../../../../browser_client/src/protocol/sequence.ts";

const EPOCH = "k3f9x0ab";
const GOOD = { lost: 0, doubled: 0, outOfOrder: 0 };

/** What covers `after`+1 … the last of `seqs`, with these as survivors of conflation. */
function run(after: number, ...seqs: number[]): Run {
  const updates = seqs.map((s) => ({ s, t: 0, o: "set", k: "cpu", d: s }));
  return { epoch: EPOCH, after, last: seqs.at(-1) ?? after, updates };
}

function told(...seqs: number[]): SequenceOutput[] {
  return seqs.map((seq) => {
    const update = { channel: "public/a", epoch: EPOCH, seq, op: "set" as const, key: "cpu" };
    return { kind: "update", update };
  });
}

function startedAt(seq: number): ChannelLedger {
  const ledger = new ChannelLedger();
  ledger.takeSnapshot({ epoch: EPOCH, seq });
  ledger.judge([], true);
  return ledger;
}

test.each([
  ["one by one", [run(10, 11), run(11, 12)], [11, 12]],
  ["conflated", [run(10, 14)], [14]],
  ["conflated by a poll", [run(10, 11), run(10, 13, 16)], [13, 16]],
  ["conflated by the later of two", [run(10, 11, 12), run(10, 11, 15)], [11, 12, 15]],
  ["in pieces that overlap", [run(10, 13), run(11, 14, 16)], [13, 14, 16]],
])("%s is well", (_, runs, seqs) => {
  const ledger = startedAt(10);
  for (const one of runs) ledger.takeRun(one);
  expect(ledger.judge(told(...seqs), false)).toBe(seqs.length);
  expect(ledger.verdict).toEqual(GOOD);
  expect(ledger.isBehind).toBe(false);
});

test.each([
  ["a number that never came", [run(10, 11), run(13, 14)], [11, 14], { ...GOOD, lost: 2 }],
  ["a survivor that was not told", [run(10, 11, 12, 13)], [11, 13], { ...GOOD, lost: 1 }],
  ["the same twice", [run(10, 11, 12)], [11, 12, 12], { ...GOOD, doubled: 1 }],
  ["the same twice, later", [run(10, 11, 12)], [11, 12, 11], { ...GOOD, doubled: 1 }],
  ["an older one last", [run(10, 11, 12)], [12, 11], { lost: 1, doubled: 0, outOfOrder: 1 }],
  ["what was in the snapshot", [], [9], { ...GOOD, outOfOrder: 1 }],
])("%s is not", (_, runs, seqs, verdict) => {
  const ledger = startedAt(10);
  for (const one of runs) ledger.takeRun(one);
  ledger.judge(told(...seqs), false);
  expect(ledger.verdict).toEqual(verdict);
});

test("a snapshot may pass over numbers and come in any order, what follows it may not", () => {
  const ledger = startedAt(10);
  ledger.takeRun(run(50, 51));
  ledger.takeSnapshot({ epoch: EPOCH, seq: 50 });
  expect(ledger.judge([{ kind: "reset" }, ...told(50, 50, 44, 51)], false)).toBe(1);
  expect([ledger.place, ledger.verdict]).toEqual([{ epoch: EPOCH, seq: 51 }, GOOD]);
  ledger.judge(told(53), false);
  expect(ledger.verdict).toEqual({ ...GOOD, lost: 1 });
});

test("another epoch without a reset begins at its first number", () => {
  const ledger = startedAt(10);
  const other = { epoch: "another0", after: 0, last: 2, updates: run(0, 2).updates };
  ledger.takeRun(other);
  const update = { channel: "public/a", epoch: "another0", seq: 2, op: "set" as const, key: "cpu" };
  ledger.judge([{ kind: "update", update }], false);
  expect(ledger.verdict).toEqual(GOOD);
});

test.each([
  ["the next", run(10, 11), { kind: "fits" }],
  ["one too far", run(12, 13), { kind: "gap", missing: 2 }],
  ["what ends before", run(8, 9, 10), { kind: "late" }],
  ["another epoch", { ...run(10, 11), epoch: "another0" }, { kind: "unknown" }],
])("%s is met as such", (_, one, arrival) => {
  expect(startedAt(10).takeRun(one)).toEqual(arrival);
});

test("the same message again is a double, and what is held fills its part of a gap", () => {
  const ledger = startedAt(10);
  expect(ledger.takeRun(run(12, 13))).toEqual({ kind: "gap", missing: 2 });
  expect(ledger.takeRun(run(12, 13))).toEqual({ kind: "double" });
  expect(ledger.takeRun(run(14, 15))).toEqual({ kind: "gap", missing: 3 });
  expect(ledger.isBehind).toBe(true);
});
