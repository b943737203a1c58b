/** The smallest entry: the client without presence and without sharing between tabs. */
import { type Client, type ConnectOptions, startClient } from "./client.ts";
import { watchPage } from "./io/page_life.ts";
import { openSocket } from "./io/socket.ts";

export type { Channel, ChannelEvents } from "./channel.ts";
export type { Client, ClientEvents, ConnectOptions, Identity, Token } from "./client.ts";
export type { Wish } from "./io/session.ts";
export { BellwireError, type ErrorCode } from "./protocol/errors.ts";
export type {
  Effect as DebugEffect,
  Event as DebugEvent,
  Status,
  Transport,
} from "./protocol/machine.ts";
export type { Update } from "./protocol/sequence.ts";
export type { Position } from "./protocol/updates.ts";

/**
 * Connect to the Bellwire at `options.url`; channels may be followed at once.
 *
 * What fails is not thrown: it is told as `error`, and shows in the status.
 */
export function connect(options: ConnectOptions): Client {
  return startClient(options, { openSocket, watchPage }).client;
}
