/** A history for the eye: each event (<) and effect (>) of each page on a line of its own. */
import type { Effect, Event } from "../../../browser_client/src/protocol/machine.ts";
import type { Trace } from "./history.ts";
import { askedBy } from "./service.ts";

export const printTrace: Trace = (nowMs, page, what) => {
  if (what.kind === "StartTimer") return;
  const time = (nowMs / 1000).toFixed(3).padStart(9);
  console.log(`${time} s page ${page.id} ${isEffect(what) ? ">" : "<"} ${what.kind} ${show(what)}`);
};

const EFFECTS: readonly string[] = [
  "FetchCredentials",
  "OpenSocket",
  "CloseSocket",
  "Subscribe",
  "Unsubscribe",
  "Ping",
  "Poll",
  "Deliver",
  "SetStatus",
  "ReportError",
] satisfies Effect["kind"][];

function isEffect({ kind }: Event | Effect): boolean {
  return EFFECTS.includes(kind);
}

function show(what: Event | Effect): string {
  const { kind: _, ...fields } = what;
  const shown = what.kind === "Poll" ? { ...fields, query: askedBy(what.query) } : fields;
  return JSON.stringify(shown, (key, value) => {
    if (value instanceof Map) return Object.fromEntries(value);
    return value instanceof Error
      ? `${value.name}: ${value.message}`
      : key === "t"
        ? undefined
        : value;
  });
}
