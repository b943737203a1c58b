/**
 * What a client pushes over: a socket of its own here, one that tabs share in tabs/.
 *
 * Here too: a topic that is too much for the connection is given up as if the broker refused it.
 */
import { RateMeter } from "../protocol/rates.ts";
import { Socket, type SocketListener } from "./socket.ts";

/** As much of a socket as its user needs; closed once, it says nothing more. */
export type Wire = Pick<Socket, "subscribe" | "unsubscribe" | "ping" | "close">;

/**
 * Opens a wire.
 *
 * @param url signed just now.
 * @param owner whose it is: wires may share a socket when this is the same in JSON. The first is the
 * API's prefix, such as `/v1`.
 */
export type OpenWire = (
  url: string,
  clientId: string,
  listener: SocketListener,
  owner: readonly [string, ...unknown[]],
) => Wire;

/** Open a socket for this wire alone. */
export function openSocket(url: string, clientId: string, listener: SocketListener): Wire {
  const meter = new RateMeter();
  const socket = new Socket(url, clientId, {
    ...listener,
    onPayload: (topic, payload) => {
      listener.onPayload(topic, payload);
      const busiest = meter.count(topic, performance.now());
      if (busiest === null) return;
      socket.unsubscribe([busiest]);
      listener.onSubscribed(new Map([[busiest, false]]));
    },
  });
  return socket;
}
