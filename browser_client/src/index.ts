/** The public API of the browser client. */
import {
  type ConnectOptions,
  type Client as CoreClient,
  type Identity,
  kindOf,
  startClient,
  type Token,
} from "./client.ts";
import { startTexts } from "./io/gzip.ts";
import { watchPage } from "./io/page_life.ts";
import { fetchPresence, type Present } from "./io/presence.ts";
import { openSocket } from "./io/socket.ts";
import { isPublic } from "./protocol/channels.ts";
import { makeStep } from "./protocol/connection.ts";
import { BellwireError } from "./protocol/errors.ts";

export type { Channel, ChannelEvents } from "./channel.ts";
export type { ClientEvents, ConnectOptions, Identity, Token } from "./client.ts";
export type { Present } from "./io/presence.ts";
export type { Wish } from "./io/session.ts";
export { BellwireError, type ErrorCode } from "./protocol/errors.ts";
export type { Status, Transport } from "./protocol/machine.ts";
export type { Update } from "./protocol/sequence.ts";
export type { Position } from "./protocol/updates.ts";

/** A connection to one Bellwire; all its channels share one socket and one poll. */
export interface Client extends CoreClient {
  /** Who the client is; null until a session is there, and after each login and logout. */
  readonly identity: Identity | null;
  /**
   * Become the user of this login: private channels tell `reset` and begin anew, public ones go on.
   *
   * Not needed when a login is only renewed: a token function does that without a break.
   */
  login(token: Token): void;
  /** Become a guest again: private channels tell `not_allowed` and rest until the next login. */
  logout(): void;
  /**
   * Return who follows a channel by push at the moment, the longest there first.
   *
   * @throws BellwireError `not_allowed` when the channel may not be read or its namespace has no
   * presence; `unauthenticated` for a private one while a login has no session yet.
   */
  presence(channel: string): Promise<readonly Present[]>;
}

/** Connect to the Bellwire at `options.url`; channels may be followed at once. */
export function connect(options: ConnectOptions): Client {
  const { client, account, runner } = startClient(options, {
    step: makeStep(),
    openSocket,
    startTexts,
  });
  const unwatch = watchPage(runner.dispatch);
  const close = () => {
    unwatch();
    runner.dispatch({ kind: "Closed" });
  };
  const become = (token: Token | null) => {
    // A listener may log out between one update and the next: what is left is not meant for it.
    for (const effect of runner.pending) {
      if (effect.kind === "Deliver" && !isPublic(effect.channel)) effect.outputs.length = 0;
    }
    account.token = token;
    account.session = null;
    runner.dispatch({ kind: "LoginChanged", token: kindOf(token) });
  };
  const logout = () => {
    if (account.token !== null) become(null);
  };
  const presence = async (channel: string) => {
    const { login, lines } = runner.connection;
    const needsToken = !isPublic(channel) || lines.public.needsToken;
    if (needsToken && login.token !== "none" && !login.session) {
      throw new BellwireError("unauthenticated", "found no session yet, expected one", channel);
    }
    return fetchPresence(options.url, channel, account.session?.token ?? null);
  };
  return Object.assign(client, { login: become, logout, presence, close });
}
