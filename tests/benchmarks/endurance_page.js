// Stands in for the broker inside a page: makes the frames that a socket would bring, as many as
// are asked for, and hands each to whoever takes it. Three take them: nobody, so that the making
// is known by itself; the least that reads them; and the built client, by a socket of this file. It
// is the core: the whole client would give up a topic that brings more than AWS IoT ever does.
import { connect } from "/core.js";

const CHANNEL = "public/bench.endurance";
const IN_ENVELOPE = 10;
const SETS_IN_ENVELOPE = 8;
const KEYS = 100;
/** Frames in a row before the page gets to do anything else. */
const IN_TASK = 20;
const [CONNECT, SUBSCRIBE, PINGREQ] = [1, 8, 12];

const utf8 = new TextEncoder();
const readUtf8 = new TextDecoder();
const fetchReally = globalThis.fetch;
let topic = "";
let epoch = "";
let seq = 0;
let sets = 0;
let socket = null;

class PlayedSocket {
  static OPEN = 1;
  readyState = 0;

  constructor() {
    socket = this;
    setTimeout(() => {
      this.readyState = PlayedSocket.OPEN;
      this.onopen();
    });
  }

  send(packet) {
    const kind = packet[0] >> 4;
    if (kind === CONNECT) this.#answer([0x20, 2, 0, 0]);
    else if (kind === SUBSCRIBE) this.#answerSubscribe(packet);
    else if (kind === PINGREQ) this.#answer([0xd0, 0]);
  }

  close() {
    throw new Error("the client closed its socket; expected it to stay");
  }

  bring(frame) {
    this.onmessage({ data: frame.buffer });
  }

  /** One filter, whose topic is kept: remaining length, packet id, size, topic. */
  #answerSubscribe(packet) {
    const size = (packet[4] << 8) | packet[5];
    topic = readUtf8.decode(packet.subarray(6, 6 + size));
    this.#answer([0x90, 3, packet[2], packet[3], 0]);
  }

  #answer(bytes) {
    setTimeout(() => this.bring(Uint8Array.from(bytes)));
  }
}

/** The log knows nothing of what is made here: to any cursor the answer is that nothing is new. */
async function fetchPlayed(url, init) {
  const cursor = new URL(url, location.href).searchParams.get("cursor");
  if (cursor === null) return fetchReally(url, init);
  const [, places] = JSON.parse(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")));
  const channels = Object.fromEntries(
    places.map(([name, e, l]) => [name, { e, f: l, l, recovered: true, u: [] }]),
  );
  const body = { v: 1, cursor, poll_after_ms: 2000, more: false, channels };
  return new Response(JSON.stringify(body), { headers: { Date: new Date().toUTCString() } });
}

/** A PUBLISH of the next updates: sets of keys by turns, then events. */
function nextFrame() {
  const first = seq;
  const u = [];
  for (let index = 0; index < IN_ENVELOPE; index++) {
    const s = ++seq;
    const d = { value: (s % 1000) / 10, unit: "%", isOn: s % 2 === 0 };
    const t = 1795417463828 + s;
    if (index < SETS_IN_ENVELOPE) u.push({ s, t, o: "set", k: `key${sets++ % KEYS}`, d });
    else u.push({ s, t, o: "event", d });
  }
  return publishOf({ v: 1, c: CHANNEL, e: epoch, f: first, l: seq, u });
}

function publishOf(envelope) {
  const topicBytes = utf8.encode(topic);
  const payload = utf8.encode(JSON.stringify(envelope));
  const size = 2 + topicBytes.length + payload.length;
  const head = [0x30, (size & 127) | 128, size >> 7, 0, topicBytes.length];
  const frame = new Uint8Array(head.length + topicBytes.length + payload.length);
  frame.set(head);
  frame.set(topicBytes, head.length);
  frame.set(payload, head.length + topicBytes.length);
  return frame;
}

const turn = new MessageChannel();
const nextTask = () =>
  new Promise((resolve) => {
    turn.port1.onmessage = resolve;
    turn.port2.postMessage(null);
  });

const told = { updates: 0, states: 0 };
const least = { state: new Map(), events: 0 };
const takers = {
  nobody: () => {},
  least: (frame) => {
    const payload = frame.subarray(5 + topic.length);
    for (const { o, k, d } of JSON.parse(readUtf8.decode(payload)).u) {
      if (o === "set") least.state.set(k, d);
      else least.events++;
    }
  },
  client: (frame) => socket.bring(frame),
};

/** Make updates and hand them over; `count` is a multiple of IN_ENVELOPE. */
async function feed(taker, count) {
  const take = takers[taker];
  for (let frames = count / IN_ENVELOPE; frames > 0; frames -= IN_TASK) {
    for (let index = 0; index < Math.min(IN_TASK, frames); index++) take(nextFrame());
    await nextTask();
  }
}

globalThis.WebSocket = PlayedSocket;
globalThis.fetch = fetchPlayed;
const client = connect({ url: "/v1" });
const channel = client.channel(CHANNEL);
channel.on("update", () => {
  told.updates++;
});
channel.on("state", () => {
  told.states++;
});
const ready = new Promise((resolve) => {
  client.on("status", (status) => {
    if (status === "live") resolve();
  });
});
await ready;
({ epoch, seq } = channel.position);
Object.assign(told, { updates: 0, states: 0 });
window.endurance = { feed, told, client, channel };
