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
  const url = new URL(apiUrl, location.href);
  return (signed, clientId, listener, { identityId }) => {
    const key = JSON.stringify([url, identityId, channels]);
    return new Tab(signed, clientId, listener, `${VERSION}:${key}`);
  };
}

class Tab implements Socket {
  readonly #url: string;
  readonly #clientId: string;
  readonly #listener: SocketListener;
  readonly #key: string;
  /** The lock by which a hub knows that this wire is there. */
  readonly #id = `${VERSION}:${crypto.randomUUID()}`;
  readonly #end = new AbortController();
  /** Resolves when the wire is over, which lets go of its locks. */
  readonly #ended = new Promise<void>((resolve) => {
    this.#end.signal.onabort = () => resolve();
  });
  #port: Pick<Port, "postMessage" | "close"> | null = null;
  /** Where those meet who look for a leader. */
  #hall: BroadcastChannel | null = null;
  #isWelcome = false;

  constructor(url: string, clientId: string, listener: SocketListener, key: string) {
    this.#url = url;
    this.#clientId = clientId;
    this.#listener = listener;
    this.#key = key;
    // Where locks are refused, as with cookies blocked, nothing can be shared.
    this.#hold(this.#id, () => this.#findHub()).catch(() => this.#isOver || this.#lead());
  }

  subscribe(topics: readonly string[]): void {
    this.#send({ kind: "subscribe", topics });
  }

  unsubscribe(topics: readonly string[]): void {
    this.#send({ kind: "unsubscribe", topics });
  }

  ping(): void {
    this.#send({ kind: "ping" });
  }

  /** Leave; the hub learns it by the lock. */
  close(): void {
    this.#end.abort();
    this.#hall?.close();
    this.#port?.close();
  }

  get #isOver(): boolean {
    return this.#end.signal.aborted;
  }

  #send(message: ToHub): void {
    if (!this.#isOver) this.#port?.postMessage(message);
  }

  #lose(message: string | null = null): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.onLost(message === null ? null : new Error(message));
  }

  /** Hold a lock from when it is got until the wire is over. */
  #hold(name: string, onHeld: () => void, isStolen = false): Promise<void> {
    // A theft takes no signal, and needs none: it is granted at once.
    const options = isStolen ? { steal: true } : { signal: this.#end.signal };
    return navigator.locks.request(name, options, () => {
      if (!this.#isOver) onHeld();
      return this.#ended;
    });
  }

  #findHub(): void {
    if (!hasWorker || !globalThis.SharedWorker) this.#followLeader();
    else this.#askWorker();
  }

  #askWorker(): void {
    const giveUp = () => {
      if (this.#isOver || this.#isWelcome || this.#hall) return;
      hasWorker = false;
      this.#port?.close();
      this.#followLeader();
    };
    try {
      const worker = new SharedWorker(new URL("./bellwire-worker.js", import.meta.url), {
        type: "module",
        name: VERSION,
      });
      worker.onerror = giveUp;
      this.#listen(worker.port);
      worker.port.postMessage({ key: this.#key, id: this.#id });
      setTimeout(giveUp, WELCOME_WITHIN_MS);
    } catch {
      giveUp();
    }
  }

  /** Follow who leads, and stand in line for the lead. */
  #followLeader(): void {
    const hall = new BroadcastChannel(this.#key);
    this.#hall = hall;
    const knock = () => this.#isWelcome || hall.postMessage(this.#id);
    this.#listen(new BroadcastChannel(this.#id));
    hall.onmessage = ({ data }) => data === null && knock();
    // Got while another's hub was there, it means that this is gone.
    const onLead = () => (this.#isWelcome ? this.#lose() : this.#receive(hall));
    const lead = (isStolen: boolean) =>
      this.#hold(this.#key, onLead, isStolen).catch(() => this.#lose()); // Stolen from it.
    void lead(false);
    knock();
    // One that holds the lock without a word hangs.
    setTimeout(() => this.#isOver || this.#isWelcome || lead(true), WELCOME_WITHIN_MS);
  }

  /** Lead those who knock. */
  #receive(hall: BroadcastChannel): void {
    const hub = this.#lead();
    const known = new Set<string>();
    hall.onmessage = ({ data }) => {
      if (data === null || known.has(data)) return;
      known.add(data);
      serve(hub, new BroadcastChannel(data), data, null);
    };
    hall.postMessage(null);
  }

  /** Be the hub. */
  #lead(): Hub {
    const hub = makeHub();
    const member = (message: FromHub) => this.#take(message);
    this.#port = {
      postMessage: (message: ToHub) => hub.take(member, message),
      close: () => hub.end(),
    };
    this.#take({ kind: "welcome", lock: null });
    return hub;
  }

  #listen(port: Port): void {
    this.#port = port;
    port.onmessage = ({ data }) => this.#take(data);
  }

  #take(message: FromHub): void {
    if (this.#isOver) return;
    switch (message.kind) {
      case "welcome":
        this.#onWelcome(message.lock);
        break;
      case "opened":
        this.#listener.onOpened();
        break;
      case "subscribed":
        this.#listener.onSubscribed(message.topics);
        break;
      case "ponged":
        this.#listener.onPonged();
        break;
      case "payload":
        this.#listener.onPayload(message.topic, message.payload);
        break;
      case "lost":
        this.#lose(message.message);
    }
  }

  #onWelcome(lock: string | null): void {
    if (this.#isWelcome) return;
    this.#isWelcome = true;
    this.#send({ kind: "open", url: this.#url, clientId: this.#clientId });
    if (lock !== null) this.#hold(lock, () => this.#lose()).catch(() => {});
  }
}
