/** The window of delays and its percentiles. */

import { expect, test } from "vitest";
import { DelayWindow } from "../../../browser_client/dashboard/delays.ts";

test("an empty window knows nothing", () => {
  const delays = new DelayWindow();
  expect([delays.count, delays.p50Ms, delays.p99Ms, delays.latestMs]).toEqual([
    0,
    null,
    null,
    null,
  ]);
});

test("percentiles are by nearest rank, whatever the order of arrival", () => {
  const delays = new DelayWindow();
  for (let delayMs = 100; delayMs >= 1; delayMs -= 1) delays.add(delayMs);
  expect([delays.p50Ms, delays.p99Ms, delays.percentileMs(100)]).toEqual([50, 99, 100]);
  expect(delays.latestMs).toBe(1);
});

test("the oldest leaves a full window, and what is no number never enters", () => {
  const delays = new DelayWindow(3);
  for (const delayMs of [9, 1, Number.NaN, 2, 3]) delays.add(delayMs);
  expect([delays.count, delays.percentileMs(100)]).toEqual([3, 3]);
});

test("two hundred are kept by default", () => {
  const delays = new DelayWindow();
  for (let delayMs = 0; delayMs < 250; delayMs += 1) delays.add(delayMs);
  expect([delays.count, delays.percentileMs(0.5)]).toEqual([200, 50]);
});
