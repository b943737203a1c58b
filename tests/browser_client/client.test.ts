/** The client as an application has it, over a real web server and a broker in this process. */
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  BellwireError,
  type Client,
  type ConnectOptions,
  connect,
  type Status,
} from "../../browser_client/src/index.ts";
import { FakeBroker } from "./fake_broker.ts";
import { type Asked, type Reply, WebServer } from "./io/web_server.ts";
import { until } from "./waiting.ts";

const EPOCH = "k3f9x0ab";

let web: WebServer;
let broker: FakeBroker;
let clients: Client[];
beforeEach(async () => {
  web = await WebServer.start();
  web.reply = answer;
  broker = new FakeBroker();
  clients = [];
  vi.stubGlobal("WebSocket", broker.webSocketClass());
});
afterEach(async () => {
  for (const client of clients) client.close();
  vi.unstubAllGlobals();
  await web.stop();
});

/** A server whose channels all hold {"cpu": 1} at seq 1. */
function answer({ method, url, headers }: Asked): Reply {
  if (url === "/v1/config") return { body: config() };
  if (method === "GET") return { body: updates(new URL(url, "http://localhost").searchParams) };
  if (headers["x-amz-target"]?.toString().endsWith("GetId")) {
    return { body: { IdentityId: "us-east-1:guest" } };
  }
  const keys = { AccessKeyId: "ASIAEXAMPLE", SecretKey: "secret", SessionToken: "token" };
  const Credentials = { ...keys, Expiration: Date.now() / 1000 + 3600 };
  return { body: { IdentityId: "us-east-1:guest", Credentials } };
}

function config(): object {
  return {
    v: 1,
    stage: "dev",
    region: "us-east-1",
    iot_url: "ws://127.0.0.1:8081/mqtt",
    identity_pool_id: "us-east-1:pool",
    cognito_url: web.url,
    guests: true,
  };
}

function updates(query: URLSearchParams): object {
  const cursor = query.get("cursor");
  const names: string[] = cursor
    ? JSON.parse(atob(cursor))[1].map(([name]: [string]) => name)
    : query.get("channels")?.split(",");
  const part = cursor
    ? { e: EPOCH, f: 1, l: 1, recovered: true, u: [] }
    : { e: EPOCH, f: 1, l: 1, recovered: false, state: { cpu: 1 }, u: [] };
  const channels = Object.fromEntries(names.map((name) => [name, part]));
  return { v: 1, cursor: "c", poll_after_ms: 20, more: false, channels };
}

function open(options: Partial<ConnectOptions> = {}): Client {
  const client = connect({ url: `${web.url}/v1`, ...options });
  clients.push(client);
  return client;
}

function envelope(seq: number, update: object, channel = "public/host"): string {
  const u = [{ s: seq, t: 1795417463828, ...update }];
  return JSON.stringify({ v: 1, c: channel, e: EPOCH, f: seq - 1, l: seq, u });
}

describe("a client", () => {
  it("goes live and hands over state and updates", async () => {
    const client = open();
    const host = client.channel("public/host");
    const told: unknown[] = [];
    host.on("update", (update) => told.push(update));
    host.on("state", (state) => told.push(Object.fromEntries(state)));
    expect([client.status, client.transport]).toEqual(["connecting", null]);
    await until(client, "live");
    expect(client.transport).toBe("push");
    broker.last.publish("dev/public/host", envelope(2, { o: "set", k: "cpu", d: 2, i: "a7" }));
    broker.last.publish("dev/public/host", envelope(3, { o: "event", d: null }));
    const place = { channel: "public/host", epoch: EPOCH };
    expect(told).toEqual([
      { ...place, seq: 1, op: "set", key: "cpu", data: 1 },
      { cpu: 1 },
      { ...place, seq: 2, op: "set", key: "cpu", data: 2, at: 1795417463828, id: "a7" },
      { cpu: 2 },
      { ...place, seq: 3, op: "event", data: null, at: 1795417463828 },
    ]);
    expect(host.position).toEqual({ epoch: EPOCH, seq: 3 });
    expect(host.state).toEqual(new Map([["cpu", 2]]));
  });

  it("gives a new map after each change of state, and the same one until then", async () => {
    const client = open();
    const host = client.channel("public/host");
    await until(client, "live");
    const before = host.state;
    broker.last.publish("dev/public/host", envelope(2, { o: "event", d: 1 }));
    expect(host.state).toBe(before);
    broker.last.publish("dev/public/host", envelope(3, { o: "set", k: "cpu", d: 2 }));
    expect([before.get("cpu"), host.state.get("cpu")]).toEqual([1, 2]);
  });

  it("signs the socket's URL and calls itself by its identity and a suffix", async () => {
    const client = open();
    client.channel("public/host");
    await until(client, "live");
    expect(broker.last.url).toMatch(
      /^ws:\/\/127\.0\.0\.1:8081\/mqtt\?X-Amz-Algorithm=.*&X-Amz-Security-Token=token$/,
    );
    const [connectPacket] = broker.last.received;
    expect(connectPacket).toMatchObject({
      clientId: expect.stringMatching(/^us-east-1:guest-[A-Za-z0-9]{12}$/),
    });
  });

  it("reads gzipped payloads in their place", async () => {
    const client = open();
    const host = client.channel("public/host");
    await until(client, "live");
    const done = new Promise<number[]>((resolve) => {
      const seqs: number[] = [];
      host.on("update", ({ seq }) => seqs.push(seq) === 2 && resolve(seqs));
    });
    broker.last.publish("dev/public/host", gzipSync(envelope(2, { o: "event", d: 1 })));
    broker.last.publish("dev/public/host", envelope(3, { o: "event", d: 1 }));
    expect(await done).toEqual([2, 3]);
  });

  it("reports a payload that is not an envelope, or one on another's topic", async () => {
    const client = open();
    client.channel("public/host");
    client.channel("public/news");
    await until(client, "live");
    const errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    broker.last.publish("dev/public/host", "hello");
    broker.last.publish("dev/public/host", envelope(2, { o: "event", d: 1 }, "public/news"));
    expect(errors).toEqual([
      'found "hello", expected a JSON object',
      'found "public/news", expected public/host',
    ]);
  });

  it("comes back after a loss, with a socket of its own", async () => {
    const client = open();
    client.channel("public/host");
    await until(client, "live");
    const lost = until(client, "connecting");
    broker.last.drop();
    await lost;
    await until(client, "live");
    expect(broker.sockets).toHaveLength(2);
  });

  it("shares a channel among its handles until the last is closed", async () => {
    const client = open();
    const [one, two] = [client.channel("public/host"), client.channel("public/host")];
    await until(client, "live");
    one.close();
    one.close();
    expect(two.state).toEqual(new Map([["cpu", 1]]));
    two.close();
    const sent = broker.last.received.map(({ cmd }) => cmd);
    expect(sent).toEqual(["connect", "subscribe", "unsubscribe"]);
  });

  it("stops telling a listener that left", async () => {
    const client = open();
    const statuses: Status[] = [];
    client.on("status", (status) => statuses.push(status))();
    client.channel("public/host");
    await until(client, "live");
    expect(statuses).toEqual([]);
  });

  it("lets a listener add channels and close", async () => {
    const client = open();
    const host = client.channel("public/host");
    const seen = new Promise((resolve) => {
      host.on("state", () => client.channel("public/news").on("state", resolve));
    });
    expect(await seen).toEqual(new Map([["cpu", 1]]));
  });

  it("goes on when its debug hook throws, which is reported", async () => {
    const thrown: unknown[] = [];
    const note = (error: unknown) => thrown.push(error);
    process.on("uncaughtException", note);
    const client = open({
      debug: ({ kind }) => {
        if (kind === "Opened") throw new Error("of the hook");
      },
    });
    client.channel("public/host");
    await until(client, "live");
    process.off("uncaughtException", note);
    expect(thrown).toMatchObject([{ message: "of the hook" }]);
  });

  it("tells nothing more of a channel that a listener closes, nor once it is closed", async () => {
    const client = open();
    const [host, other] = [client.channel("public/host"), client.channel("public/host")];
    await until(client, "live");
    const told: string[] = [];
    host.on("update", ({ seq }) => told.push(`host ${seq}`));
    host.on("update", () => host.close());
    host.on("state", () => told.push("host's state"));
    other.on("update", ({ seq }) => {
      told.push(`other ${seq}`);
      if (seq === 3) client.close();
    });
    const updates = [2, 3, 4].map((s) => ({ s, t: 0, o: "set", k: "k", d: s }));
    const run = { v: 1, c: "public/host", e: "k3f9x0ab", f: 1, l: 4, u: updates };
    broker.last.publish("dev/public/host", JSON.stringify(run));
    expect(told).toEqual(["host 2", "other 2", "other 3"]);
  });

  it("calls no listener that another has just ended, and tells no state after its end", async () => {
    const client = open();
    const host = client.channel("public/host");
    await until(client, "live");
    const told: string[] = [];
    host.on("update", () => {
      end();
      client.close();
    });
    const end = host.on("update", () => told.push("update"));
    host.on("state", () => told.push("state"));
    broker.last.publish("dev/public/host", envelope(2, { o: "set", k: "k", d: 1 }));
    expect(told).toEqual([]);
  });

  it.each([
    ["a fetch that rejects with nothing", () => Promise.reject()],
    [
      "an error whose message is no text",
      async () => Response.json({ error: { message: { toString: 1 } } }, { status: 500 }),
    ],
    [
      "an answer that is nested deeply",
      async () =>
        new Response(`{"v":1,"channels":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`),
    ],
  ])("polls again after %s", async (_, failing) => {
    const real = globalThis.fetch;
    const answers: (typeof fetch)[] = [failing];
    vi.stubGlobal("fetch", (...words: Parameters<typeof fetch>) =>
      String(words[0]).includes("/updates") ? (answers.pop() ?? real)(...words) : real(...words),
    );
    const client = open({ transport: "poll" });
    const error = new Promise((resolve) => client.on("error", resolve));
    client.channel("public/host");
    await until(client, "polling");
    expect(await error).toBeInstanceOf(BellwireError);
  });

  it("asks nothing for 30 days when it is told so, nor runs hot meanwhile", async () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    web.reply = () => ({ status: 429, headers: { "Retry-After": "2592000" }, body: "" });
    const client = open();
    client.channel("public/host");
    await new Promise((resolve) => client.on("error", resolve));
    const delays = timers.mock.calls.map(([, delayMs]) => delayMs ?? 0);
    expect(Math.max(...delays)).toBeLessThan(2 ** 31);
    timers.mockRestore();
  });

  it("refuses channels that cannot be", () => {
    const client = open();
    expect(() => client.channel("public/#")).toThrow(BellwireError);
  });

  it("fails with the reason where there is no Bellwire", async () => {
    web.reply = () => ({ status: 404, body: "" });
    const client = open();
    const error = new Promise((resolve) => client.on("error", resolve));
    await until(client, "failed");
    expect(await error).toMatchObject({ code: "not_found" });
    expect([client.transport, web.asked.length]).toEqual([null, 1]);
  });

  it("shows a debug hook its events and effects", async () => {
    const kinds: string[] = [];
    const client = open({ debug: ({ kind }) => kinds.push(kind) });
    client.close();
    expect(kinds).toEqual([
      "Started",
      "FetchCredentials",
      "StartTimer",
      "Closed",
      "CloseSocket",
      "SetStatus",
      "StartTimer",
    ]);
    expect(client.status).toBe("offline");
  });
});
