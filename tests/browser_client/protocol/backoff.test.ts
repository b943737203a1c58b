/** Delays between tries. */
import { expect, it } from "vitest";
import { backoffMs } from "../../../browser_client/src/protocol/backoff.ts";

it.each([
  [0, 0, 0],
  [0, 0.5, 250],
  [1, 0.5, 500],
  [5, 0.5, 8000],
  [6, 0.5, 15_000],
  [1000, 0.5, 15_000],
])("attempt %i with chance %f waits %i ms", (attempt, random, expected) => {
  expect(backoffMs(attempt, random)).toBe(expected);
});
