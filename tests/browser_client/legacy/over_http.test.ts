/** The script for old browsers over real HTTP, as it is written and as it is shipped. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EPOCH, FakeService, SECRET } from "../fake_service.ts";
import { WebServer } from "../io/web_server.ts";
import { HttpRequest } from "./http_request.ts";
import { type Feed, load, type Options, type PollError, SHIPPED, SOURCE } from "./script.ts";

const WITHIN = { timeout: 15_000, interval: 5 };
vi.setConfig({ testTimeout: 20_000 });

let web: WebServer;
let service: FakeService;
let timers: Set<NodeJS.Timeout>;
let feed: Feed | null;
beforeEach(async () => {
  web = await WebServer.start();
  service = new FakeService(web.url);
  web.reply = service.reply;
  timers = new Set();
  feed = null;
});
afterEach(async () => {
  feed?.stop();
  await web.stop();
});

/** Timers that are known while they are planned. */
function setTimer(act: () => void, delayMs: number): NodeJS.Timeout {
  const timer = setTimeout(() => {
    timers.delete(timer);
    act();
  }, delayMs);
  timers.add(timer);
  return timer;
}

function clearTimer(timer: NodeJS.Timeout): void {
  timers.delete(timer);
  clearTimeout(timer);
}

/** What the application has of each channel, and what else it was told. */
class Page {
  readonly states = new Map<string, object>();
  readonly updates: unknown[] = [];
  readonly errors: PollError[] = [];
  readonly statuses: string[] = [];

  constructor(options: Partial<Options>, file: string) {
    const globals = { XMLHttpRequest: HttpRequest, setTimeout: setTimer, clearTimeout: clearTimer };
    feed = load(globals, "", file).start({
      url: `${web.url}/v1`,
      channels: ["public/a"],
      onUpdate: (update) => this.updates.push({ ...update }),
      onState: (channel, state) => this.states.set(channel, { ...state }),
      onError: (error) => this.errors.push(error),
      onStatus: (status) => this.statuses.push(status),
      ...options,
    });
  }

  async waitForStates(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.states.size).toBe(count), WITHIN);
  }
}

/** Wait until the service has been asked so often for what matches. */
async function waitForAsked(path: RegExp, count: number): Promise<void> {
  const asked = () => web.asked.filter(({ url }) => path.test(url)).length;
  await vi.waitFor(() => expect(asked()).toBeGreaterThanOrEqual(count), WITHIN);
}

describe.each([
  ["source", SOURCE],
  ["shipped file", SHIPPED],
])("the %s", (_, file) => {
  it("follows as a guest, and hands the cursor back", async () => {
    const page = new Page({}, file);
    await waitForAsked(/cursor=/, 2);
    expect(page.updates).toEqual([
      { channel: "public/a", epoch: EPOCH, seq: 1, op: "set", key: "cpu", data: 1 },
    ]);
    expect([...page.states]).toEqual([["public/a", { cpu: 1 }]]);
    expect(page.statuses).toEqual(["connecting", "polling"]);
    expect(new Set(web.asked.map(({ headers }) => headers.authorization))).toEqual(
      new Set([undefined]),
    );
  });

  it("follows as a member, and shows nobody the tokens", async () => {
    const channels = ["public/a", "user/me/inbox", "group/red/room"];
    const page = new Page({ channels, token: "hush-login-of-alice" }, file);
    await page.waitForStates(3);
    await waitForAsked(/cursor=/, 4);
    const withToken = web.asked.filter(({ headers }) => headers.authorization !== undefined);
    expect(withToken.some(({ url }) => /public/.test(url))).toBe(false);
    expect(JSON.stringify([page.updates, page.errors])).not.toMatch(SECRET);
  });

  it("opens another session when the first is revoked", async () => {
    const token = (done: (token: string) => void) => done("hush-login-of-alice");
    const page = new Page({ channels: ["user/me/inbox"], token }, file);
    await page.waitForStates(1);
    service.revoked.add("hush-session-1-of-us-east-1:alice");
    await waitForAsked(/session/, 2);
    const before = web.asked.length;
    await vi.waitFor(() => expect(web.asked.length).toBeGreaterThan(before + 2), WITHIN);
    expect([page.errors, page.statuses]).toEqual([[], ["connecting", "polling"]]);
  });

  it("says why it fails, without the token that the service quotes", async () => {
    const page = new Page({ channels: ["user/me/inbox"], token: "hush-login-of-nobody" }, file);
    await vi.waitFor(() => expect(page.statuses).toEqual(["connecting", "failed"]), WITHIN);
    expect(page.errors).toMatchObject([
      { code: "unauthenticated", message: "found …, expected another", retryable: false },
    ]);
  });

  it("comes back after the network did, and says so", async () => {
    const page = new Page({}, file);
    await page.waitForStates(1);
    web.reply = () => null;
    await vi.waitFor(() => expect(page.statuses.at(-1)).toBe("offline"), WITHIN);
    web.reply = service.reply;
    await vi.waitFor(() => expect(page.statuses.at(-1)).toBe("polling"), WITHIN);
    expect(page.errors[0]).toMatchObject({ code: "upstream", retryable: true });
    expect(page.updates.length).toBe(1);
  });

  it("stops without a request or a timer left", async () => {
    const page = new Page(
      { channels: ["public/a", "user/me/a"], token: "hush-login-of-bob" },
      file,
    );
    await page.waitForStates(2);
    feed?.stop();
    expect([timers.size, HttpRequest.underWay.size]).toEqual([0, 0]);
  });
});
