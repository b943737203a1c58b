/** When the script for old browsers asks, for what, and what it does about refusals. */
import { describe, expect, it } from "vitest";
import {
  answer,
  bearerOf,
  EPOCH,
  placesOf,
  refusal,
  run,
  session,
  TestedFeed,
  whole,
} from "./feed.ts";
import type { Reply, Request } from "./old_browser.ts";

const PUBLIC = ["public/a", "public/b"];

describe("requests", () => {
  it("name each channel once at first, then the places of all, whatever the answer's cursor", () => {
    const tested = new TestedFeed({ channels: ["public/b", "public/a", "public/b"] });
    const parts = { "public/a": whole(1), "public/b": whole(1) };
    expect(tested.answer(parts, "WzEs-_").url).toBe("/v1/updates?channels=public%2Fa,public%2Fb");
    const quiet = { "public/a": run(1, 1), "public/b": run(1, 3) };
    expect(tested.answer(quiet, "x", 2000).url).toBe(
      "/v1/updates?cursor=WzEsW1sicHVibGljL2EiLCJrM2Y5eDBhYiIsMV0s" +
        "WyJwdWJsaWMvYiIsImszZjl4MGFiIiwxXV0sMTQyNzc2OTM0MF0",
    );
    expect(placesOf(tested.answer(quiet, "x", 2000))).toEqual({
      "public/a": { epoch: EPOCH, seq: 1 },
      "public/b": { epoch: EPOCH, seq: 3 },
    });
  });

  it("are apart for public and private channels, and the public ones carry no token", () => {
    const tested = new TestedFeed({ channels: ["user/me/a", "public/a"], token: "login" });
    tested.browser.pass(0);
    const [open, login] = tested.browser.take() as [Request, Request];
    expect([open.url, bearerOf(open)]).toEqual(["/v1/updates?channels=public%2Fa", undefined]);
    expect([login.method, login.url, bearerOf(login)]).toEqual([
      "POST",
      "/v1/session",
      "Bearer login",
    ]);
    login.answer(session());
    const [own] = tested.browser.take() as [Request];
    expect([own.url, bearerOf(own)]).toEqual([
      "/v1/updates?channels=user%2Fme%2Fa",
      "Bearer bearer",
    ]);
  });

  it("name at most fifty channels each", () => {
    const channels = Array.from({ length: 101 }, (_, n) => `public/${n}`);
    const tested = new TestedFeed({ channels });
    tested.browser.pass(0);
    const counts = tested.browser.take().map(({ query }) => query["channels"]?.split(",").length);
    expect(counts).toEqual([50, 50, 1]);
  });

  it.each([
    ["the header", { "Bellwire-Poll-After-Ms": "9000" }, 9000],
    ["the body without one", {}, 2000],
    ["the body beside a strange one", { "Bellwire-Poll-After-Ms": "soon" }, 2000],
  ])("come as often as %s says", (_, headers, expectedMs) => {
    const tested = new TestedFeed();
    tested.reply({ headers, body: answer({ "public/a": whole(1) }, "c") });
    expect(tested.browser.nextTimerMs).toBe(expectedMs);
  });

  it("come at once while there is more, and the status waits for the whole", () => {
    const tested = new TestedFeed();
    tested.reply({ body: answer({ "public/a": whole(1) }, "c1", true) });
    expect(tested.browser.nextTimerMs).toBe(0);
    expect(tested.statuses).toEqual(["connecting"]);
    tested.answer({ "public/a": run(1, 2) });
    expect(tested.statuses).toEqual(["connecting", "polling"]);
  });

  it("do not come at once where more brought the page no further", () => {
    const tested = new TestedFeed();
    tested.answer({ "public/a": whole(1) });
    tested.reply({ body: answer({ "public/a": run(1, 1) }, "c", true) }, 2000);
    expect(tested.browser.nextTimerMs).toBe(2000);
  });

  it.each([
    ["no options", undefined],
    ["no url", { url: "", channels: [] }],
    ["one channel that is no list", { url: "/v1", channels: "public/a" as never }],
  ])("are refused for %s", (_, options) => {
    const { browser } = new TestedFeed();
    expect(() => browser.start(options as never)).toThrow(
      "found no url or no list of channels, expected both",
    );
  });
});

describe("a failure that may pass", () => {
  it("is told and retried by full jitter, up to 30 s, from the same place", () => {
    const tested = new TestedFeed();
    tested.answer({ "public/a": whole(1) });
    tested.browser.pass(2000);
    tested.browser.random = () => 0.999;
    const waits = Array.from({ length: 8 }, () => {
      tested.browser.request().fail();
      const waitMs = tested.browser.nextTimerMs as number;
      tested.browser.pass(waitMs);
      return Math.ceil(waitMs);
    });
    expect(waits).toEqual([500, 999, 1998, 3996, 7992, 15_984, 29_970, 29_970]);
    expect(tested.errors[0]).toMatchObject({ code: "upstream", retryable: true });
    expect(placesOf(tested.answer({ "public/a": run(1, 2) }))).toEqual({
      "public/a": { epoch: EPOCH, seq: 1 },
    });
    expect(tested.statuses).toEqual(["connecting", "polling", "offline", "polling"]);
    tested.browser.random = () => 0;
    tested.browser.pass(2000);
    tested.browser.request().fail();
    expect(tested.browser.nextTimerMs).toBe(0);
  });

  it("is no answer within 10 s; a later one is not heard", () => {
    const tested = new TestedFeed();
    const slow = tested.browser.request();
    tested.browser.pass(9999);
    expect(tested.errors).toEqual([]);
    tested.browser.pass(1);
    expect(tested.errors).toMatchObject([{ code: "upstream", retryable: true }]);
    expect(slow.isAborted).toBe(true);
    slow.answer({ body: answer({ "public/a": whole(1, { late: 1 }) }, "late") });
    expect(tested.told).toEqual([]);
    expect(tested.answer({ "public/a": whole(1) }, "c", 250).query).toEqual({
      channels: "public/a",
    });
  });

  it("and an answer that comes twice counts once", () => {
    const tested = new TestedFeed();
    const request = tested.browser.request();
    request.fail();
    request.fail();
    expect(tested.errors.length).toBe(1);
    expect(tested.browser.timers).toBe(1);
  });

  it.each([
    [
      "429 with Retry-After",
      { ...refusal(429, "too_many", { retryable: true }), headers: { "Retry-After": "7" } },
      7000,
    ],
    ["503 without words", { status: 503, body: "<h1>no</h1>" }, 0],
    ["500 internal", refusal(500, "internal"), 0],
    ["200 of a login page", { body: "<html>Sign in</html>" }, 0],
    ["403 of a proxy", { status: 403, body: "<html>No</html>" }, 0],
    ["another version", { body: { ...answer({ "public/a": whole(1) }, "c"), v: 2 } }, 0],
    ["an answer without the channel", { body: answer({ "public/b": whole(1) }, "c") }, 0],
    ["a run with a hole", { body: answer({ "public/a": { ...run(1, 3, []) } }, "c") }, 0],
    [
      "a state that is missing",
      { body: answer({ "public/a": { ...whole(1), state: null } }, "c") },
      0,
    ],
    ["nothing but null", { body: null }, 0],
  ] as [string, Reply, number][])("may be %s", (_, reply, leastMs) => {
    const tested = new TestedFeed();
    tested.browser.random = () => 0;
    tested.reply(reply);
    expect(tested.errors).toMatchObject([{ retryable: true }]);
    expect(tested.browser.nextTimerMs).toBe(leastMs);
    expect(tested.statuses).toEqual(["connecting", "offline"]);
    expect(tested.told).toEqual([]);
  });

  it("may be a browser that forbids the request", () => {
    const tested = new TestedFeed();
    tested.browser.onRequest = () => {
      throw new Error("Access is denied.");
    };
    tested.browser.pass(0);
    expect(tested.errors).toMatchObject([{ code: "upstream", retryable: true }]);
    expect(tested.browser.timers).toBe(1);
  });
});

describe("a refusal", () => {
  it("for good is told, and nothing is asked again", () => {
    const tested = new TestedFeed();
    tested.reply(refusal(400, "bad_channel"));
    expect(tested.errors).toMatchObject([
      {
        code: "bad_channel",
        message: "found something, expected no bad_channel",
        retryable: false,
      },
    ]);
    expect(tested.statuses).toEqual(["connecting", "failed"]);
    expect(tested.browser.timers).toBe(0);
  });

  it("of a cursor, as one that is too long, asks for halves from where they are", () => {
    const tested = new TestedFeed({ channels: PUBLIC });
    tested.answer({ "public/a": whole(3), "public/b": whole(5) });
    tested.reply(refusal(400, "bad_cursor"), 2000);
    tested.browser.pass(0);
    expect(tested.browser.take().map(placesOf)).toEqual([
      { "public/b": { epoch: EPOCH, seq: 5 } },
      { "public/a": { epoch: EPOCH, seq: 3 } },
    ]);
    expect(tested.errors).toEqual([]);
  });

  it("of one channel is told, and the others go on", () => {
    const tested = new TestedFeed({ channels: PUBLIC });
    tested.reply(refusal(403, "not_allowed", { channel: "public/a" }));
    expect(tested.errors).toMatchObject([
      { code: "not_allowed", channel: "public/a", retryable: false },
    ]);
    expect(tested.answer({ "public/b": whole(1) }).query).toEqual({ channels: "public/b" });
    expect(tested.statuses).toEqual(["connecting", "polling"]);
    tested.reply(refusal(403, "not_allowed", { channel: "public/b" }), 2000);
    expect(tested.statuses).toEqual(["connecting", "polling", "failed"]);
    expect(tested.browser.timers).toBe(0);
  });

  it("that names a channel nobody asked for ends it", () => {
    const tested = new TestedFeed({ channels: PUBLIC });
    tested.reply(refusal(403, "not_allowed", { channel: "public/c" }));
    expect(tested.statuses).toEqual(["connecting", "failed"]);
  });

  it("for size asks for halves", () => {
    const tested = new TestedFeed({ channels: [...PUBLIC, "public/c"] });
    tested.reply(refusal(413, "too_large"));
    tested.browser.pass(0);
    const asked = tested.browser.take().map(({ query }) => query["channels"]);
    expect(asked.sort()).toEqual(["public/a", "public/b,public/c"]);
    expect(tested.errors).toEqual([]);
  });

  it("of guests makes public requests carry the session's token", () => {
    const tested = new TestedFeed({ token: "login" });
    tested.reply(refusal(403, "not_allowed", { channel: "public/a" }));
    tested.reply(session());
    const [request] = tested.browser.take() as [Request];
    expect([bearerOf(request), request.query]).toEqual(["Bearer bearer", { channels: "public/a" }]);
    expect(tested.errors).toEqual([]);
  });
});

describe("stop", () => {
  it("aborts what is under way and leaves no timer", () => {
    const tested = new TestedFeed({ channels: ["public/a", "user/me/a"], token: "login" });
    tested.browser.pass(0);
    const requests = tested.browser.take();
    tested.feed.stop();
    expect(requests.map(({ isAborted }) => isAborted)).toEqual([true, true]);
    for (const request of requests) request.answer({ body: answer({ "public/a": whole(1) }, "c") });
    expect([tested.browser.timers, tested.told, tested.statuses]).toEqual([0, [], ["connecting"]]);
  });

  it("leaves no timer before, between and after requests, and may come twice", () => {
    const fresh = new TestedFeed();
    fresh.feed.stop();
    expect(fresh.browser.timers).toBe(0);
    const between = new TestedFeed();
    between.answer({ "public/a": whole(1) });
    between.feed.stop();
    between.feed.stop();
    between.browser.pass(60_000);
    expect([between.browser.timers, between.browser.take()]).toEqual([0, []]);
  });

  it("may come from the first status, and nothing is asked", () => {
    const tested = new TestedFeed({ onStatus: () => tested.feed.stop() });
    tested.browser.pass(60_000);
    expect([tested.browser.timers, tested.browser.take()]).toEqual([0, []]);
  });

  it("is in time for a token that comes after it", () => {
    const calls: ((token: string) => void)[] = [];
    const token = (done: (token: string) => void) => calls.push(done);
    const tested = new TestedFeed({ channels: ["user/me/a"], token });
    tested.browser.pass(0);
    tested.feed.stop();
    calls[0]?.("late");
    expect([tested.browser.timers, tested.browser.take()]).toEqual([0, []]);
  });
});
