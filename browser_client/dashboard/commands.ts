/** Commands for a terminal, as they work for the service that has served this page. */

/** The command line looks for the service here unless it is told otherwise. */
const USUAL_ORIGIN = "http://127.0.0.1:8080";

/** Return what stands before a command: nothing, or where the service is. */
export function commandPrefix(origin: string): string {
  return origin === USUAL_ORIGIN ? "" : `BELLWIRE_URL=${origin} `;
}
