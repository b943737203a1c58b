/** The connection's machine: opening, losing, falling back to polls and coming back. */
import { describe, expect, it } from "vitest";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import { askedBy, EPOCH, eventsIn, Rig } from "./rig.ts";

const HOST = "public/host";

function kinds(rig: Rig): string[] {
  return rig.take().map(({ kind }) => kind);
}

describe("from the start to live", () => {
  it("fetches credentials and the first answers at the same time", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels("public/news", HOST).pass(0);
    expect(rig.take()).toEqual([
      { kind: "FetchCredentials", login: 0 },
      { kind: "Poll", id: 1, needsToken: false, query: "channels=public%2Fhost,public%2Fnews" },
    ]);
  });

  it("is live once subscribed and answered, not before", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    const [first] = rig.taken("Poll");
    rig.answerFirst(first?.id as number, [HOST]).open();
    expect(rig.taken("Subscribe")).toEqual([{ kind: "Subscribe", channels: [HOST] }]);
    rig.grant(HOST).pass(0);
    expect(rig.connection.status).toBe("connecting");
    const poll = rig.poll();
    expect(askedBy(poll)).toEqual(new Map([[HOST, { epoch: EPOCH, seq: 0 }]]));
    rig.answerQuiet(poll);
    expect(rig.taken("SetStatus")).toEqual([{ kind: "SetStatus", status: "live" }]);
  });

  it("is not live by an answer that was asked for before SUBACK", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    const [first] = rig.taken("Poll");
    rig
      .open()
      .grant(HOST)
      .answerFirst(first?.id as number, [HOST]);
    expect(rig.connection.status).toBe("connecting");
    rig.pass(0).answerQuiet(rig.poll());
    expect(rig.connection.status).toBe("live");
  });

  it("subscribes at most 8 channels a packet and 50 in all; the rest is polled", () => {
    const names = Array.from({ length: 51 }, (_, n) => `public/c${String(n).padStart(2, "0")}`);
    const rig = new Rig()
      .send({ kind: "Started" })
      .addChannels(...names)
      .open();
    const asked = rig.taken("Subscribe").map(({ channels }) => channels.length);
    expect(asked).toEqual([8, 8, 8, 8, 8, 8, 2]);
    rig.grant(...names.slice(0, 50)).pass(0);
    const first = rig.poll();
    expect(first.query.split(",")).toHaveLength(50);
    rig.answerFirst(first.id, names.slice(0, 50)).pass(0);
    expect(rig.poll().query).toBe("channels=public%2Fc50");
  });

  it("subscribes a channel added later at once, and gives it up again", () => {
    const rig = new Rig().goLive(HOST).addChannels("public/news");
    expect(rig.taken("Subscribe")).toEqual([{ kind: "Subscribe", channels: ["public/news"] }]);
    rig.grant("public/news").send({ kind: "ChannelRemoved", channel: "public/news" });
    expect(rig.taken("Unsubscribe")).toEqual([{ kind: "Unsubscribe", channels: ["public/news"] }]);
    expect(rig.connection.status).toBe("live");
  });

  it("polls a channel whose subscription is denied, and counts as live with it", () => {
    const rig = new Rig().goLive(HOST).addChannels("public/news").pass(0);
    rig.send({ kind: "Subscribed", channels: new Map([["public/news", false]]) });
    rig.answerFirst(rig.poll().id, ["public/news"]);
    expect(rig.connection.status).toBe("live");
    rig.pass(2000);
    expect([...askedBy(rig.poll()).keys()]).toContain("public/news");
  });
});

describe("a link that ends", () => {
  it("is tried again after a full-jitter delay, with the credentials at hand", () => {
    const rig = new Rig().goLive(HOST).pass(20_000);
    rig.take();
    rig.send({ kind: "Lost" });
    expect(rig.taken("SetStatus")).toEqual([{ kind: "SetStatus", status: "connecting" }]);
    rig.pass(999);
    expect(kinds(rig)).toEqual([]);
    rig.pass(1);
    expect(kinds(rig)).toEqual(["OpenSocket"]);
  });

  it("that never opened may mean bad credentials: fresh ones, once, before the next try", () => {
    const rig = new Rig().goLive(HOST).pass(20_000).send({ kind: "Lost" }).pass(1000);
    rig.take();
    rig.send({ kind: "Lost" }).pass(2000);
    expect(kinds(rig)).toEqual(["FetchCredentials"]);
    rig.credentials();
    rig.send({ kind: "Lost" }).pass(4000);
    expect(kinds(rig)).toEqual(["OpenSocket", "OpenSocket"]);
  });

  it("fetches fresh credentials when the old ones are about to end", () => {
    const rig = new Rig().send({ kind: "Started" });
    rig.credentials({ lifetimeMs: 61_000 }).send({ kind: "Opened" }).pass(10_000);
    rig.send({ kind: "Lost" }).take();
    rig.pass(1000);
    expect(kinds(rig)).toEqual(["FetchCredentials"]);
  });

  it("is tried again sooner when only the tab went that held it", () => {
    const rig = new Rig().goLive(HOST).pass(20_000);
    rig.take();
    rig.send({ kind: "Lost", isMoved: true });
    expect(rig.msUntil("OpenSocket", 10)).toBe(250);
  });

  it("waits longer each time it does not last", () => {
    const rig = new Rig().send({ kind: "Started" });
    rig.credentials();
    const delays = Array.from({ length: 9 }, () => {
      rig.send({ kind: "Opened" }).send({ kind: "Lost" }).take();
      return rig.msUntil("OpenSocket", 10);
    });
    expect(delays).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000, 15_000]);
  });

  it("is given up when it stays silent while opening", () => {
    const rig = new Rig().send({ kind: "Started" });
    rig.credentials();
    rig.take();
    rig.pass(4999);
    expect(kinds(rig)).toEqual([]);
    rig.pass(1);
    expect(kinds(rig)).toContain("CloseSocket");
  });

  it("is given up when SUBACK does not come", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).open();
    rig.take();
    rig.pass(10_000);
    expect(kinds(rig)).toContain("CloseSocket");
  });

  it("is pinged every 30 s and given up 10 s after a ping that nobody answers", () => {
    const rig = new Rig().goLive(HOST).pass(30_000);
    expect(rig.taken("Ping")).toHaveLength(1);
    rig.isMute = true;
    rig.pass(30_000);
    expect(rig.taken("Ping")).toHaveLength(1);
    rig.pass(9_999);
    expect(rig.taken("CloseSocket")).toHaveLength(0);
    rig.pass(1);
    expect(rig.taken("CloseSocket")).toHaveLength(1);
  });
});

it("of a hidden page, with timers once a minute, pings within the 135 s that AWS IoT waits", () => {
  const rig = new Rig().goLive(HOST);
  rig.take();
  const pings = Array.from({ length: 5 }, () => {
    rig.nowMs += 60_000;
    return rig.send({ kind: "TimerFired" }).take();
  }).map((effects) => effects.filter(({ kind }) => kind === "Ping").length);
  expect(pings).toEqual([1, 1, 1, 1, 1]);
  expect(rig.connection.link.phase).toBe("open");
});

describe("without a socket", () => {
  function inFallback(): Rig {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerFirst(rig.taken("Poll")[0]?.id as number, [HOST]).pass(4499);
    expect(rig.connection.status).toBe("connecting");
    return rig.pass(1);
  }

  it("polls take over after 4 to 5 s, as often as the answer says", () => {
    const rig = inFallback();
    expect(rig.connection.status).toBe("polling");
    rig.answerUpTo(rig.poll(), 2);
    expect(eventsIn(rig.take())).toEqual([1, 2]);
    rig.pass(1999);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(askedBy(rig.poll()).get(HOST)).toEqual({ epoch: EPOCH, seq: 2 });
  });

  it("comes back to push without loss or repeat", () => {
    const rig = inFallback();
    rig.answerUpTo(rig.poll(), 2).open().grant(HOST).push(HOST, 3, 4).pass(0);
    expect(rig.connection.status).toBe("polling");
    rig.answerUpTo(rig.poll(), 3);
    expect(rig.connection.status).toBe("live");
    rig.push(HOST, 1, 4).push(HOST, 4, 5);
    expect(eventsIn(rig.take())).toEqual([3, 4, 5]);
  });

  it("delivers each event once over both roads", () => {
    const rig = inFallback();
    rig.answerUpTo(rig.poll(), 2);
    rig.open().grant(HOST).push(HOST, 2, 3).send({ kind: "Lost" });
    const told = eventsIn(rig.take());
    rig.pass(2000);
    for (const poll of rig.taken("Poll")) rig.answerUpTo(poll, 5);
    expect([...told, ...eventsIn(rig.take())]).toEqual([1, 2, 3, 4, 5]);
  });

  it("is offline when polls fail too, and polling again when they work", () => {
    const rig = inFallback();
    rig.failPoll(rig.poll(), "upstream");
    expect(rig.connection.status).toBe("offline");
    rig.pass(250).answerQuiet(rig.poll());
    expect(rig.connection.status).toBe("polling");
  });

  it("asks again no sooner than the server wants", () => {
    const rig = inFallback();
    const error = new BellwireError("too_many", "slow down", undefined, true, 7000);
    rig.send({ kind: "PollFailed", id: rig.poll().id, error }).pass(7874);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
  });

  it("spreads the first polls after a loss that many share", () => {
    const rig = new Rig().goLive(HOST);
    rig.random = 0.9;
    rig.send({ kind: "Lost" }).take();
    rig.pass(4899);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
  });
});

describe("refused for good", () => {
  const error = new BellwireError("not_allowed", "guests are off");

  it("is failed, says why, and does nothing more", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.take();
    rig.failCredentials(error);
    expect(rig.take()).toEqual([
      { kind: "ReportError", error },
      { kind: "CloseSocket" },
      { kind: "SetStatus", status: "failed" },
    ]);
    rig.addChannels("public/news").pass(3_600_000);
    expect(rig.take()).toEqual([]);
  });

  it.each(["upstream", "internal"] as const)("is told apart from what may pass: %s", (code) => {
    const passing = new BellwireError(code, "down", undefined, code === "upstream");
    const rig = new Rig().send({ kind: "Started" });
    rig.take();
    rig.failCredentials(passing).pass(250);
    expect(kinds(rig)).toEqual(["ReportError", "FetchCredentials"]);
  });

  it("is the channel that the error names; the others are asked again", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels("public/a", "public/ab").pass(0);
    const [poll] = rig.taken("Poll");
    if (!poll) throw new Error("expected a poll");
    rig.failPoll(poll, "not_allowed", "public/ab").pass(0);
    const [reported, next] = rig.take();
    expect(reported).toMatchObject({
      kind: "ReportError",
      error: { code: "not_allowed", channel: "public/ab" },
    });
    expect(next).toMatchObject({ kind: "Poll", query: "channels=public%2Fa" });
  });

  it("is nobody else when that channel is not followed any more", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels("public/a", "public/ab").pass(0);
    const poll = rig.poll();
    rig.send({ kind: "ChannelRemoved", channel: "public/ab" });
    rig.failPoll(poll, "not_allowed", "public/ab").pass(0);
    expect(rig.take()).toMatchObject([{ kind: "Poll", query: "channels=public%2Fa" }]);
  });

  it("is not a channel that the server calls worth another try", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    const error = new BellwireError("not_allowed", "being set up", undefined, true);
    rig.send({ kind: "PollFailed", id: rig.poll().id, error }).pass(250);
    expect(rig.taken("Poll")).toHaveLength(1);
  });
});

it("does nothing after it was closed", () => {
  const rig = new Rig().goLive(HOST);
  rig.take();
  rig.send({ kind: "Closed" });
  expect(rig.take()).toEqual([{ kind: "CloseSocket" }, { kind: "SetStatus", status: "offline" }]);
  rig.push(HOST, 0, 1).pass(3_600_000);
  expect(rig.take()).toEqual([]);
});

it("does not call polling what was answered before the server went", () => {
  const rig = new Rig().goLive(HOST).pass(20_000);
  rig.answerUpTo(rig.poll(), 1).send({ kind: "Lost" }).pass(10_000);
  expect(rig.connection.status).toBe("connecting");
  rig.failPoll(rig.poll(), "upstream");
  expect(rig.connection.status).toBe("offline");
});

it("does not wait for what only a poll can bring: an envelope of another epoch", () => {
  const rig = new Rig().goLive(HOST).pass(20_000);
  rig.answerUpTo(rig.poll(), 1);
  const envelope = { channel: HOST, epoch: "another1", after: 0, last: 0, updates: [] };
  rig.send({ kind: "EnvelopeArrived", envelope, sizeBytes: 10 }).pass(249);
  expect(rig.taken("Poll")).toHaveLength(1);
});

it("polls again when it wakes, where polls are all it has", () => {
  const rig = new Rig("none", "poll").send({ kind: "Started" }).addChannels(HOST).pass(0);
  rig.answerFirst(rig.poll().id, [HOST]).send({ kind: "Slept" }).pass(60_000);
  expect(rig.taken("Poll")).toEqual([]);
  rig.send({ kind: "Woke", isHidden: false }).pass(0);
  rig.answerUpTo(rig.poll(), 1).pass(2000);
  expect(rig.taken("Poll")).toHaveLength(1);
});
