/**
 * One socket for many tabs: who follows what, and who is waiting for what.
 *
 * Here: sharing alone. Not here: how tabs are reached (serve.ts), when a tab opens, pings and gives
 * up, which is each tab's own machine's affair. A tab takes the hub for a socket that may lose,
 * double and reorder, so nothing is kept for it here.
 */
import type { Socket, SocketListener } from "../io/socket.ts";
import type { FromHub, ToHub } from "./messages.ts";

/** AWS IoT quota: subscriptions of one connection. */
const MAX_TOPICS = 50;
/** A socket that owes an answer for this long is why a tab leaves: none gives up within 3 s. */
const OVERDUE_MS = 2500;
const NEVER = Number.POSITIVE_INFINITY;

/** Sends to one tab; it stands for the tab. */
export type Member = (message: FromHub) => void;
type OpenSocket = (url: string, clientId: string, listener: SocketListener) => Socket;

export class Hub {
  readonly #openSocket: OpenSocket;
  readonly #readClockMs: () => number;
  /** Each tab's topics, and whether it has been told that they are granted. */
  readonly #members = new Map<Member, Map<string, boolean>>();
  /** The connection's topics, and whether they are granted. */
  readonly #topics = new Map<string, boolean>();
  readonly #pinging = new Set<Member>();
  #wire: Socket | null = null;
  #isOpen = false;
  /** When something was asked that nothing has been heard since. */
  #askedMs = NEVER;

  /** @param readClockMs tells the time by a clock that does not jump. */
  constructor(openSocket: OpenSocket, readClockMs: () => number) {
    this.#openSocket = openSocket;
    this.#readClockMs = readClockMs;
  }

  /** Do what a tab asks. */
  take(member: Member, message: ToHub): void {
    if (message.kind === "open") this.#join(member, message.url, message.clientId);
    const own = this.#members.get(member);
    if (!own) return; // It was told that the socket is lost, but had not heard yet.
    switch (message.kind) {
      case "subscribe":
        this.#subscribe(member, own, message.topics);
        break;
      case "unsubscribe":
        for (const topic of message.topics) own.delete(topic);
        this.#forget(message.topics);
        break;
      case "ping":
        this.#ping(member);
    }
  }

  /** A tab is gone; the last one takes the socket with it, and so does one that waited too long. */
  leave(member: Member): void {
    const own = this.#members.get(member);
    if (!own) return;
    this.#members.delete(member);
    this.#pinging.delete(member);
    if (this.#members.size === 0 || this.#isOverdue()) this.end();
    else this.#forget([...own.keys()]);
  }

  /** Close the socket and tell every tab. */
  end(message: string | null = null): void {
    this.#wire?.close();
    this.#wire = null;
    this.#isOpen = false;
    this.#askedMs = NEVER;
    this.#topics.clear();
    this.#pinging.clear();
    const members = [...this.#members.keys()];
    this.#members.clear();
    for (const member of members) member({ kind: "lost", message });
  }

  #join(member: Member, url: string, clientId: string): void {
    if (this.#isOverdue()) this.end();
    this.#members.set(member, new Map());
    if (this.#isOpen) member({ kind: "opened" });
    if (this.#wire) return;
    this.#ask();
    try {
      this.#wire = this.#openSocket(url, clientId, {
        onOpened: () => this.#onOpened(),
        onSubscribed: (topics) => this.#onSubscribed(topics),
        onPonged: () => this.#onPonged(),
        onPayload: (topic, payload) => this.#onPayload(topic, payload),
        onLost: (error) => this.end(error?.message),
      });
    } catch (error) {
      this.end((error as Error).message);
    }
  }

  #subscribe(member: Member, own: Map<string, boolean>, topics: readonly string[]): void {
    const answers = new Map<string, boolean>();
    const asked: string[] = [];
    for (const topic of topics) {
      if (!this.#topics.has(topic) && this.#topics.size >= MAX_TOPICS) {
        answers.set(topic, false);
        continue;
      }
      const isGranted = this.#topics.get(topic) === true;
      own.set(topic, isGranted);
      this.#topics.set(topic, isGranted);
      if (isGranted) answers.set(topic, true);
      else asked.push(topic);
    }
    if (answers.size > 0) member({ kind: "subscribed", topics: answers });
    if (asked.length === 0) return;
    this.#ask();
    this.#wire?.subscribe(asked);
  }

  /** Unsubscribe what nobody follows any more. */
  #forget(topics: readonly string[]): void {
    const followed = [...this.#members.values()];
    const left = topics.filter(
      (topic) => !followed.some((own) => own.has(topic)) && this.#topics.delete(topic),
    );
    if (left.length > 0) this.#wire?.unsubscribe(left);
  }

  /** Forward it unless one is on its way: what was answered before may have been before a sleep. */
  #ping(member: Member): void {
    if (this.#pinging.size === 0) {
      this.#ask();
      this.#wire?.ping();
    }
    this.#pinging.add(member);
  }

  #onOpened(): void {
    this.#askedMs = NEVER;
    this.#isOpen = true;
    for (const member of this.#members.keys()) member({ kind: "opened" });
  }

  #onSubscribed(topics: ReadonlyMap<string, boolean>): void {
    this.#askedMs = NEVER;
    for (const [topic, isGranted] of topics) {
      if (!isGranted) this.#topics.delete(topic);
      else if (this.#topics.has(topic)) this.#topics.set(topic, true);
    }
    for (const [member, own] of this.#members) {
      const news = [...topics].filter(
        ([topic, isGranted]) => own.has(topic) && !(isGranted && own.get(topic)),
      );
      for (const [topic, isGranted] of news) {
        if (isGranted) own.set(topic, true);
        else own.delete(topic);
      }
      if (news.length > 0) member({ kind: "subscribed", topics: new Map(news) });
    }
  }

  #onPonged(): void {
    this.#askedMs = NEVER;
    for (const member of this.#pinging) member({ kind: "ponged" });
    this.#pinging.clear();
  }

  #onPayload(topic: string, payload: Uint8Array<ArrayBuffer>): void {
    this.#askedMs = NEVER;
    // Of a part, the whole would be posted.
    const message: FromHub = { kind: "payload", topic, payload: payload.slice() };
    for (const [member, own] of this.#members) if (own.has(topic)) member(message);
  }

  #ask(): void {
    this.#askedMs = Math.min(this.#askedMs, this.#readClockMs());
  }

  #isOverdue(): boolean {
    return this.#readClockMs() - this.#askedMs >= OVERDUE_MS;
  }
}
