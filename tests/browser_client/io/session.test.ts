/** A member's session, against a real web server that answers as the service does. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fetchSession } from "../../../browser_client/src/io/session.ts";
import { FakeService, SECRET } from "../fake_service.ts";
import { WebServer } from "./web_server.ts";

const LOGIN = "hush-login-of-alice";

let web: WebServer;
beforeAll(async () => {
  web = await WebServer.start();
});
afterAll(() => web.stop());
beforeEach(() => {
  web.asked.length = 0;
  web.reply = new FakeService(web.url).reply;
});

const fetchHere = (login = LOGIN) => fetchSession(`${web.url}/v1`, login);

/** Answer the session's call with this, all else as usual. */
function answerSession(status: number, body: unknown, headers: Record<string, string> = {}): void {
  const usual = web.reply;
  web.reply = (asked) => (asked.url === "/v1/session" ? { status, body, headers } : usual(asked));
}

describe("a member's session", () => {
  it("takes one call beside the config, none to Cognito", async () => {
    expect(await fetchHere()).toMatchObject({
      stage: "dev",
      region: "us-east-1",
      iotUrl: "ws://127.0.0.1:8081/mqtt",
      guests: true,
      identityId: "us-east-1:alice",
      groups: ["red"],
      accessKeyId: "ASIAice",
      secretAccessKey: "hush-key",
      sessionToken: "hush-token",
      token: "hush-session-1-of-us-east-1:alice",
    });
    expect(web.asked.map(({ method, url }) => `${method} ${url}`).sort()).toEqual([
      "GET /v1/config",
      "POST /v1/session",
    ]);
    const call = web.asked.find(({ method }) => method === "POST");
    expect(call).toMatchObject({
      headers: { authorization: `Bearer ${LOGIN}` },
      body: '{"credentials":true}',
    });
  });

  it("may be narrowed, or be of a provider's login", async () => {
    for (const [wish, body] of [
      [{ channels: ["group/red/x"] }, { mode: "sts", channels: ["group/red/x"] }],
      [{ provider: "graph.facebook.com" }, { provider: "graph.facebook.com" }],
    ] as const) {
      web.asked.length = 0;
      await fetchSession(`${web.url}/v1`, LOGIN, wish);
      const call = web.asked.find(({ method }) => method === "POST");
      expect(JSON.parse(call?.body ?? "")).toEqual({ credentials: true, ...body });
    }
  });

  it("lasts as long as the shorter of token and keys, by the server's clock", async () => {
    const nowMs = 1_795_417_463_000;
    const keys = { access_key_id: "a", secret_access_key: "b", session_token: "c" };
    const body = {
      ...{ identity_id: "us-east-1:alice", groups: [], token: "t" },
      expires_at: nowMs + 3_600_000,
      credentials: { ...keys, expires_at: nowMs + 900_000 },
    };
    answerSession(200, body, { Date: new Date(nowMs).toUTCString() });
    const { lifetimeMs, skewMs } = await fetchHere();
    expect(lifetimeMs).toBe(900_000);
    // How far that clock runs ahead of this one, which signatures go by.
    expect(Math.abs(skewMs - (nowMs - Date.now()))).toBeLessThan(5000);
    answerSession(200, { ...body, expires_at: nowMs + 1000 });
    expect((await fetchHere()).lifetimeMs).toBeLessThan(nowMs + 2000 - Date.now());
  });

  it("is had where guests are off", async () => {
    const service = new FakeService(web.url);
    service.guests = false;
    web.reply = service.reply;
    expect(await fetchHere()).toMatchObject({ guests: false, identityId: "us-east-1:alice" });
  });
});

describe("a login is refused", () => {
  it("for good when it does not hold, and its error does not quote it", async () => {
    const error = await fetchHere("hush-who-is-this").catch((one) => one);
    expect(error).toMatchObject({ code: "unauthenticated", retryable: false });
    expect(error.message).toBe("found …, expected another");
  });

  it("for now when there are too many, with how long to wait", async () => {
    const error = { code: "too_many", message: "slow", retryable: true };
    answerSession(429, { error }, { "Retry-After": "3" });
    await expect(fetchHere()).rejects.toMatchObject({
      ...error,
      retryAfterMs: 3000,
    });
  });

  it.each([
    ["no answer", "hush-a", null],
    ["a character that no header takes", "hush-\u0000-b", undefined],
  ])("for now by %s, without quoting it", async (_, login, reply) => {
    if (reply === null) web.reply = () => null;
    const error = await fetchHere(login).catch((one) => one);
    expect(error).toMatchObject({ code: "upstream", retryable: true });
    expect(error.message).not.toMatch(SECRET);
  });

  it("is never taken for a guest, though it is empty", async () => {
    await expect(fetchHere("")).rejects.toMatchObject({ code: "unauthenticated" });
    const call = web.asked.find(({ method }) => method === "POST");
    expect(call?.headers.authorization).toBe("Bearer");
  });

  it.each([
    ["identity_id", { token: "hush" }],
    ["token", { identity_id: "i", token: ["hush"] }],
    ["expires_at", { identity_id: "i", token: "hush", credentials: "hush" }],
  ])("for good when %s is missing, and nothing is quoted", async (name, part) => {
    const keys = { access_key_id: "a", secret_access_key: "b", session_token: "c", expires_at: 1 };
    answerSession(200, { groups: [], expires_at: 1, credentials: keys, ...part });
    const error = await fetchHere().catch((one) => one);
    expect(error).toMatchObject({ code: "malformed", retryable: false });
    expect(error.message).toContain(name);
    expect(error.message).not.toMatch(SECRET);
  });
});
