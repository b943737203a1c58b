/**
 * How much one connection is sent, and which topic has to go when it is too much.
 *
 * AWS IoT delivers at most 100 messages a second to one connection and drops what is more. The
 * busiest topic is given up shortly before that, so that what is dropped is not the others'.
 * Source: AWS IoT Core endpoints and quotas, "Outbound publish requests per second per connection".
 */

const WINDOW_MS = 2000;
/** 90 a second. */
const MAX_PER_WINDOW = 180;

/** Counts the messages of one connection. */
export class RateMeter {
  readonly #counts = new Map<string, number>();
  #sinceMs = Number.NEGATIVE_INFINITY;
  #total = 0;

  /**
   * Count a message; return the busiest topic when it is one too many, else null.
   *
   * @param nowMs when it came, from a clock that does not jump.
   */
  count(topic: string, nowMs: number): string | null {
    if (nowMs - this.#sinceMs >= WINDOW_MS) this.#restart(nowMs);
    this.#counts.set(topic, (this.#counts.get(topic) ?? 0) + 1);
    if (++this.#total <= MAX_PER_WINDOW) return null;
    const [busiest] = [...this.#counts].reduce((most, one) => (one[1] > most[1] ? one : most));
    this.#restart(nowMs);
    return busiest;
  }

  #restart(nowMs: number): void {
    this.#counts.clear();
    this.#sinceMs = nowMs;
    this.#total = 0;
  }
}
