/** The recent course of one figure, for a chart. Pure: times are given. */

export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

/** How much time a chart shows. */
export const WINDOW_MS = 90_000;
/** A pause longer than this is drawn as a gap: well above the poll interval, and no line is invented across an outage. */
export const GAP_MS = 8_000;

export class History {
  #samples: Sample[] = [];

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** Append a sample, forget what has left the window; after the publisher's clock was set back, forget what would lie ahead. */
  append(atMs: number, value: number): void {
    const oldestMs = atMs - WINDOW_MS - GAP_MS;
    const kept = this.#samples.filter((held) => held.atMs >= oldestMs && held.atMs < atMs);
    this.#samples = [...kept, { atMs, value }];
  }

  /** Answer the greatest value in the window that ends at `endMs`; 0 when there is none. */
  peak(endMs: number): number {
    const seen = this.#samples.filter((sample) => sample.atMs >= endMs - WINDOW_MS);
    return seen.reduce((peak, sample) => Math.max(peak, sample.value), 0);
  }

  /** Cut the samples into runs without a long pause; each run is one unbroken line. */
  runs(): readonly (readonly Sample[])[] {
    const runs: Sample[][] = [];
    let beforeMs = Number.NEGATIVE_INFINITY;
    for (const sample of this.#samples) {
      if (sample.atMs - beforeMs > GAP_MS) runs.push([]);
      runs.at(-1)?.push(sample);
      beforeMs = sample.atMs;
    }
    return runs;
  }
}

/** Answer the next round number (1, 2 or 5 times a power of ten) from `peak` up, at least `floor`: the top of an axis. */
export function roundCeiling(peak: number, floor: number): number {
  const wanted = Math.max(peak, floor);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5].find((factor) => factor * power >= wanted) ?? 10;
  return step * power;
}
