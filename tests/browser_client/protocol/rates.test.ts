/** When a connection is sent too much, and which topic goes then. */
import { describe, expect, it } from "vitest";
import { RateMeter } from "../../../browser_client/src/protocol/rates.ts";

/** Count messages at an even rate from `fromMs` on; return what was to go, and when, in ms. */
function countEvenly(
  meter: RateMeter,
  topics: readonly string[],
  { perSecond, forMs, fromMs = 0 }: { perSecond: number; forMs: number; fromMs?: number },
): [string, number][] {
  const gone: [string, number][] = [];
  for (let number = 0; (number * 1000) / perSecond < forMs; number++) {
    const nowMs = fromMs + (number * 1000) / perSecond;
    const busiest = meter.count(topics[number % topics.length] as string, nowMs);
    if (busiest !== null) gone.push([busiest, nowMs]);
  }
  return gone;
}

describe("RateMeter", () => {
  it("lets 90 messages a second pass for as long as they like", () => {
    expect(countEvenly(new RateMeter(), ["a"], { perSecond: 90, forMs: 60_000 })).toEqual([]);
  });

  it("names the busiest topic within 2 s at the 100 a second that AWS IoT lets through", () => {
    const topics = ["a", "b", "b", "c"];
    expect(countEvenly(new RateMeter(), topics, { perSecond: 100, forMs: 2000 })).toEqual([
      ["b", 1800],
    ]);
  });

  it("lets a burst of 180 messages pass, and not the next", () => {
    const meter = new RateMeter();
    const found = Array.from({ length: 181 }, () => meter.count("a", 5));
    expect(found).toEqual([...Array(180).fill(null), "a"]);
  });

  it("begins anew when a topic has gone", () => {
    const meter = new RateMeter();
    for (let number = 0; number < 181; number++) meter.count("a", 0);
    expect(countEvenly(meter, ["b"], { perSecond: 90, forMs: 1000 })).toEqual([]);
  });

  it("counts no message for longer than 2 s", () => {
    const meter = new RateMeter();
    for (let number = 0; number < 180; number++) meter.count("a", 0);
    expect(meter.count("b", 1999)).toBe("a");
    for (let number = 0; number < 180; number++) meter.count("a", 5000);
    expect(meter.count("b", 7000)).toBe(null);
  });
});
