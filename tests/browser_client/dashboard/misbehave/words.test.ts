/** What the panel says of faults and counts. */

import { expect, test } from "vitest";
import {
  faultWords,
  isKept,
  summaryWords,
  verdictWords,
} from "../../../../browser_client/dashboard/misbehave/words.ts";

const COUNTS = { received: 5, dropped: 0, gaps: 1, filled: 1, told: 9 };

test.each([
  [{}, "nothing"],
  [{ seed: 7 }, "nothing"],
  [
    { drop: 0.1, publish_403: 0.025, cut_after: "10s", close_at_expiry: true, seed: 7 },
    "drop 10\u00a0%, publish 403 2.5\u00a0%, cut after 10s, close at expiry true",
  ],
])("%j are in force: %s", (faults, words) => {
  expect(faultWords(faults)).toBe(words);
});

test.each([
  [{ lost: 0, doubled: 0, outOfOrder: 0 }, "lost 0 · doubled 0 · out of order 0", true],
  [{ lost: 1_234, doubled: 0, outOfOrder: 0 }, "lost 1,234 · doubled 0 · out of order 0", false],
  [{ lost: 0, doubled: 0, outOfOrder: 2 }, "lost 0 · doubled 0 · out of order 2", false],
])("%j", (verdict, words, kept) => {
  const counts = { ...COUNTS, ...verdict };
  expect(verdictWords(counts).replaceAll("\u00a0", " ")).toBe(words);
  expect(isKept(counts)).toBe(kept);
  expect(summaryWords(counts)).toContain("1 gap, 1 update filled from the log; lost");
});
