/** How the script for old browsers gets, renews and loses the session of a member. */
import { describe, expect, it } from "vitest";
import {
  answer,
  bearerOf,
  EPOCH,
  HOUR_MS,
  placesOf,
  refusal,
  run,
  session,
  TestedFeed,
  whole,
} from "./feed.ts";
import type { Request } from "./old_browser.ts";

describe("a session", () => {
  const mine = { "user/me/a": whole(1) };
  const quiet = { "user/me/a": run(1, 1) };

  /** A feed of a private channel, and how often its token was asked for. */
  function member(lifetimeMs = HOUR_MS) {
    const asked: string[] = [];
    const tested = new TestedFeed({
      channels: ["user/me/a"],
      token: (done) => done(`login ${asked.push("token")}`),
    });
    tested.reply(session("bearer 1", lifetimeMs));
    (tested.browser.take()[0] as Request).answer({ body: answer(mine, "c") });
    return { tested, asked };
  }

  it("is renewed before its end by the server's clock, with a fresh login", () => {
    const { tested, asked } = member(60_000);
    let request: Request;
    const startedMs = tested.browser.nowMs;
    do {
      tested.browser.pass(2000);
      [request] = tested.browser.take() as [Request];
      if (request.method === "GET") request.answer({ body: answer(quiet, "c") });
    } while (request.method === "GET");
    expect(tested.browser.nowMs - startedMs).toBe(46_000);
    expect(bearerOf(request)).toBe("Bearer login 2");
    request.answer(session("bearer 2"));
    expect(bearerOf(tested.browser.take()[0] as Request)).toBe("Bearer bearer 2");
    expect(asked.length).toBe(2);
  });

  it("that is refused is opened again after a second, once", () => {
    const { tested } = member();
    tested.reply(refusal(401, "unauthenticated"), 2000);
    expect(tested.browser.nextTimerMs).toBe(1500);
    const login = tested.reply(session("bearer 2"), 1500);
    expect(bearerOf(login)).toBe("Bearer login 2");
    tested.reply(refusal(401, "unauthenticated"));
    expect(tested.statuses).toEqual(["connecting", "polling", "failed"]);
    expect(tested.errors).toMatchObject([{ code: "unauthenticated", retryable: false }]);
    expect(tested.browser.timers).toBe(0);
  });

  it("that is refused now and then goes on", () => {
    const { tested } = member();
    for (const round of [2, 3, 4]) {
      tested.reply(refusal(401, "unauthenticated"), 2000);
      tested.reply(session(`bearer ${round}`), 1500);
      tested.answer(quiet);
    }
    expect(tested.errors).toEqual([]);
  });

  it("asks a token function once more when the login does not hold, and a token not", () => {
    const asked: string[] = [];
    const channels = ["user/me/a"];
    const fresh = new TestedFeed({ channels, token: (done) => done(`${asked.push("token")}`) });
    fresh.reply(refusal(401, "unauthenticated"));
    fresh.reply(refusal(401, "unauthenticated"), 1500);
    expect([asked.length, fresh.statuses]).toEqual([2, ["connecting", "failed"]]);
    const fixed = new TestedFeed({ channels, token: "login" });
    fixed.reply(refusal(401, "unauthenticated"));
    expect(fixed.statuses).toEqual(["connecting", "failed"]);
  });

  it.each([
    ["has none", (done: (token?: string) => void) => done()],
    [
      "throws",
      () => {
        throw new Error("no login");
      },
    ],
  ])("is asked for again where the token function %s", (_, token) => {
    const tested = new TestedFeed({ channels: ["user/me/a"], token });
    tested.browser.thrown = [];
    tested.browser.pass(0);
    expect(tested.errors).toMatchObject([{ code: "unauthenticated", retryable: true }]);
    expect(tested.statuses).toEqual(["connecting", "offline"]);
    tested.browser.pass(250);
    expect(tested.errors.length).toBe(2);
  });

  it("is opened once, however often the token function calls back", () => {
    const tested = new TestedFeed({
      channels: ["user/me/a"],
      token: (done) =>
        ["one", "two"].forEach((token) => {
          done(token);
        }),
    });
    expect(bearerOf(tested.browser.request())).toBe("Bearer one");
  });

  it.each([
    ["down", { status: 502, body: "" }],
    ["without a token", { body: {} }],
    ["crowded", refusal(429, "too_many", { retryable: true })],
  ])("that is %s is asked for again", (_, reply) => {
    const tested = new TestedFeed({ channels: ["user/me/a"], token: "login" });
    tested.reply(reply);
    expect(tested.errors).toMatchObject([{ retryable: true }]);
    expect(tested.browser.nextTimerMs).toBe(250);
  });

  it("is in no error, though a server may quote its tokens", () => {
    const tested = new TestedFeed({ channels: ["user/me/a"], token: "hush" });
    const message = "found hush, expected another than hush";
    tested.reply(refusal(401, "unauthenticated", { message }));
    expect(tested.errors[0]?.message).toBe("found \u2026, expected another than \u2026");
  });

  it("is not opened without a token: the service says what it thinks of that", () => {
    const tested = new TestedFeed({ channels: ["user/me/a"] });
    const request = tested.reply(refusal(403, "not_allowed", { channel: "user/me/a" }));
    expect([request.query, bearerOf(request)]).toEqual([{ channels: "user/me/a" }, undefined]);
    expect(tested.statuses).toEqual(["connecting", "failed"]);
  });

  it("leaves the public channels alone when it fails", () => {
    const tested = new TestedFeed({ channels: ["public/a", "user/me/a"], token: "login" });
    tested.browser.pass(0);
    const [open, login] = tested.browser.take() as [Request, Request];
    login.answer(refusal(401, "unauthenticated"));
    open.answer({ body: answer({ "public/a": whole(1) }, "c") });
    expect(tested.statuses).toEqual(["connecting", "polling"]);
    const request = tested.answer({ "public/a": run(1, 1) }, "c", 2000);
    expect(placesOf(request)).toEqual({ "public/a": { epoch: EPOCH, seq: 1 } });
  });
});
