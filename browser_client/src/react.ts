"use client";
/**
 * React hooks over a client, whichever entry it comes from: `bellwire/react`.
 *
 * Here: who follows what for how long, and snapshots that stay the same while nothing changes. Of
 * the client only its types are imported.
 */
import { useCallback, useEffect, useInsertionEffect, useRef, useSyncExternalStore } from "react";
import type { BellwireError, Channel, Client, Status, Update } from "./index.ts";

/** What the hooks need of a client; null or undefined while there is none yet, as on a server. */
export type ClientOrNone = Pick<Client, "channel" | "on" | "status"> | null | undefined;

/** A channel as a component shows it; a new object after each change, the same one until then. */
export interface ChannelView {
  /** The value of each key; empty while it is not known. */
  readonly state: ReadonlyMap<string, unknown>;
  /** Whether the state is known: not before the first answer, nor after a login until the next. */
  readonly isKnown: boolean;
  /** Why the server lets nobody like this client read the channel, `not_allowed` most often; else null. */
  readonly error: BellwireError | null;
}

/** One handle for all components that follow the same channel of a client. */
interface Followed {
  readonly channel: Channel;
  components: number;
  error: BellwireError | null;
  view: ChannelView;
  readonly settle: (error: BellwireError | null) => void;
  /** Stop following. */
  readonly end: () => void;
}

const UNKNOWN: ChannelView = { state: new Map(), isKnown: false, error: null };

const byClient = new WeakMap<object, Map<string, Followed>>();

/**
 * Follow a channel for as long as the component is there, and return its state.
 *
 * The component renders again when the state changes, not for events. All components that follow
 * a channel share one handle, which outlives StrictMode's double mount. After a change of name or
 * client the old channel's state is not shown again; on a server nothing is known.
 *
 * @param name such as `public/host`; null or undefined follows nothing, as before a login.
 * @throws BellwireError whatever `client.channel(name)` throws, from an effect: the nearest error
 * boundary gets it. What the server refuses is not thrown, it is in `error`.
 */
export function useChannel(client: ClientOrNone, name: string | null | undefined): ChannelView {
  const subscribe = useCallback(
    (onChange: () => void) =>
      follow(client, name, ({ channel, settle }) => [
        channel.on("state", () => {
          settle(null);
          onChange();
        }),
        channel.on("reset", onChange),
        client?.on("error", onChange),
      ]),
    [client, name],
  );
  const look = () => viewOf(client && byClient.get(client)?.get(name ?? ""));
  return useSyncExternalStore(subscribe, look, () => UNKNOWN);
}

/**
 * Call a function with every update of a channel, once and in order, while the component is there.
 *
 * The functions of the newest render are called; new ones do not subscribe anew. Updates from
 * before the component was there are not told.
 *
 * @param name null or undefined follows nothing.
 * @param onReset continuity was lost, the updates that follow bring the state up to date.
 * @throws BellwireError as `useChannel` does.
 */
export function useUpdates(
  client: ClientOrNone,
  name: string | null | undefined,
  onUpdate: (update: Update) => void,
  onReset?: () => void,
): void {
  const newest = useRef({ onUpdate, onReset });
  useInsertionEffect(() => {
    newest.current = { onUpdate, onReset };
  });
  useEffect(
    () =>
      follow(client, name, ({ channel }) => [
        channel.on("update", (update) => newest.current.onUpdate(update)),
        channel.on("reset", () => newest.current.onReset?.()),
      ]),
    [client, name],
  );
}

/** Return the client's status, always the present one; `connecting` without a client. */
export function useStatus(client: ClientOrNone): Status {
  const subscribe = useCallback(
    (onChange: () => void) => client?.on("status", onChange) ?? doNothing,
    [client],
  );
  return useSyncExternalStore(subscribe, () => client?.status ?? "connecting", startStatus);
}

const startStatus = (): Status => "connecting";

function doNothing(): void {}

function viewOf(followed: Followed | null | undefined): ChannelView {
  if (!followed) return UNKNOWN;
  const { channel, error, view } = followed;
  const isKnown = channel.position !== null;
  const state = isKnown ? channel.state : UNKNOWN.state;
  if (state !== view.state || isKnown !== view.isKnown || error !== view.error) {
    followed.view = { state, isKnown, error };
  }
  return followed.view;
}

/** Make the handle; its error is known from now on, whether or not a component shows it. */
function share(client: NonNullable<ClientOrNone>, name: string): Followed {
  const channel = client.channel(name);
  const settle = (error: BellwireError | null) => {
    followed.error = error;
  };
  const unlisten = client.on("error", (error) => error.channel === name && settle(error));
  const end = () => {
    unlisten();
    channel.close();
  };
  const followed: Followed = { channel, components: 0, error: null, view: UNKNOWN, settle, end };
  // Not to its state, which is put together for whoever listens to it.
  channel.on("update", () => settle(null));
  channel.on("reset", () => settle(null));
  return followed;
}

/** Share the channel's handle and listen; the function returned ends that. */
function follow(
  client: ClientOrNone,
  name: string | null | undefined,
  listen: (followed: Followed) => ((() => void) | undefined)[],
): () => void {
  if (!client || name == null) return doNothing;
  const byName = byClient.get(client) ?? new Map<string, Followed>();
  byClient.set(client, byName);
  const followed = byName.get(name) ?? share(client, name);
  byName.set(name, followed);
  followed.components++;
  const ends = listen(followed);
  return () => {
    for (const end of ends) end?.();
    followed.components--;
    // Whoever follows it next may be mounted in the same turn.
    queueMicrotask(() => {
      if (followed.components > 0 || byName.get(name) !== followed) return;
      byName.delete(name);
      followed.end();
    });
  };
}
