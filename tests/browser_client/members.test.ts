/** Members as an application has them: who sees what, logins and logouts, and no secret told. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type BellwireError,
  type Channel,
  type Client,
  type ConnectOptions,
  connect,
} from "../../browser_client/src/index.ts";
import { FakeBroker } from "./fake_broker.ts";
import { bearerOf, EPOCH, FakeService, GUEST, SECRET } from "./fake_service.ts";
import { WebServer } from "./io/web_server.ts";
import { until } from "./waiting.ts";

const ALICE = "us-east-1:alice";
const BOB = "us-east-1:bob";

let web: WebServer;
let service: FakeService;
let broker: FakeBroker;
let clients: Client[];
let kept: Map<string, string>;
beforeEach(async () => {
  web = await WebServer.start();
  service = new FakeService(web.url);
  web.reply = service.reply;
  broker = new FakeBroker();
  clients = [];
  kept = new Map();
  vi.stubGlobal("WebSocket", broker.webSocketClass());
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
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

function nextError(client: Client): Promise<BellwireError> {
  return new Promise((resolve) => client.on("error", resolve));
}

/** Everything that a channel tells, in one list. */
function listen(channel: Channel): unknown[] {
  const told: unknown[] = [];
  channel.on("update", ({ op, key, data }) => told.push([op, key, data]));
  channel.on("state", (state) => told.push(Object.fromEntries(state)));
  channel.on("reset", () => told.push("reset"));
  return told;
}

function envelope(channel: string, ...updates: object[]): string {
  const u = updates.map((update, index) => ({ s: index + 2, t: 1795417463828, ...update }));
  return JSON.stringify({ v: 1, c: channel, e: EPOCH, f: 1, l: 1 + u.length, u });
}

function event(data: unknown): object {
  return { o: "event", d: data };
}

function askedFor(path: string) {
  return web.asked.filter(({ url }) => url.startsWith(path));
}

describe("a member", () => {
  it("gets its own and its groups' channels pushed", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const inbox = listen(client.channel("user/me/inbox"));
    const room = listen(client.channel("group/red/room"));
    expect(client.identity).toBeNull();
    await until(client, "live");
    expect(client.identity).toEqual({ id: ALICE, groups: ["red"] });
    broker.last.publish(`dev/user/${ALICE}/inbox`, envelope(`user/${ALICE}/inbox`, event(1)));
    broker.last.publish("dev/group/red/room", envelope("group/red/room", event(2)));
    const first = [["set", "cpu", 1], { cpu: 1 }];
    expect(inbox).toEqual([...first, ["event", undefined, 1]]);
    expect(room).toEqual([...first, ["event", undefined, 2]]);
  });

  it("shows the session's token where it is needed, the login to open the session only", async () => {
    const client = open({ token: "hush-login-of-alice" });
    client.channel("public/host");
    client.channel("user/me/inbox");
    await until(client, "live");
    const bearers = (path: string) => new Set(askedFor(path).map(bearerOf));
    expect(bearers("/v1/session")).toEqual(new Set(["hush-login-of-alice"]));
    expect(bearers("/v1/config")).toEqual(new Set([undefined]));
    expect(bearers("/v1/updates?channels=public")).toEqual(new Set([undefined]));
    expect(bearers("/v1/updates?channels=user")).toEqual(new Set([`hush-session-1-of-${ALICE}`]));
    expect(web.asked.filter(({ headers }) => "x-amz-target" in headers)).toEqual([]);
    expect(broker.last.received[0]).toMatchObject({
      clientId: expect.stringMatching(/^us-east-1:alice-[A-Za-z0-9]{12}$/),
    });
  });

  it("shows it with public channels too where guests are off", async () => {
    service.guests = false;
    const client = open({ token: "hush-login-of-bob" });
    const host = listen(client.channel("public/host"));
    const errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    await until(client, "live");
    expect(host).toEqual([["set", "cpu", 1], { cpu: 1 }]);
    expect(errors).toEqual([]);
    expect(await client.presence("public/host")).toHaveLength(1);
    expect(bearerOf(askedFor("/v1/presence")[0] as never)).toBe(`hush-session-1-of-${BOB}`);
  });

  it("follows by polls where no socket opens", async () => {
    broker.isDown = true;
    const client = open({ token: "hush-login-of-alice" });
    const inbox = client.channel("user/me/inbox");
    await new Promise((resolve) => inbox.on("state", resolve));
    expect(inbox.state).toEqual(new Map([["cpu", 1]]));
  });

  it("whose session holds no more gets another, silently", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const errors: string[] = [];
    client.on("error", ({ message }) => errors.push(message));
    client.channel("user/me/inbox");
    await until(client, "live");
    service.revoked.add(`hush-session-1-of-${ALICE}`);
    const room = client.channel("group/red/room");
    await new Promise((resolve) => room.on("state", resolve));
    expect(askedFor("/v1/session")).toHaveLength(2);
    expect(errors).toEqual([]);
    expect(broker.sockets).toHaveLength(1);
  });

  it("has its login asked for anew for each session", async () => {
    const logins = ["hush-login-of-old", "hush-login-of-alice"];
    const client = open({ token: async () => logins.shift() as string });
    client.channel("user/me/inbox");
    await until(client, "live");
    expect(askedFor("/v1/session").map(bearerOf)).toEqual([
      "hush-login-of-old",
      "hush-login-of-alice",
    ]);
  });

  it.each([
    ["an error", new Error("no login yet"), "no login yet"],
    ["nothing", undefined, "undefined"],
    ["what is no text", [Object.create(null)], "undefined"],
  ])("whose token function throws %s is told so, and it is asked again", async (_, cause, text) => {
    let calls = 0;
    const token = () => {
      if (calls++ === 0) throw cause;
      return "hush-login-of-alice";
    };
    const client = open({ token });
    const error = nextError(client);
    client.channel("user/me/inbox");
    await until(client, "live");
    expect((await error).message).toBe(`the page threw: ${text}`);
  });

  it("whose token function gives nothing is no guest", async () => {
    const client = open({ token: () => null as never });
    const error = nextError(client);
    await until(client, "failed");
    expect(await error).toMatchObject({ code: "unauthenticated" });
    expect(web.asked.filter(({ headers }) => "x-amz-target" in headers)).toEqual([]);
  });

  it("with a login that does not hold has failed, and knows why", async () => {
    const client = open({ token: "hush-login-of-nobody" });
    const error = nextError(client);
    await until(client, "failed");
    expect(await error).toMatchObject({ code: "unauthenticated" });
    expect(askedFor("/v1/session")).toHaveLength(1);
  });
});

describe("another login", () => {
  it("shows nothing of the one before, and public channels go on", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const host = listen(client.channel("public/host"));
    const channel = client.channel("user/me/inbox");
    const inbox = listen(channel);
    await until(client, "live");
    const old = broker.last;
    client.login("hush-login-of-bob");
    expect([channel.state.size, channel.position, client.identity]).toEqual([0, null, null]);
    expect(inbox.splice(0)).toEqual([
      ["set", "cpu", 1],
      { cpu: 1 },
      "reset",
      ["delete", "cpu", undefined],
      {},
    ]);
    old.publish(`dev/user/${ALICE}/inbox`, envelope(`user/${ALICE}/inbox`, event("late")));
    old.publish("dev/public/host", envelope("public/host", event("late")));
    await until(client, "live");
    expect(client.identity).toEqual({ id: BOB, groups: [] });
    broker.last.publish(`dev/user/${BOB}/inbox`, envelope(`user/${BOB}/inbox`, event("bob's")));
    expect(inbox).toEqual([["set", "cpu", 1], { cpu: 1 }, ["event", undefined, "bob's"]]);
    broker.last.publish("dev/public/host", envelope("public/host", event("new")));
    expect(host).toEqual([["set", "cpu", 1], { cpu: 1 }, ["event", undefined, "new"]]);
  });

  it("counts from the listener's call on, in the middle of what is told", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const inbox = client.channel("user/me/inbox");
    const room = listen(client.channel("group/red/room"));
    await until(client, "live");
    const seen: unknown[] = [];
    inbox.on("update", ({ data }) => {
      if (data === "first") client.logout();
      seen.push([data, inbox.state.size, client.identity]);
    });
    const name = `user/${ALICE}/inbox`;
    broker.last.publish(`dev/${name}`, envelope(name, event("first"), event("second")));
    expect(seen).toEqual([
      ["first", 0, null],
      [undefined, 0, null],
    ]);
    expect(room.slice(2)).toEqual(["reset", ["delete", "cpu", undefined], {}]);
  });

  it("in the middle of what is told shows no state before the reset", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const channel = client.channel("user/me/inbox");
    const inbox = listen(channel);
    channel.on("update", ({ data }) => data === 7 && client.login("hush-login-of-bob"));
    await until(client, "live");
    const name = `user/${ALICE}/inbox`;
    broker.last.publish(`dev/${name}`, envelope(name, { o: "set", k: "k", d: 7 }));
    expect(inbox.slice(2)).toEqual([
      ["set", "k", 7],
      "reset",
      ["delete", "cpu", undefined],
      ["delete", "k", undefined],
      {},
    ]);
  });

  it.each([
    ["two of them", (client: Client) => client.logout()],
    ["one", () => {}],
  ])("in a listener, after %s, leaves nothing of the one before", async (_, before) => {
    const client = open({ token: "hush-login-of-alice" });
    const names = ["user/me/a", "user/me/b"];
    const shown = names.map(() => new Map<unknown, unknown>());
    for (const [index, name] of names.entries()) {
      client.channel(name).on("update", ({ op, key, data }) => {
        if (op === "set") shown[index]?.set(key, data);
        if (op === "delete") shown[index]?.delete(key);
      });
    }
    await until(client, "live");
    for (const name of names) {
      const full = name.replace("me", ALICE);
      broker.last.publish(`dev/${full}`, envelope(full, { o: "set", k: "secret", d: 1 }));
    }
    const end = client.on("error", () => {
      end();
      before(client);
      client.login("hush-login-of-bob");
    });
    broker.last.publish("dev/user/us-east-1:alice/a", "garbage");
    await until(client, "connecting");
    await until(client, "live");
    expect(client.identity?.id).toBe(BOB);
    expect(shown).toEqual(names.map(() => new Map([["cpu", 1]])));
  });

  it("in a listener of the one before takes away what other channels hold", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const [first, second] = ["user/me/a", "user/me/b"].map((name) => client.channel(name));
    await until(client, "live");
    const told = listen(second as Channel);
    const end = first?.on("reset", () => {
      end?.();
      client.login("hush-login-of-bob");
    });
    client.logout();
    expect(told).toEqual(["reset", ["delete", "cpu", undefined], {}]);
  });

  it("does not hear of a session that was opened for the one before", async () => {
    let arrive = (_login: string) => {};
    const late = new Promise<string>((resolve) => {
      arrive = resolve;
    });
    const arrived: unknown[] = [];
    const debug = (what: { kind: string }) =>
      what.kind === "CredentialsArrived" && arrived.push(what);
    const client = open({ token: () => late, debug });
    client.login("hush-login-of-bob");
    client.channel("user/me/inbox");
    await until(client, "live");
    arrive("hush-login-of-alice");
    await vi.waitUntil(() => arrived.length === 2);
    expect(client.identity?.id).toBe(BOB);
    await client.presence("group/red/room");
    expect(askedFor("/v1/presence").map(bearerOf)).toEqual([`hush-session-1-of-${BOB}`]);
    expect(broker.sockets).toHaveLength(1);
  });

  it("is what a client may need that has failed", async () => {
    const client = open({ token: "hush-login-of-nobody" });
    client.channel("user/me/inbox");
    await until(client, "failed");
    client.login("hush-login-of-alice");
    await until(client, "live");
    expect(client.identity?.id).toBe(ALICE);
  });
});

describe("a guest", () => {
  it("stays the same one through login and logout; nothing else is kept", async () => {
    const client = open();
    client.channel("public/host");
    await until(client, "live");
    const before = [...kept];
    client.login("hush-login-of-alice");
    await until(client, "connecting");
    await until(client, "live");
    expect([...kept]).toEqual(before);
    client.logout();
    await until(client, "connecting");
    await until(client, "live");
    expect(client.identity).toEqual({ id: GUEST, groups: [] });
    expect([...kept]).toEqual([["bellwire:identity:us-east-1:pool", GUEST]]);
    const calls = web.asked.flatMap(({ headers }) => headers["x-amz-target"] ?? []);
    expect(calls.filter((target) => target.toString().endsWith("GetId"))).toHaveLength(1);
  });

  it("may follow user/me once it has logged in", async () => {
    const client = open();
    const told = new Promise((resolve) => client.on("error", resolve));
    const inbox = client.channel("user/me/inbox");
    expect(await told).toMatchObject({
      ...{ code: "not_allowed", channel: "user/me/inbox" },
      message: "found a guest, expected a login",
    });
    client.login("hush-login-of-alice");
    await new Promise((resolve) => inbox.on("state", resolve));
    expect(client.identity?.id).toBe(ALICE);
  });

  it("is told once of each private channel, until the next login follows it again", async () => {
    const client = open({ token: "hush-login-of-alice" });
    const inbox = client.channel("user/me/inbox");
    client.channel("public/host");
    await until(client, "live");
    const errors: unknown[] = [];
    client.on("error", ({ code, channel }) => errors.push([code, channel]));
    client.logout();
    client.logout();
    await until(client, "live");
    expect(errors).toEqual([["not_allowed", "user/me/inbox"]]);
    client.login("hush-login-of-bob");
    await new Promise((resolve) => inbox.on("state", resolve));
    expect(inbox.state).toEqual(new Map([["cpu", 1]]));
  });

  it("is refused where guests are off", async () => {
    service.guests = false;
    const client = open();
    const error = nextError(client);
    await until(client, "failed");
    expect(await error).toMatchObject({ code: "not_allowed" });
  });
});

describe("presence", () => {
  it("is asked with the session's token", async () => {
    const client = open({ token: "hush-login-of-alice" });
    await expect(client.presence("group/red/room")).rejects.toMatchObject({
      code: "unauthenticated",
    });
    await until(client, "live");
    expect(await client.presence("group/red/room")).toMatchObject([{ user: "alice" }]);
    const bearers = askedFor("/v1/presence").map(bearerOf);
    expect(bearers).toEqual([`hush-session-1-of-${ALICE}`]);
  });

  it("is asked without one by a guest, at once after a logout too", async () => {
    const client = open({ token: "hush-login-of-alice" });
    await until(client, "live");
    client.logout();
    expect(await client.presence("public/host")).toHaveLength(1);
    await expect(client.presence("group/red/room")).rejects.toThrow();
    expect(askedFor("/v1/presence").map(bearerOf)).toEqual([undefined, undefined]);
  });
});

/** Write out whatever a debug hook could look at. */
function spell(what: unknown): string {
  return JSON.stringify(what, (_, value) => {
    if (value instanceof Map || value instanceof Set) return [...value];
    return value instanceof Error ? [value.message, value.stack, { ...value }] : value;
  });
}

it("tells no secret: not in events, errors or URLs other than the signed one", async () => {
  const told: string[] = [];
  const debug = (what: unknown) => told.push(spell(what));
  const client = open({ token: "hush-login-of-alice", debug });
  client.on("error", (error) => told.push(spell(error)));
  client.channel("user/me/inbox");
  client.channel("public/host");
  await until(client, "live");
  for (let session = 1; session < 9; session++) {
    service.revoked.add(`hush-session-${session}-of-${ALICE}`);
  }
  told.push(spell(await client.presence("group/red/room").catch((error) => error)));
  client.channel("group/red/room");
  await nextError(client);
  client.login("hush-login-of-nobody");
  await until(client, "failed");
  client.login("hush-login\u0000");
  await nextError(client);
  client.login(() => "hush-login-of-bob");
  await until(client, "live");
  vi.stubGlobal("WebSocket", function refuse(url: string): void {
    throw new SyntaxError(`The URL '${url}' is invalid.`);
  });
  broker.last.drop();
  expect((await nextError(client)).message).toContain("invalid");
  expect(told.length).toBeGreaterThan(50);
  expect(told.filter((text) => SECRET.test(text))).toEqual([]);
  expect(web.asked.filter(({ url }) => SECRET.test(url))).toEqual([]);
  expect(spell([...kept])).not.toMatch(SECRET);
  expect(broker.last.url).toMatch(SECRET);
});
