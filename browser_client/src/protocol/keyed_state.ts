/**
 * A channel's keyed state that costs little more to change than what changes.
 *
 * Each version is a value of its own: older ones stay as they were. The map of a version is made
 * when somebody looks at it, or once the changes since the last map are an eighth of its keys.
 */

/** A key and its new value; undefined, which JSON has not, deletes the key. */
export type Change = readonly [key: string, value: unknown];

/** Fewer changes than this are not worth a new map. */
const FEWEST = 64;

export class KeyedState {
  #map: ReadonlyMap<string, unknown>;
  #changes: readonly Change[];

  constructor(map: ReadonlyMap<string, unknown>, changes: readonly Change[] = []) {
    this.#map = map;
    this.#changes = changes;
  }

  /** The value of each key; the same map for as long as it is the same version. */
  get map(): ReadonlyMap<string, unknown> {
    if (this.#changes.length > 0) {
      const map = new Map(this.#map);
      for (const [key, value] of this.#changes) {
        if (value === undefined) map.delete(key);
        else map.set(key, value);
      }
      this.#map = map;
      this.#changes = [];
    }
    return this.#map;
  }

  /** Return the version after this one. */
  with(changes: readonly Change[]): KeyedState {
    const all = [...this.#changes, ...changes];
    const next = new KeyedState(this.#map, all);
    return all.length > Math.max(FEWEST, this.#map.size / 8) ? new KeyedState(next.map) : next;
  }
}
