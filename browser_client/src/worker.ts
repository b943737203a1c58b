/** The SharedWorker `bellwire-worker.js`: holds the sockets of all tabs of an origin. */
import type { Hub } from "./tabs/hub.ts";
import { VERSION } from "./tabs/messages.ts";
import { makeHub, serve } from "./tabs/serve.ts";

const hubs = new Map<string, Hub>();
/** Held until the worker dies, which tabs are not told otherwise. */
const lock = `${VERSION}:${crypto.randomUUID()}`;
const isHeld = new Promise<void>((resolve) => {
  void navigator.locks.request(lock, () => {
    resolve();
    return new Promise(() => {});
  });
});

addEventListener("connect", (event) => {
  const port = (event as MessageEvent).ports[0] as MessagePort;
  /** The first message: `{"key": whose socket it is, "id": the tab's lock}`. */
  port.onmessage = async ({ data: { key, id } }) => {
    await isHeld;
    const hub = hubs.get(key) ?? makeHub();
    hubs.set(key, hub);
    serve(hub, port, id, lock);
  };
});
