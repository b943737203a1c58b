/**
 * The smallest entry: credentials, signing, MQTT, recovery, polling.
 *
 * What it leaves out: presence, the page's life, sharing between tabs; gzipped payloads, which it
 * catches up with by poll, and says so once; login and logout of a client that is there: it has
 * failed, and says why, when its token function brings somebody else. A guest's private channel is
 * refused by the server instead of here.
 */
import { type Client, type ConnectOptions, startClient } from "./client.ts";
import { openSocket } from "./io/socket.ts";
import { startPlainTexts } from "./io/texts.ts";
import { HANDLERS, stepBy } from "./protocol/core.ts";

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
  const parts = { step: stepBy(HANDLERS), openSocket, startTexts: startPlainTexts };
  return startClient(options, parts).client;
}
