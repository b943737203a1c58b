/** The publish-to-screen delays of the newest updates, and their percentiles. Pure: who measures is elsewhere. */

const DELAYS_KEPT = 200;

/** A window over the newest delays, in ms. */
export class DelayWindow {
  readonly #delaysMs: number[] = [];
  readonly #kept: number;

  constructor(kept: number = DELAYS_KEPT) {
    this.#kept = kept;
  }

  add(delayMs: number): void {
    if (!Number.isFinite(delayMs)) return;
    this.#delaysMs.push(delayMs);
    if (this.#delaysMs.length > this.#kept) this.#delaysMs.shift();
  }

  get count(): number {
    return this.#delaysMs.length;
  }

  get latestMs(): number | null {
    return this.#delaysMs.at(-1) ?? null;
  }

  get p50Ms(): number | null {
    return this.percentileMs(50);
  }

  get p99Ms(): number | null {
    return this.percentileMs(99);
  }

  /** Answer the smallest kept delay that at least `percent` (over 0, to 100) of all do not exceed: the nearest-rank percentile. */
  percentileMs(percent: number): number | null {
    const ascending = this.#delaysMs.toSorted((a, b) => a - b);
    return ascending[Math.ceil((percent / 100) * ascending.length) - 1] ?? null;
  }
}
