/** The status line in words. */

import { expect, test } from "vitest";
import {
  freshnessWords,
  judge,
  statusWords,
  transportWords,
} from "../../../browser_client/dashboard/freshness.ts";

const LAST_MS = new Date(2026, 10, 23, 13, 27, 3).getTime();

test.each([
  ["live", 250, "fresh"],
  ["polling", 9_999, "fresh"],
  ["live", 10_000, "stale"],
  ["connecting", 250, "stale"],
  ["offline", 0, "stale"],
  ["failed", 0, "stale"],
] as const)("%s, %d ms after the last value: %s", (status, agoMs, freshness) => {
  expect(judge(status, LAST_MS, LAST_MS + agoMs)).toBe(freshness);
});

test("before the first value the page waits, and says when waiting is vain", () => {
  expect(judge("live", null, LAST_MS)).toBe("waiting");
  expect(freshnessWords("live", null, LAST_MS)).toBe("Waiting for the first values");
  expect(freshnessWords("failed", null, LAST_MS)).toBe("No values");
});

test("a stale screen says since when", () => {
  expect(freshnessWords("offline", LAST_MS, LAST_MS + 12_000)).toBe(
    "Stale since 13:27:03, 12\u00a0s ago",
  );
  expect(freshnessWords("live", LAST_MS, LAST_MS + 250)).toBe("Values are current");
});

test("status and transport have words", () => {
  expect(statusWords("polling")).toBe("Polling");
  expect([transportWords("push"), transportWords("poll"), transportWords(null)]).toEqual([
    "push over WebSocket",
    "poll over HTTP",
    "no transport",
  ]);
});
