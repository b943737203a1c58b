/** Who listens to what. A listener that throws is reported and stops nobody else. */

export interface Listeners<Events> {
  /** Add a listener; the function returned removes it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void;
  /** Tell whether anybody listens. */
  has(name: keyof Events): boolean;
  tell<Name extends keyof Events>(name: Name, value: Events[Name]): void;
  /** Forget them all. */
  clear(): void;
}

type Entry = readonly [name: unknown, listener: (value: never) => void];

export function startListeners<Events>(): Listeners<Events> {
  const all = new Set<Entry>();
  return {
    on(name, listener) {
      // One function given twice counts twice.
      const entry: Entry = [name, listener];
      all.add(entry);
      return () => {
        all.delete(entry);
      };
    },
    clear: () => all.clear(),
    has: (name) => [...all].some((entry) => entry[0] === name),
    tell(name, value) {
      for (const entry of [...all]) {
        try {
          // One that another has just ended is not called.
          if (entry[0] === name && all.has(entry)) entry[1](value as never);
        } catch (error) {
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}
