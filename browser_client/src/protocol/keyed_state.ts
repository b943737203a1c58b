/**
 * A channel's keyed state that costs no more to change than what changes.
 *
 * Each version is a value of its own: older ones stay as they were. The map of a version is made
 * when somebody looks at it, or once the changes since the last map outnumber its keys.
 */

/** A key and its new value; undefined, which JSON has not, deletes the key. */
export type Change = readonly [key: string, value: unknown];

/** Fewer changes than this are not worth a new map. */
const FEWEST = 64;

export class KeyedState {
  #map: ReadonlyMap<string, unknown>;
  /** Shared with the versions that follow, which add to its end. */
  #log: Change[];
  /** How many of the log are this version's. */
  #count: number;

  constructor(map: ReadonlyMap<string, unknown>, log: Change[] = []) {
    this.#map = map;
    this.#log = log;
    this.#count = log.length;
  }

  /** The value of each key; the same map for as long as it is the same version. */
  get map(): ReadonlyMap<string, unknown> {
    if (this.#count > 0) {
      const map = new Map(this.#map);
      for (const [key, value] of this.#log.slice(0, this.#count)) {
        if (value === undefined) map.delete(key);
        else map.set(key, value);
      }
      this.#map = map;
      this.#log = [];
      this.#count = 0;
    }
    return this.#map;
  }

  /** Return the version after this one. */
  with(changes: readonly Change[]): KeyedState {
    const isNewest = this.#log.length === this.#count;
    const log = isNewest ? this.#log : this.#log.slice(0, this.#count);
    for (const change of changes) log.push(change);
    const next = new KeyedState(this.#map, log);
    return log.length > Math.max(FEWEST, this.#map.size) ? new KeyedState(next.map) : next;
  }
}
