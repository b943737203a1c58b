/** Who listens to what. A listener that throws is reported and stops nobody else. */

export class Listeners<Events extends Record<keyof Events, unknown>> {
  readonly #byEvent = new Map<keyof Events, Set<(value: never) => void>>();

  /** Add a listener; the function returned removes it. */
  add<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    const set = this.#byEvent.get(name) ?? new Set();
    this.#byEvent.set(name, set);
    // One function given twice counts twice.
    const own = (value: Events[Name]) => listener(value);
    set.add(own);
    return () => {
      set.delete(own);
    };
  }

  /** Tell whether anybody listens. */
  has(name: keyof Events): boolean {
    return (this.#byEvent.get(name)?.size ?? 0) > 0;
  }

  tell<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of [...(this.#byEvent.get(name) ?? [])]) {
      try {
        (listener as (value: Events[Name]) => void)(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
