/** Runs the pure machine: gives it clock, chance and its timer, and has its effects performed. */
import { type Connection, type Effect, type Event, NEVER, type Step } from "./protocol/machine.ts";

/** All but the timer, which the runner has for itself. */
export type PerformedEffect = Exclude<Effect, { kind: "StartTimer" }>;

export interface Runner {
  /** The effects that wait their turn, the one that is being performed first. */
  readonly pending: readonly Effect[];
  /** The machine as of the last event. */
  readonly connection: Connection;
  /** Take in an event; it counts at once, the effects of those that effects cause wait their turn. */
  readonly dispatch: (event: Event) => void;
}

/** A browser takes a longer delay for none. Source: HTML, "timers" (a 32-bit signed integer). */
const LONGEST_MS = 2 ** 31 - 1;

export function startRunner(
  step: Step,
  first: Connection,
  perform: (effect: PerformedEffect) => void,
  debug: (what: Event | Effect) => void,
): Runner {
  const effects: Effect[] = [];
  let connection = first;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function dispatch(event: Event): void {
    debug(event);
    const [next, caused] = step(connection, event, { nowMs: readClock(), random: Math.random() });
    connection = next;
    if (effects.push(...caused) > caused.length) return;
    for (const effect of effects) {
      debug(effect);
      if (effect.kind === "StartTimer") startTimer(effect.atMs);
      else perform(effect);
    }
    effects.length = 0;
  }

  function startTimer(atMs: number): void {
    clearTimeout(timer);
    const delayMs = Math.min(LONGEST_MS, Math.ceil(Math.max(0, atMs - readClock())));
    if (atMs < NEVER) timer = setTimeout(dispatch, delayMs, { kind: "TimerFired" });
  }

  return {
    pending: effects,
    get connection() {
      return connection;
    },
    dispatch,
  };
}

let shiftMs = 0;
let lastMs = 0;

/** Milliseconds since the epoch that never go back, and do go on while the device sleeps. */
function readClock(): number {
  shiftMs = Math.max(shiftMs, lastMs - Date.now());
  lastMs = Date.now() + shiftMs;
  return lastMs;
}
