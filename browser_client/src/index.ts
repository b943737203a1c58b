/** The public API of the browser client. */
import {
  type Client as CoreClient,
  type ConnectOptions as CoreOptions,
  type Identity,
  kindOf,
  startClient,
  type Token,
  trimmed,
} from "./client.ts";

import { startTexts } from "./io/gzip.ts";
import { watchPage } from "./io/page_life.ts";
import { fetchPresence, type Present } from "./io/presence.ts";
import { openWire } from "./io/wire.ts";
import { isPublic } from "./protocol/channels.ts";
import { makeStep } from "./protocol/connection.ts";
import { BellwireError } from "./protocol/errors.ts";
import type { Effect } from "./protocol/machine.ts";
import { shareSocket } from "./tabs/tab.ts";

export type * from "./core.ts";
export type { Present } from "./io/presence.ts";
export { BellwireError } from "./protocol/errors.ts";

/** What `connect` takes. */
export interface ConnectOptions extends CoreOptions {
  /** `false`: a socket of this client's own, instead of one that all tabs of the origin share. */
  readonly tabs?: boolean;
}

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

type Delivered = Extract<Effect, { kind: "Deliver" }>;

/**
 * Connect to the Bellwire at `options.url`; channels may be followed at once.
 *
 * What fails is not thrown: it is told as `error`, and shows in the status.
 */
export function connect(options: ConnectOptions): Client {
  const { tabs, session } = options;
  const url = trimmed(options.url);
  const { client, account, runner } = startClient(options, {
    step: makeStep(),
    openSocket: tabs === false ? openWire : shareSocket(url, session?.channels),
    startTexts,
  });
  const unwatch = watchPage(runner.dispatch);
  // A listener may leave between one update and the next: what is left is not meant for it.
  const withhold = (isMeant: (what: Delivered) => boolean) => {
    for (const effect of runner.pending) {
      if (effect.kind !== "Deliver" || isMeant(effect)) continue;
      effect.outputs.length = 0;
      effect.isFirst = false;
    }
  };
  const close = () => {
    unwatch();
    withhold(() => false);
    runner.dispatch({ kind: "Closed" });
  };
  const become = (token: Token | null) => {
    withhold(({ channel, isFirst }) => isPublic(channel) || isFirst === undefined);
    account.token = token;
    account.session = null;
    runner.dispatch({ kind: "LoginChanged", token: kindOf(token) });
  };
  const logout = () => {
    if (account.token !== null) become(null);
  };
  const presence = async (channel: string) => {
    const { session: opened } = account;
    if (!opened && account.token !== null && !isPublic(channel)) {
      throw new BellwireError("unauthenticated", "found no session yet", channel);
    }
    return fetchPresence(url, channel, opened?.token ?? null);
  };
  return Object.assign(client, { login: become, logout, presence, close });
}
