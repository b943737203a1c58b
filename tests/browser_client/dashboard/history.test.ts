/** The recent course of a figure, and the axis over it. */

import { expect, test } from "vitest";
import { History, roundCeiling } from "../../../browser_client/dashboard/history.ts";

test("samples that left the window are forgotten and do not count for the peak", () => {
  const history = new History();
  history.append(0, 90);
  history.append(95_000, 10);
  expect(history.samples).toHaveLength(2);
  expect(history.peak(95_000)).toBe(10);
  history.append(98_001, 20);
  expect(history.samples.map(({ value }) => value)).toEqual([10, 20]);
});

test("a clock set back leaves nothing in the future", () => {
  const history = new History();
  for (const atMs of [1_000, 2_000, 3_000]) history.append(atMs, 1);
  history.append(2_000, 5);
  expect(history.samples).toEqual([
    { atMs: 1_000, value: 1 },
    { atMs: 2_000, value: 5 },
  ]);
});

test("a long pause cuts the line", () => {
  const history = new History();
  for (const atMs of [0, 8_000, 16_001, 17_000]) history.append(atMs, 1);
  expect(history.runs().map((run) => run.map(({ atMs }) => atMs))).toEqual([
    [0, 8_000],
    [16_001, 17_000],
  ]);
});

test.each([
  [0, 10_000, 10_000],
  [10_001, 10_000, 20_000],
  [2_400_000, 10_000, 5_000_000],
  [5_000_001, 10_000, 10_000_000],
  [0.3, 2, 2],
  [2.1, 2, 5],
])("a peak of %d over a floor of %d has its axis end at %d", (peak, floor, ceiling) => {
  expect(roundCeiling(peak, floor)).toBe(ceiling);
});
