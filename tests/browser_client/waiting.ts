/** Waits for what a client says. */
import type { Client, Status } from "../../browser_client/src/core.ts";

/** Resolve once the client has that status. */
export function until(client: Pick<Client, "status" | "on">, status: Status): Promise<void> {
  return new Promise((resolve) => {
    if (client.status === status) resolve();
    client.on("status", (now) => now === status && resolve());
  });
}
