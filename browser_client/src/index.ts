/** The public API of the browser client; tabs of one origin and owner share one socket. */
import { Client, type ConnectOptions as CoreOptions } from "./client.ts";
import { openShared } from "./tabs/tab.ts";

export * from "./core.ts";

/** What `connect` takes. */
export interface ConnectOptions extends CoreOptions {
  /** False: this client has a socket of its own. */
  readonly tabs?: boolean;
}

/** Connect to the Bellwire at `options.url`; channels may be followed at once. */
export function connect(options: ConnectOptions): Client {
  return new Client(options, options.tabs === false ? undefined : openShared);
}
