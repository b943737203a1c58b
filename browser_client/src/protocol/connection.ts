/**
 * A client's life as one pure machine: `step(connection, event, moment) → [connection, effects]`.
 *
 * Here: the whole machine: what every client has (core.ts), pages that sleep and wake (page_life.ts),
 * logins that change (logins.ts).
 */
import { HANDLERS, stepBy } from "./core.ts";
import { LOGIN_HANDLERS } from "./logins.ts";
import type { Step } from "./machine.ts";
import { PAGE_HANDLERS } from "./page_life.ts";

export { startConnection } from "./core.ts";

/** Return the whole machine. */
export function makeStep(): Step {
  return stepBy({ ...HANDLERS, ...PAGE_HANDLERS, ...LOGIN_HANDLERS });
}

/** Take in one event; return the new connection and the effects to perform, in order. */
export const step: Step = /* @__PURE__ */ makeStep();
