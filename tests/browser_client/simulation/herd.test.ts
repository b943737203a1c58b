/** What a herd does to the server: a tenth of the machines, on a tenth of AWS IoT's quota. */
import { expect, it } from "vitest";
import { runHerd } from "./herd.ts";

const MACHINES = 1000;
const ACCEPTED_PER_S = 50;
/** Twice what the quota alone takes, and the longest pause between two tries. */
const LIVE_WITHIN_MS = 70_000;
/** In the worst second of all; so that never all of them ask within one. */
const MOST_CONNECTS_EACH_PER_S = 0.8;
/** A machine that is polling does so every 2 s. */
const MOST_POLLS_EACH_PER_S = 1.5;
/** Virtual time costs real time; a machine may be busy with other things. */
const LIMIT_MS = 120_000;

it.each([0, 5000, 60_000])(
  "a herd whose broker is away for %i ms spreads its tries and is live again",
  (awayMs) => {
    const figures = runHerd({ machines: MACHINES, awayMs, acceptedPerS: ACCEPTED_PER_S });
    expect(figures.liveAgainMs).toBeLessThan(LIVE_WITHIN_MS);
    expect(figures.connectsPerS).toBeLessThan(MOST_CONNECTS_EACH_PER_S * MACHINES);
    expect(figures.pollsPerS).toBeLessThan(MOST_POLLS_EACH_PER_S * MACHINES);
  },
  LIMIT_MS,
);
