/** Polls, against a real web server. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { poll } from "../../../browser_client/src/io/poller.ts";
import { WebServer } from "./web_server.ts";

let web: WebServer;
beforeAll(async () => {
  web = await WebServer.start();
});
afterAll(() => web.stop());
beforeEach(() => {
  web.asked.length = 0;
});

const quiet = { e: "k3f9x0ab", f: 3, l: 3, recovered: true, u: [] };
const body = {
  v: 1,
  cursor: "c",
  poll_after_ms: 2000,
  more: false,
  channels: { "public/a": quiet },
};

const ask = (token: string | null = null) =>
  poll({ id: 7, query: "channels=public%2Fa" }, `${web.url}/v1`, token);

describe("a poll", () => {
  it("hands on what was answered", async () => {
    web.reply = () => ({ body });
    const part = { epoch: "k3f9x0ab", after: 3, last: 3, recovered: true, updates: [] };
    expect(await ask()).toEqual({
      kind: "AnswerArrived",
      id: 7,
      answer: {
        pollAfterMs: 2000,
        more: false,
        channels: new Map([["public/a", { ...part, state: new Map(), next: null }]]),
      },
      maxAgeMs: 0,
      ageMs: 0,
    });
  });

  it("reads how long the answer may be kept, how old it is and when to ask again", async () => {
    const headers = {
      "Cache-Control": "public, max-age=1, must-revalidate, stale-if-error=0",
      Age: "3",
      "Bellwire-Poll-After-Ms": "9000",
    };
    web.reply = () => ({ headers, body });
    expect(await ask()).toMatchObject({
      maxAgeMs: 1000,
      ageMs: 3000,
      answer: { pollAfterMs: 9000 },
    });
  });

  it("sends the token as bearer, and nothing without one", async () => {
    web.reply = () => ({ body });
    await ask("secret");
    await ask();
    expect(web.asked.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer secret",
      undefined,
    ]);
  });

  it("hands on the server's error and its Retry-After", async () => {
    const error = { code: "too_many", message: "found 9 a second", retryable: true };
    web.reply = () => ({ status: 429, headers: { "Retry-After": "4" }, body: { error } });
    expect(await ask()).toMatchObject({
      kind: "PollFailed",
      id: 7,
      error: {
        ...{ code: "too_many", message: "found 9 a second", retryable: true },
        retryAfterMs: 4000,
      },
    });
  });

  it.each([
    ["conflict", true],
    ["internal", false],
    ["too_many", false],
  ])("believes the server on whether %s is worth another try", async (code, retryable) => {
    web.reply = () => ({ status: 409, body: { error: { code, message: "no", retryable } } });
    expect(await ask()).toMatchObject({ error: { code, message: "no", retryable } });
  });

  it("takes a code it does not know by its status", async () => {
    const error = { code: "paused", message: "found a pause", retryable: true };
    web.reply = () => ({ status: 409, body: { error } });
    expect(await ask()).toMatchObject({
      error: { code: "conflict", message: "found a pause", retryable: true },
    });
  });

  it.each([
    [401, "unauthenticated"],
    [403, "not_allowed"],
    [404, "not_found"],
    [500, "internal"],
    [503, "upstream"],
  ])("maps a bare status %i to %s", async (status, code) => {
    web.reply = () => ({ status, body: "<h1>no</h1>" });
    expect(await ask()).toMatchObject({ kind: "PollFailed", error: { code } });
  });

  it.each([
    ["another version", { ...body, v: 2 }],
    ["channels that are no object", { ...body, channels: [] }],
    [
      "a channel without state",
      { ...body, channels: { "public/a": { ...quiet, recovered: false } } },
    ],
    ["a run with a hole", { ...body, channels: { "public/a": { ...quiet, l: 4 } } }],
  ])("fails on %s", async (_, wrong) => {
    web.reply = () => ({ body: wrong });
    expect(await ask()).toMatchObject({ kind: "PollFailed", error: { code: "malformed" } });
  });

  it("fails retryably on a proxy's page", async () => {
    web.reply = () => ({ body: "<html>Sign in</html>" });
    expect(await ask()).toMatchObject({ kind: "PollFailed", error: { code: "upstream" } });
  });

  it("fails retryably when nobody answers", async () => {
    web.reply = () => null;
    expect(await ask()).toMatchObject({
      kind: "PollFailed",
      error: { code: "upstream", retryable: true },
    });
  });
});
