/** The faults of the service that has served this page: `/dev/…`, which only a developer's machine has. */

/** What is in force, by its word: `{"drop": 0.1, "cut_after": "10s", "seed": 7}`; `{}` for nothing. */
export type FaultWords = Readonly<Record<string, unknown>>;

export interface Faults {
  /** Answer what is in force; null where nothing can be broken from here. */
  read(): Promise<FaultWords | null>;
  /** Put these into force and no others; answer what is in force then. */
  set(faults: FaultWords): Promise<FaultWords>;
  /** End every connection, once. */
  cut(): Promise<void>;
  /** End the credentials that are out, and their connections, once. */
  expire(): Promise<void>;
}

/** The names under which the service answers below `/dev/` at all. */
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Reach the faults of a page's own origin; `hostname` is the page's. */
export function faultsOf(hostname: string): Faults {
  return {
    read: async () => {
      if (!LOOPBACK.has(hostname)) return null;
      try {
        const answer = await fetch("/dev/faults");
        return answer.ok ? await answer.json() : null;
      } catch {
        return null;
      }
    },
    set: (faults) => post("/dev/faults", faults),
    cut: async () => void (await post("/dev/cut", {})),
    expire: async () => void (await post("/dev/expire", {})),
  };
}

async function post(path: string, content: FaultWords): Promise<FaultWords> {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(content) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error?.message ?? `found status ${answer.status}`);
  return found;
}
