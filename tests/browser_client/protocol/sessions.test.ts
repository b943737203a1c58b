/** Sessions: private polls wait for one, it is renewed ahead of its end, and when it is refused. */
import { describe, expect, it } from "vitest";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import type { TokenKind } from "../../../browser_client/src/protocol/machine.ts";
import { askedBy, EPOCH, eventsIn, HOUR_MS, Rig } from "./rig.ts";

const HOST = "public/host";
const INBOX = "user/me/inbox";
const down = new BellwireError("upstream", "down");
const refused = new BellwireError("unauthenticated", "expired");

function start(token: TokenKind, ...channels: string[]): Rig {
  return new Rig(token)
    .send({ kind: "Started" })
    .addChannels(...channels)
    .pass(0);
}

function kinds(rig: Rig): string[] {
  return rig.take().map(({ kind }) => kind);
}

describe("a private poll", () => {
  it("waits for the session, and carries its token; a public one does not", () => {
    const rig = start("fixed", HOST, INBOX);
    expect(rig.take()).toEqual([
      { kind: "FetchCredentials", login: 0 },
      { kind: "Poll", id: 1, needsToken: false, query: "channels=public%2Fhost" },
    ]);
    rig.pass(4000).credentials().pass(0);
    expect(rig.taken("Poll")).toEqual([
      { kind: "Poll", id: 2, needsToken: true, query: "channels=user%2Fme%2Finbox" },
    ]);
  });

  it("keeps channels up to date where no socket opens", () => {
    const rig = start("fixed", INBOX).credentials().pass(0);
    rig.answerFirst(rig.poll().id, [INBOX]).pass(5000);
    expect(rig.connection.status).toBe("polling");
    rig.answerUpTo(rig.poll(), 2).pass(2000).answerUpTo(rig.poll(), 3);
    rig.pass(60_000);
    expect(rig.connection.watches.get(INBOX)?.sequence.position?.seq).toBe(3);
  });

  it("makes the client offline while no session can be had", () => {
    const rig = start("fixed", INBOX).failCredentials(down).pass(5000);
    expect(rig.connection.status).toBe("offline");
  });
});

describe("a session", () => {
  it.each([
    [HOUR_MS, 0, 3_300_000],
    [HOUR_MS, 1, 3_225_000],
    [900_000, 0, 720_000],
    [20_000, 0, 16_000],
    [0, 0, 5000],
    [-HOUR_MS, 0, 5000],
  ])("of %i ms is renewed, by chance %f, after %i ms", (lifetimeMs, random, afterMs) => {
    const rig = start("none");
    rig.random = random;
    rig.credentials({ lifetimeMs }).send({ kind: "Opened" }).take();
    expect(rig.msUntil("FetchCredentials", 500)).toBe(afterMs);
  });

  it("is renewed without touching the socket, and serves the next one", () => {
    const rig = new Rig("fixed").goLive(HOST, INBOX);
    rig.take();
    rig.pass(3_300_000).credentials();
    const told = kinds(rig).filter((kind) => !["Poll", "Ping"].includes(kind));
    expect(told).toEqual(["FetchCredentials"]);
    rig.send({ kind: "Lost" }).take();
    rig.pass(1000);
    expect(kinds(rig)).toEqual(["OpenSocket"]);
  });

  it("is hardly to blame where no socket opens at all: seven are fetched within the hour", () => {
    const rig = start("fixed", INBOX).credentials();
    let fetched = 0;
    for (const endMs = rig.nowMs + HOUR_MS; rig.nowMs < endMs; rig.pass(1000)) {
      for (const { kind } of rig.take()) {
        if (kind !== "FetchCredentials") continue;
        fetched++;
        rig.credentials();
      }
    }
    expect(fetched).toBe(7);
  });

  it("that cannot be renewed yet is tried again, further and further apart", () => {
    const rig = new Rig("fixed").goLive(INBOX).pass(3_300_000);
    const delays = Array.from({ length: 8 }, () => {
      rig.failCredentials(down).take();
      return rig.msUntil("FetchCredentials", 50);
    });
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
    expect(rig.connection.link.phase).toBe("open");
  });

  it("outlives a stranger's 404 at its renewal", () => {
    const rig = new Rig("fixed").goLive(INBOX).pass(3_300_000);
    rig.failCredentials(new BellwireError("not_found", "no backend")).take();
    expect(rig.msUntil("FetchCredentials", 50)).toBe(250);
    expect(rig.credentials().connection.status).toBe("live");
  });

  it("waits as long as the server wants and somewhat longer, and never gives up", () => {
    const rig = start("fixed");
    const busy = new BellwireError("too_many", "slow", undefined, false, 2000);
    const delays = Array.from({ length: 20 }, (_, n) => {
      rig.random = n / 20;
      rig.failCredentials(busy).take();
      return rig.msUntil("FetchCredentials", 10);
    });
    expect(delays.slice(0, 3)).toEqual([2000, 2100, 2200]);
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_000);
    expect(rig.connection.status).not.toBe("failed");
  });

  it.each([
    ["is on its way", null],
    ["was put off", new BellwireError("too_many", "slow", undefined, true, 9000)],
  ])("that %s is not hurried by a socket that needs it", (_, error) => {
    const rig = start("fixed").credentials({ lifetimeMs: 61_000 }).send({ kind: "Opened" });
    rig.take();
    rig.msUntil("FetchCredentials", 50);
    if (error) rig.failCredentials(error);
    rig.send({ kind: "Lost" }).pass(8000);
    expect(kinds(rig)).not.toContain("FetchCredentials");
    rig.credentials();
    expect(kinds(rig)).toContain("OpenSocket");
  });
});

describe("a login that the server refuses", () => {
  it("is final when it cannot change", () => {
    const rig = start("fixed").failCredentials(refused);
    expect(rig.connection.status).toBe("failed");
    rig.take();
    rig.pass(HOUR_MS);
    expect(rig.take()).toEqual([]);
  });

  it("is asked for once more when it may be a fresh one by then", () => {
    const rig = start("renewable").failCredentials(refused);
    rig.take();
    rig.pass(999);
    expect(kinds(rig)).toEqual([]);
    rig.pass(251);
    expect(kinds(rig)).toEqual(["FetchCredentials"]);
    rig.failCredentials(refused);
    expect(rig.connection.status).toBe("failed");
  });

  it("is asked for once more each time it held in between", () => {
    const rig = start("renewable").failCredentials(refused).pass(1250).credentials();
    rig.pass(HOUR_MS).failCredentials(refused);
    expect(rig.connection.status).not.toBe("failed");
  });

  it.each(["not_allowed", "too_large", "malformed"] as const)("is final for %s", (code) => {
    const rig = start("renewable").failCredentials(new BellwireError(code, "no"));
    expect(rig.connection.status).toBe("failed");
  });
});

describe("a private poll refused with 401", () => {
  function expired(): Rig {
    const rig = new Rig("fixed").goLive(INBOX).push("user/us-east-1:alice/inbox", 0, 4).pass(3000);
    rig.failPoll(rig.poll(), "unauthenticated");
    return rig;
  }

  it("is repeated from the same place with another session, and nobody is alarmed", () => {
    const rig = expired().pass(60_000);
    expect(kinds(rig).filter((kind) => kind !== "Ping")).toEqual(["FetchCredentials"]);
    rig.credentials().pass(0);
    const poll = rig.poll();
    expect(askedBy(poll)).toEqual(new Map([[INBOX, { epoch: EPOCH, seq: 4 }]]));
    rig.answerUpTo(poll, 5);
    expect(eventsIn(rig.take())).toEqual([5]);
    expect(rig.connection.status).toBe("live");
  });

  it("again at once is told, and costs one session in 30 s at most", () => {
    const rig = expired().pass(250).credentials();
    rig.take();
    const sentMs: number[] = [];
    const fetchedMs: number[] = [];
    const startedMs = rig.nowMs;
    for (const endMs = rig.nowMs + 120_000; rig.nowMs < endMs; rig.pass(50)) {
      for (const effect of rig.take()) {
        if (effect.kind === "FetchCredentials") {
          fetchedMs.push(rig.nowMs - startedMs);
          rig.credentials();
        }
        if (effect.kind !== "Poll") continue;
        sentMs.push(rig.nowMs - startedMs);
        rig.failPoll(effect, "unauthenticated");
      }
    }
    expect(fetchedMs.length).toBeLessThanOrEqual(4);
    expect(sentMs.length).toBeLessThanOrEqual(14);
    expect(rig.connection.status).not.toBe("failed");
  });

  it("does not interrupt what polls bring", () => {
    const rig = start("fixed", INBOX).credentials().pass(0).answerPolls().pass(5000).answerPolls();
    rig.pass(2000).failPoll(rig.poll(), "unauthenticated");
    expect(rig.connection.status).toBe("polling");
  });

  it("leaves no session to open a socket with", () => {
    const rig = expired().send({ kind: "Lost" }).pass(1000);
    const told = kinds(rig);
    expect(told).toContain("FetchCredentials");
    expect(told).not.toContain("OpenSocket");
    rig.credentials();
    expect(kinds(rig)).toEqual(["OpenSocket"]);
  });

  it("does not stop public ones", () => {
    const rig = new Rig("fixed").goLive(HOST, INBOX).pass(3000);
    const [host, inbox] = rig.taken("Poll");
    if (!host || !inbox) throw new Error("expected two polls");
    rig.failPoll(inbox, "unauthenticated").answerQuiet(host).addChannels("public/news").pass(0);
    expect(rig.poll()).toMatchObject({ needsToken: false, query: "channels=public%2Fnews" });
  });

  it("leaves it to the session that is on its way already", () => {
    const rig = new Rig("fixed").goLive(INBOX).pass(3000);
    const poll = rig.poll();
    rig.answerQuiet(poll).pass(3_299_000);
    const next = rig.taken("Poll").at(-1);
    if (!next) throw new Error("expected a poll");
    rig.failPoll(next, "unauthenticated").pass(10_000);
    expect(kinds(rig)).not.toContain("FetchCredentials");
  });
});

describe("where guests are off", () => {
  it("public polls wait for the session too, once the first was refused", () => {
    const rig = start("fixed", HOST);
    rig.failPoll(rig.taken("Poll")[0] as never, "unauthenticated").pass(1000);
    expect(rig.take()).toEqual([]);
    rig.credentials({ guests: false }).pass(0);
    expect(rig.taken("Poll")).toMatchObject([{ needsToken: true }]);
  });

  it("a first poll that is refused after the session came is sent again", () => {
    const rig = start("fixed", HOST).credentials({ guests: false });
    rig.failPoll(rig.taken("Poll")[0] as never, "not_allowed", HOST).pass(0);
    expect(rig.taken("ReportError")).toEqual([]);
    expect(rig.connection.watches.get(HOST)?.isRefused).toBe(false);
  });

  it("a channel refused in spite of the session is refused", () => {
    const rig = start("fixed", HOST).credentials({ guests: false });
    rig.failPoll(rig.taken("Poll")[0] as never, "not_allowed", HOST).pass(0);
    rig.failPoll(rig.poll(), "not_allowed", HOST);
    expect(rig.taken("ReportError")).toMatchObject([
      { error: { code: "not_allowed", channel: HOST } },
    ]);
  });

  it("does not hold for a deployment that lets them in", () => {
    const rig = start("fixed", HOST);
    rig
      .failPoll(rig.taken("Poll")[0] as never, "not_allowed", HOST)
      .credentials()
      .pass(0);
    expect(rig.poll()).toMatchObject({ needsToken: false });
  });
});
