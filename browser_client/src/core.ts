/** The public API of the browser client, without tabs: each client has a socket of its own. */
import { Client, type ConnectOptions } from "./client.ts";

export type { Channel, ChannelEvents } from "./channel.ts";
export type { Client, ClientEvents, ConnectOptions, Identity, Token } from "./client.ts";
export type { Present } from "./io/presence.ts";
export type { Wish } from "./io/session.ts";
export { BellwireError, type ErrorCode } from "./protocol/errors.ts";
export type { Status } from "./protocol/machine.ts";
export type { Update } from "./protocol/sequence.ts";
export type { Position } from "./protocol/updates.ts";

/** Connect to the Bellwire at `options.url`; channels may be followed at once. */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}
