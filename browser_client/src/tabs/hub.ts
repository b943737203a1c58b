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
type Topics = Map<string, boolean>;

export interface Hub {
  /** Do what a tab asks. */
  take(member: Member, message: ToHub): void;
  /** A tab is gone; the last one takes the socket with it, and so does one that waited too long. */
  leave(member: Member): void;
  /** Close the socket and tell every tab; without a message, the hub itself is going away. */
  end(message?: string | null): void;
}

/** @param readClockMs tells the time by a clock that does not jump. */
export function startHub(openSocket: OpenSocket, readClockMs: () => number): Hub {
  /** Each tab's topics, and whether it has been told that they are granted. */
  const members = new Map<Member, Topics>();
  /** The connection's topics, and whether they are granted. */
  const granted: Topics = new Map();
  const pinging = new Set<Member>();
  let socket: Socket | null = null;
  let isOpen = false;
  /** When something was asked that nothing has been heard since. */
  let askedMs = NEVER;

  const isOverdue = () => readClockMs() - askedMs >= OVERDUE_MS;
  const ask = () => {
    askedMs = Math.min(askedMs, readClockMs());
  };
  const heard = () => {
    askedMs = NEVER;
  };

  function end(message?: string | null): void {
    socket?.close();
    socket = null;
    isOpen = false;
    heard();
    granted.clear();
    pinging.clear();
    const left = [...members.keys()];
    members.clear();
    for (const member of left) member({ kind: "lost", message });
  }

  function join(member: Member, url: string, clientId: string): void {
    if (isOverdue()) end(null);
    members.set(member, new Map());
    if (isOpen) member({ kind: "opened" });
    if (socket) return;
    ask();
    try {
      socket = openSocket(url, clientId, listener);
    } catch (error) {
      end((error as Error).message);
    }
  }

  function subscribe(member: Member, own: Topics, topics: readonly string[]): void {
    const answers: Topics = new Map();
    const asked = topics.filter((topic) => {
      const isGranted = granted.get(topic) ?? (granted.size < MAX_TOPICS ? false : null);
      if (isGranted !== false) answers.set(topic, !!isGranted);
      if (isGranted === null) return false;
      own.set(topic, isGranted);
      granted.set(topic, isGranted);
      return !isGranted;
    });
    if (answers.size > 0) member({ kind: "subscribed", topics: answers });
    if (asked.length > 0) {
      ask();
      socket?.subscribe(asked);
    }
  }

  /** Unsubscribe what nobody follows any more. */
  function forget(topics: readonly string[]): void {
    const followed = [...members.values()];
    const left = topics.filter(
      (topic) => !followed.some((own) => own.has(topic)) && granted.delete(topic),
    );
    if (left.length > 0) socket?.unsubscribe(left);
  }

  const listener: SocketListener = {
    onOpened() {
      heard();
      isOpen = true;
      for (const member of members.keys()) member({ kind: "opened" });
    },
    onSubscribed(topics) {
      heard();
      for (const [topic, isGranted] of topics) {
        if (!isGranted) granted.delete(topic);
        else if (granted.has(topic)) granted.set(topic, true);
      }
      for (const [member, own] of members) {
        const news = [...topics].filter(
          ([topic, isGranted]) => own.has(topic) && !(isGranted && own.get(topic)),
        );
        for (const [topic, isGranted] of news) {
          if (isGranted) own.set(topic, true);
          else own.delete(topic);
        }
        if (news.length > 0) member({ kind: "subscribed", topics: new Map(news) });
      }
    },
    onPonged() {
      heard();
      for (const member of pinging) member({ kind: "ponged" });
      pinging.clear();
    },
    onPayload(topic, payload) {
      heard();
      // Of a part, the whole would be posted.
      const message: FromHub = { kind: "payload", topic, payload: payload.slice() };
      for (const [member, own] of members) if (own.has(topic)) member(message);
    },
    onLost: (error) => end(error?.message ?? null),
  };

  return {
    end,
    take(member, message) {
      if (message.kind === "open") join(member, message.url, message.clientId);
      const own = members.get(member);
      if (!own) return; // It was told that the socket is lost, but had not heard yet.
      if (message.kind === "subscribe") subscribe(member, own, message.topics);
      else if (message.kind === "unsubscribe") {
        for (const topic of message.topics) own.delete(topic);
        forget(message.topics);
      } else if (message.kind === "ping") {
        // Forwarded unless one is on its way: what was answered may have been before a sleep.
        if (pinging.size === 0) {
          ask();
          socket?.ping();
        }
        pinging.add(member);
      }
    },
    leave(member) {
      const own = members.get(member);
      if (!own) return;
      members.delete(member);
      pinging.delete(member);
      if (members.size === 0 || isOverdue()) end(null);
      else forget([...own.keys()]);
    },
  };
}
