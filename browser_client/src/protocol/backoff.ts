/** How long to wait before the next try. The random number is given, 0 ≤ random < 1. */

const BASE_MS = 500;
const CAP_MS = 30_000;

/**
 * Return a delay by full jitter: anywhere between 0 and a bound that doubles with each attempt.
 *
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
 */
export function backoffMs(attempt: number, random: number): number {
  return random * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
