/**
 * The whole machine and the hub of tabs against models of the service and the broker, in random
 * histories: `BELLWIRE_HISTORIES` says how many, `BELLWIRE_SEED` replays one, told line by line.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KINDS, type Tally } from "./faults.ts";
import { History, play } from "./history.ts";
import { printTrace } from "./trace.ts";

const HISTORIES = Number(process.env["BELLWIRE_HISTORIES"] ?? 20_000);
const SEED = process.env["BELLWIRE_SEED"];
/** So that no test keeps the runner waiting for long. */
const BATCH = 500;
const BATCHES = Array.from({ length: Math.ceil(HISTORIES / BATCH) }, (_, index) => index * BATCH);
/** A history takes a few; a machine may be busy with other things. */
const MOST_MS = 200;

const tally: Tally = new Map();

function playAll(): void {
  it.each(BATCHES)(
    "nothing is lost, doubled, reordered or another's, and at rest all is whole (from %i on)",
    (start) => {
      const seeds = fc.noShrink(fc.integer());
      const numRuns = Math.min(BATCH, HISTORIES - start);
      fc.assert(
        fc.property(seeds, (seed) => play(seed, tally)),
        { numRuns },
      );
    },
    BATCH * MOST_MS,
  );

  // Of fewer histories, chance may leave something out.
  if (HISTORIES < 2000) return;
  it.each(KINDS)("%s is met", (kind) => {
    expect(tally.get(kind) ?? 0).toBeGreaterThan(HISTORIES / 200);
  });
}

if (SEED === undefined) describe("in any history", playAll);
else it("replays one history", () => new History(Number(SEED), tally, printTrace).run());
