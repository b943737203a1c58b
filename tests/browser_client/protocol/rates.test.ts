/** When a connection is sent too much, and which topic goes then. */
import { describe, expect, it } from "vitest";
import { startMeter } from "../../../browser_client/src/protocol/rates.ts";

/** Count messages at an even rate from `fromMs` on; return what was to go, and when, in ms. */
function countEvenly(
  count: ReturnType<typeof startMeter>,
  topics: readonly string[],
  { perSecond, forMs, fromMs = 0 }: { perSecond: number; forMs: number; fromMs?: number },
): [string, number][] {
  const gone: [string, number][] = [];
  for (let number = 0; (number * 1000) / perSecond < forMs; number++) {
    const nowMs = fromMs + (number * 1000) / perSecond;
    const busiest = count(topics[number % topics.length] as string, nowMs);
    if (busiest !== undefined) gone.push([busiest, nowMs]);
  }
  return gone;
}

describe("a meter", () => {
  it("lets 90 messages a second pass for as long as they like", () => {
    expect(countEvenly(startMeter(), ["a"], { perSecond: 90, forMs: 60_000 })).toEqual([]);
  });

  it("names the busiest topic within 2 s at the 100 a second that AWS IoT lets through", () => {
    const topics = ["a", "b", "b", "c"];
    expect(countEvenly(startMeter(), topics, { perSecond: 100, forMs: 2000 })).toEqual([
      ["b", 1800],
    ]);
  });

  it("lets a burst of 180 messages pass, and not the next", () => {
    const count = startMeter();
    const found = Array.from({ length: 181 }, () => count("a", 5));
    expect(found).toEqual([...Array(180).fill(undefined), "a"]);
  });

  it("begins anew when a topic has gone", () => {
    const count = startMeter();
    for (let number = 0; number < 181; number++) count("a", 0);
    expect(countEvenly(count, ["b"], { perSecond: 90, forMs: 1000 })).toEqual([]);
  });

  it("counts no message for longer than 2 s", () => {
    const count = startMeter();
    for (let number = 0; number < 180; number++) count("a", 0);
    expect(count("b", 1999)).toBe("a");
    for (let number = 0; number < 180; number++) count("a", 5000);
    expect(count("b", 7000)).toBe(undefined);
  });
});
