/** The public API of the browser client. */
import {
  type Client as CoreClient,
  type ConnectOptions as CoreOptions,
  startClient,
} from "./client.ts";
import { watchPage } from "./io/page_life.ts";
import { fetchPresence, type Present } from "./io/presence.ts";
import { openWire } from "./io/wire.ts";
import { isPublic } from "./protocol/channels.ts";
import { BellwireError } from "./protocol/errors.ts";
import { shareSocket } from "./tabs/tab.ts";

export type { Channel, ChannelEvents } from "./channel.ts";
export type { ClientEvents, Identity, Token } from "./client.ts";
export type { Present } from "./io/presence.ts";
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

/** What `connect` takes. */
export interface ConnectOptions extends CoreOptions {
  /** `false`: a socket of this client's own, instead of one that all tabs of the origin share. */
  readonly tabs?: boolean;
}

/** A connection to one Bellwire; all its channels share one socket and one poll. */
export interface Client extends CoreClient {
  /**
   * Return who follows a channel by push at the moment, the longest there first.
   *
   * @throws BellwireError `not_allowed` when the channel may not be read or its namespace has no
   * presence; `unauthenticated` for a private one while a login has no session yet.
   */
  presence(channel: string): Promise<readonly Present[]>;
}

/**
 * Connect to the Bellwire at `options.url`; channels may be followed at once.
 *
 * What fails is not thrown: it is told as `error`, and shows in the status.
 */
export function connect(options: ConnectOptions): Client {
  const { url, tabs, session } = options;
  const { client, bearer, runner } = startClient(options, {
    openSocket: tabs === false ? openWire : shareSocket(url, session?.channels),
    watchPage,
  });
  const presence = async (channel: string) => {
    const { login, lines } = runner.connection;
    const needsToken = !isPublic(channel) || lines.public.needsToken;
    if (needsToken && login.token !== "none" && !login.session) {
      throw new BellwireError("unauthenticated", "found no session yet, expected one", channel);
    }
    return fetchPresence(url, channel, bearer());
  };
  return Object.assign(client, { presence });
}
