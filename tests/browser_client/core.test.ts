/** The smallest entry: what it does, and what it says of what it leaves out. */
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Client, ConnectOptions } from "../../browser_client/src/core.ts";
import { connect } from "../../browser_client/src/core.ts";
import { HANDLERS, startConnection, stepBy } from "../../browser_client/src/protocol/core.ts";
import { FakeBroker } from "./fake_broker.ts";
import { EPOCH, FakeService } from "./fake_service.ts";
import { WebServer } from "./io/web_server.ts";
import { until } from "./waiting.ts";

let web: WebServer;
let service: FakeService;
let broker: FakeBroker;
let clients: Client[];
beforeEach(async () => {
  web = await WebServer.start();
  service = new FakeService(web.url);
  web.reply = service.reply;
  broker = new FakeBroker();
  clients = [];
  vi.stubGlobal("WebSocket", broker.webSocketClass());
});
afterEach(async () => {
  for (const client of clients) client.close();
  vi.unstubAllGlobals();
  await web.stop();
});

function open(options: Partial<ConnectOptions> = {}): Client {
  const client = connect({ url: `${web.url}/v1`, ...options });
  clients.push(client);
  return client;
}

/** An event of public/host, after everything before it. */
function envelope(seq: number): string {
  const u = [{ s: seq, t: 1795417463828, o: "event", d: seq }];
  return JSON.stringify({ v: 1, c: "public/host", e: EPOCH, f: seq - 1, l: seq, u });
}

describe("core", () => {
  it("connects and is pushed what a guest follows", async () => {
    const client = open();
    const host = client.channel("public/host");
    await until(client, "live");
    const told: unknown[] = [];
    host.on("update", ({ seq, data }) => told.push([seq, data]));
    broker.last.publish("dev/public/host", envelope(2));
    expect([host.state, told]).toEqual([new Map([["cpu", 1]]), [[2, 2]]]);
  });

  it("is pushed what a member follows", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const inbox = client.channel("user/me/inbox");
    await until(client, "live");
    expect(inbox.state).toEqual(new Map([["cpu", 1]]));
    expect(client.identity).toEqual({ id: "us-east-1:alice", groups: ["red"] });
  });

  it("follows by polls where no socket opens", async () => {
    broker.isDown = true;
    const host = open({ transport: "poll" }).channel("public/host");
    await new Promise((resolve) => host.on("state", resolve));
    expect(host.state).toEqual(new Map([["cpu", 1]]));
  });

  it("comes back after a loss", async () => {
    const client = open();
    client.channel("public/host");
    await until(client, "live");
    const lost = until(client, "connecting");
    broker.last.drop();
    await lost;
    await until(client, "live");
    expect(broker.sockets).toHaveLength(2);
  });

  it("catches up by poll with gzipped payloads, and says so once", async () => {
    const client = open();
    const host = client.channel("public/host");
    await until(client, "live");
    const errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    const seqs: number[] = [];
    const whole = new Promise<void>((resolve) => {
      host.on("update", ({ seq }) => {
        if (seqs.push(seq) === 3) resolve();
      });
    });
    web.reply = (asked) => {
      if (!asked.url.includes("cursor=")) return service.reply(asked);
      const u = [2, 3].map((seq) => ({ s: seq, t: 1795417463828, o: "event", d: seq }));
      const part = { e: EPOCH, f: 1, l: 3, recovered: true, u };
      return { body: { v: 1, poll_after_ms: 20, more: false, channels: { "public/host": part } } };
    };
    for (const seq of [2, 3]) broker.last.publish("dev/public/host", gzipSync(envelope(seq)));
    broker.last.publish("dev/public/host", envelope(4));
    await whole;
    expect(seqs).toEqual([2, 3, 4]);
    expect(errors).toEqual(['found "another version or gzip", expected plain version 1']);
  });

  it("leaves it to the server to refuse a guest's private channel, and does not subscribe it", async () => {
    const client = open();
    const told = new Promise((resolve) => client.on("error", resolve));
    client.channel("public/host");
    client.channel("user/me/inbox");
    expect(await told).toMatchObject({ code: "unauthenticated", channel: "user/me/inbox" });
    await until(client, "live");
    const asked = broker.last.received.flatMap((packet) =>
      packet.cmd === "subscribe" ? packet.subscriptions.map(({ topic }) => topic) : [],
    );
    expect(asked).toEqual(["dev/public/host"]);
  });

  it("goes on as another guest when the pool has forgotten the one before", () => {
    const step = stepBy(HANDLERS);
    const session = { groups: [], guests: true, lifetimeMs: 60_000 };
    const guests = ["us-east-1:guest", "us-east-1:fresh"];
    const last = guests.reduce((connection, identityId) => {
      const arrived = { ...session, identityId };
      const event = { kind: "CredentialsArrived", login: 0, session: arrived } as const;
      return step(connection, event, { nowMs: 1_000_000, random: 0.5 })[0];
    }, startConnection("none"));
    expect([last.status, last.login.session?.identityId]).toEqual(["connecting", guests[1]]);
  });

  it("has failed, and says why, when the token function brings somebody else", async () => {
    const logins = ["hush-login-of-alice", "hush-login-of-bob"];
    const client = open({ token: () => logins.shift() as string });
    const inbox = client.channel("user/me/inbox");
    await until(client, "live");
    const told = new Promise((resolve) => client.on("error", resolve));
    service.revoked.add("hush-session-1-of-us-east-1:alice");
    client.channel("group/red/room");
    await until(client, "failed");
    expect(await told).toMatchObject({
      code: "not_allowed",
      message: "found another login, expected the same",
    });
    expect([inbox.position?.seq, client.identity?.id]).toEqual([1, "us-east-1:alice"]);
  });
});
