/**
 * A tab's end of a socket that all tabs of one origin and owner share.
 *
 * Here: where the hub is that holds the socket, and whether it is still there. It is in a
 * SharedWorker; else in the tab that holds the lock named after the owner, which the others reach
 * over BroadcastChannels; else (neither works) in each tab. A wire is over when its hub is: the
 * tab's machine opens the next one, and finds the next hub or becomes it.
 * Not here: sharing (hub.ts), when to try again (protocol/link.ts).
 */
import type { OpenSocket } from "../io/push.ts";
import type { Socket, SocketListener } from "../io/socket.ts";
import { openWire } from "../io/wire.ts";
import type { Hub } from "./hub.ts";
import { type FromHub, type Port, type ToHub, VERSION } from "./messages.ts";
import { makeHub, serve } from "./serve.ts";

/** A hub that is there answers within milliseconds; one in a busy tab may take its time. */
const WELCOME_WITHIN_MS = 2500;

/** Whether a worker could not be started here, which no later one will be either. */
let hasWorker = true;

/**
 * Return what opens a wire over the socket of all tabs with the same owner; without Web Locks, over
 * one of its own.
 *
 * @param apiUrl the API's prefix, such as `/v1`.
 * @param channels what the session is narrowed to, if it is: others may not share what it may read.
 */
export function shareSocket(apiUrl: string, channels?: readonly string[]): OpenSocket {
  if (!globalThis.document || !navigator.locks) return openWire;
  const url = new URL(apiUrl, document.baseURI);
  return (signed, clientId, listener, { identityId }) => {
    const key = JSON.stringify([VERSION, url, identityId, channels]);
    return joinHub({ kind: "open", url: signed, clientId }, listener, key);
  };
}

/** @param key what the hub, and the lock of a tab that leads, are known by. */
function joinHub(open: ToHub, listener: SocketListener, key: string): Socket {
  /** The lock by which a hub knows that this wire is there. */
  const id = crypto.randomUUID();
  const over = new AbortController();
  const { signal } = over;
  /** Resolves when the wire is over, which lets go of its locks. */
  const ended = new Promise<void>((resolve) => {
    signal.onabort = () => resolve();
  });
  let port: Pick<Port, "postMessage" | "close"> | null = null;
  /** Where those meet who look for a leader. */
  let hall: BroadcastChannel | null = null;
  let isWelcome = false;

  function close(): void {
    over.abort();
    hall?.close();
    port?.close();
  }

  function send(message: ToHub): void {
    if (!signal.aborted) port?.postMessage(message);
  }

  /** @param message what the hub said of the socket's end; without one, the hub is gone. */
  function lose(message?: string | null): void {
    if (signal.aborted) return;
    close();
    listener.onLost(message ? new Error(message) : null, message === undefined);
  }

  /** Hold a lock from when it is got until the wire is over. */
  function hold(name: string, onHeld: () => void, isStolen?: boolean): Promise<void> {
    // A theft takes no signal, and needs none: it is granted at once.
    return navigator.locks.request(name, isStolen ? { steal: true } : { signal }, () => {
      if (!signal.aborted) onHeld();
      return ended;
    });
  }

  function askWorker(): void {
    const giveUp = () => {
      if (signal.aborted || isWelcome || hall) return;
      hasWorker = false;
      port?.close();
      followLeader();
    };
    try {
      const worker = new SharedWorker(new URL("./bellwire-worker.js", import.meta.url), {
        type: "module",
        // Spelt out, since bundlers read these options.
        name: "bellwire-1" satisfies typeof VERSION,
      });
      worker.onerror = giveUp;
      listen(worker.port);
      worker.port.postMessage({ key, id });
      setTimeout(giveUp, WELCOME_WITHIN_MS);
    } catch {
      giveUp();
    }
  }

  /** Follow who leads, and stand in line for the lead. */
  function followLeader(): void {
    const room = new BroadcastChannel(key);
    hall = room;
    const knock = () => isWelcome || room.postMessage(id);
    listen(new BroadcastChannel(id));
    room.onmessage = ({ data }) => data || knock();
    // Got while another's hub was there, it means that this is gone; stolen, that this one is.
    const onLead = () => (isWelcome ? lose() : receive(room));
    const stand = (isStolen?: boolean) => hold(key, onLead, isStolen).catch(() => lose());
    void stand();
    knock();
    // One that holds the lock without a word hangs.
    setTimeout(() => signal.aborted || isWelcome || stand(true), WELCOME_WITHIN_MS);
  }

  /** Lead those who knock. */
  function receive(room: BroadcastChannel): void {
    const hub = lead();
    const known = new Set<string>();
    room.onmessage = ({ data }) => {
      if (!data || known.has(data)) return;
      known.add(data);
      serve(hub, new BroadcastChannel(data), data);
    };
    room.postMessage(null);
  }

  /** Be the hub. */
  function lead(): Hub {
    const hub = makeHub();
    port?.close();
    port = { postMessage: (message: ToHub) => hub.take(take, message), close: () => hub.end() };
    take({ kind: "welcome" });
    return hub;
  }

  function listen(to: Port): void {
    port = to;
    to.onmessage = ({ data }) => take(data);
  }

  function take(message: FromHub): void {
    if (signal.aborted) return;
    if (message.kind === "payload") listener.onPayload(message.topic, message.payload);
    else if (message.kind === "opened") listener.onOpened();
    else if (message.kind === "subscribed") listener.onSubscribed(message.topics);
    else if (message.kind === "ponged") listener.onPonged();
    else if (message.kind === "lost") lose(message.message);
    else if (!isWelcome) {
      isWelcome = true;
      send(open);
      if (message.lock) hold(message.lock, () => lose()).catch(() => {});
    }
  }

  // Where locks are refused, as with cookies blocked, nothing can be shared.
  hold(id, hasWorker && globalThis.SharedWorker ? askWorker : followLeader).catch(
    () => signal.aborted || lead(),
  );
  return {
    subscribe: (topics) => send({ kind: "subscribe", topics }),
    unsubscribe: (topics) => send({ kind: "unsubscribe", topics }),
    ping: () => send({ kind: "ping" }),
    close,
  };
}
