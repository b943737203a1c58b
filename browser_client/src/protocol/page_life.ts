/**
 * What the life of the page does: it is hidden, sleeps, and wakes.
 *
 * Part of the whole machine in connection.ts.
 */
import * as link from "./link.ts";
import { type Handlers, NEVER, type Work } from "./machine.ts";

/** A link that may have died while the page slept has to show quickly that it has not. */
const PROVE_WITHIN_MS = 3000;
/** Nobody waits for what a hidden page shows: its tries and polls are further apart. */
const HIDDEN_SLOWNESS = 4;

export const PAGE_HANDLERS: Pick<Handlers, "Hidden" | "Slept" | "Woke"> = {
  Hidden(work) {
    work.slowness = HIDDEN_SLOWNESS;
  },
  Slept(work) {
    if (link.isAtRest(work.link)) return;
    link.leave(work, "asleep");
    askAnew(work);
    work.fallbackMs = NEVER;
  },
  Woke(work, { isHidden }) {
    const { login } = work;
    work.slowness = isHidden ? HIDDEN_SLOWNESS : 1;
    const { phase } = work.link;
    if (phase === "refused") return;
    // A fetch that failed need not wait any longer than the server asked.
    if (login.failures > 0 && login.renewMs < NEVER) login.renewMs = login.heldMs;
    askAnew(work);
    if (phase === "asleep") work.link.phase = "idle"; // Without a socket, that is what it stays.
    if (phase === "waiting" || phase === "asleep") link.start(work);
    else if (phase === "open") link.ping(work, PROVE_WITHIN_MS);
  },
};

/** Ask for everything now: an answer that is on its way may come over a road that is gone. */
function askAnew(work: Work): void {
  for (const line of Object.values(work.lines)) {
    line.inFlight = null;
    line.notBeforeMs = line.heldMs;
  }
  for (const watch of work.watches.values()) watch.checkMs = work.nowMs;
}
