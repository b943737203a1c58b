/** The hub's end of its line to one tab, in the worker or in the tab that leads. */
import { openWire } from "../io/wire.ts";
import { type Hub, startHub } from "./hub.ts";
import type { FromHub, Port } from "./messages.ts";

/** Make a hub for real sockets. */
export function makeHub(): Hub {
  return startHub(openWire, () => performance.now());
}

/**
 * Serve a tab until it is gone.
 *
 * @param id the name of a lock that the tab holds for as long as it is there: ports do not tell.
 * @param lock the name of one that is held for as long as the hub is there, unless the tab knows it.
 */
export function serve(hub: Hub, port: Port, id: string, lock?: string): void {
  const member = (message: FromHub) => port.postMessage(message);
  port.onmessage = ({ data }) => hub.take(member, data);
  void navigator.locks.request(id, () => {
    hub.leave(member);
    port.close();
  });
  member({ kind: "welcome", lock });
}
