/**
 * A socket that keeps within what AWS IoT delivers to one connection: a topic that is too much for
 * it is given up as if the broker refused it, and so is polled.
 */
import { startMeter } from "../protocol/rates.ts";
import { openSocket, type Socket, type SocketListener } from "./socket.ts";

/** Open such a socket. */
export function openWire(url: string, clientId: string, listener: SocketListener): Socket {
  const count = startMeter();
  const socket = openSocket(url, clientId, {
    ...listener,
    onPayload(topic, payload) {
      listener.onPayload(topic, payload);
      const busiest = count(topic, performance.now());
      if (busiest === undefined) return;
      socket.unsubscribe([busiest]);
      listener.onSubscribed(new Map([[busiest, false]]));
    },
  });
  return socket;
}
