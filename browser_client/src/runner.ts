/** Runs the pure machine: gives it clock, chance and its timer, and has its effects performed. */
import { step } from "./protocol/connection.ts";
import { type Connection, type Effect, type Event, NEVER } from "./protocol/machine.ts";

export interface Runner {
  /** The machine as of the last event. */
  readonly connection: Connection;
  /** Take in an event; it counts at once, the effects of those that effects cause wait their turn. */
  readonly dispatch: (event: Event) => void;
}

export function startRunner(
  first: Connection,
  perform: (effect: Effect) => void,
  debug?: (what: Event | Effect) => void,
): Runner {
  const effects: Effect[] = [];
  let connection = first;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function dispatch(event: Event): void {
    debug?.(event);
    const [next, caused] = step(connection, event, { nowMs: readClock(), random: Math.random() });
    connection = next;
    if (effects.push(...caused) > caused.length) return;
    for (let effect = effects[0]; effect; effect = effects[0]) {
      debug?.(effect);
      if (effect.kind === "StartTimer") startTimer(effect.atMs);
      else perform(effect);
      effects.shift();
    }
  }

  function startTimer(atMs: number): void {
    clearTimeout(timer);
    const delayMs = Math.ceil(Math.max(0, atMs - readClock()));
    if (atMs < NEVER) timer = setTimeout(dispatch, delayMs, { kind: "TimerFired" });
  }

  return {
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
