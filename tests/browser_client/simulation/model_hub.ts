/**
 * A small model of the hub: one socket for several tabs, each of which takes it for its own.
 *
 * What it may do that a socket of one's own does not: grant at once what another tab has, pass on
 * what was asked for by another, and be lost with the tab that holds it.
 */
import type { SocketListener } from "../../../browser_client/src/io/socket.ts";
import type { Wire } from "./network.ts";

export type ToHub =
  | { readonly kind: "open"; readonly url: string; readonly clientId: string }
  | { readonly kind: "subscribe" | "unsubscribe"; readonly topics: readonly string[] }
  | { readonly kind: "ping" };

export type FromHub =
  | { readonly kind: "opened" | "ponged" }
  | { readonly kind: "subscribed"; readonly topics: ReadonlyMap<string, boolean> }
  | {
      readonly kind: "payload";
      readonly topic: string;
      readonly payload: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "lost"; readonly message: string | null };

export type Member = (message: FromHub) => void;
/** A question left open for this long: the socket is dead, and whoever gives it up ends it for all. */
const OVERDUE_MS = 4500;

type OpenSocket = (url: string, clientId: string, listener: SocketListener) => Wire;

export class Hub {
  readonly #openSocket: OpenSocket;
  readonly #members = new Map<Member, Set<string>>();
  readonly #granted = new Set<string>();
  readonly #readClockMs: () => number;
  #wire: Wire | null = null;
  #isOpen = false;
  /** Since when nothing has been heard that was asked for. */
  #askedMs = Number.POSITIVE_INFINITY;

  constructor(openSocket: OpenSocket, readClockMs: () => number) {
    this.#openSocket = openSocket;
    this.#readClockMs = readClockMs;
  }

  take(member: Member, message: ToHub): void {
    if (message.kind === "open") this.#join(member, message.url, message.clientId);
    const own = this.#members.get(member);
    if (!own) return;
    if (message.kind === "subscribe") this.#subscribe(member, own, message.topics);
    if (message.kind === "ping") {
      this.#ask();
      this.#wire?.ping();
    }
    if (message.kind !== "unsubscribe") return;
    for (const topic of message.topics) own.delete(topic);
    this.#forget(message.topics);
  }

  leave(member: Member): void {
    const own = this.#members.get(member);
    if (!own) return;
    this.#members.delete(member);
    if (this.#members.size === 0 || this.#isOverdue()) this.end();
    else this.#forget([...own]);
  }

  end(): void {
    this.#wire?.close();
    this.#wire = null;
    this.#isOpen = false;
    this.#hear();
    this.#granted.clear();
    const members = [...this.#members.keys()];
    this.#members.clear();
    for (const member of members) member({ kind: "lost", message: null });
  }

  #join(member: Member, url: string, clientId: string): void {
    if (this.#isOverdue()) this.end();
    this.#members.set(member, new Set());
    if (this.#isOpen) member({ kind: "opened" });
    if (this.#wire) return;
    this.#ask();
    this.#wire = this.#openSocket(url, clientId, {
      onOpened: () => {
        this.#hear();
        this.#isOpen = true;
        this.#tell({ kind: "opened" });
      },
      onSubscribed: (topics) => this.#onSubscribed(topics),
      onPonged: () => {
        this.#hear();
        this.#tell({ kind: "ponged" });
      },
      onPayload: (topic, payload) => {
        this.#hear();
        for (const [one, own] of this.#members) {
          if (own.has(topic)) one({ kind: "payload", topic, payload });
        }
      },
      onLost: () => this.end(),
    });
  }

  #tell(message: FromHub): void {
    for (const member of this.#members.keys()) member(message);
  }

  #subscribe(member: Member, own: Set<string>, topics: readonly string[]): void {
    for (const topic of topics) own.add(topic);
    const there = topics.filter((topic) => this.#granted.has(topic));
    if (there.length > 0) member({ kind: "subscribed", topics: answersOf(there) });
    const asked = topics.filter((topic) => !this.#granted.has(topic));
    if (asked.length === 0) return;
    this.#ask();
    this.#wire?.subscribe(asked);
  }

  #onSubscribed(topics: ReadonlyMap<string, boolean>): void {
    this.#hear();
    for (const [topic, isGranted] of topics) if (isGranted) this.#granted.add(topic);
    for (const [member, own] of this.#members) {
      const news = [...topics].filter(([topic]) => own.has(topic));
      if (news.length > 0) member({ kind: "subscribed", topics: new Map(news) });
    }
  }

  #forget(topics: readonly string[]): void {
    const followed = [...this.#members.values()];
    const left = topics.filter((topic) => !followed.some((own) => own.has(topic)));
    for (const topic of left) this.#granted.delete(topic);
    if (left.length > 0) this.#wire?.unsubscribe(left);
  }

  #ask(): void {
    this.#askedMs = Math.min(this.#askedMs, this.#readClockMs());
  }

  #hear(): void {
    this.#askedMs = Number.POSITIVE_INFINITY;
  }

  #isOverdue(): boolean {
    return this.#readClockMs() - this.#askedMs >= OVERDUE_MS;
  }
}

function answersOf(topics: readonly string[]): Map<string, boolean> {
  return new Map(topics.map((topic) => [topic, true]));
}
