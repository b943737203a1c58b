/** The page hidden, put away and back: what the machine gives up, and how it comes back. */
import { describe, expect, it } from "vitest";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import { askedBy, EPOCH, eventsIn, HOUR_MS, Rig } from "./rig.ts";

const HOST = "public/host";
const NEWS = "public/news";
const woke = { kind: "Woke", isHidden: false } as const;

function live(...channels: string[]): Rig {
  const rig = new Rig().goLive(...channels);
  rig.take();
  return rig;
}

describe("a page that is put away", () => {
  it("gives its socket up and does nothing more", () => {
    const rig = live(HOST).send({ kind: "Slept" });
    expect(rig.taken("CloseSocket")).toHaveLength(1);
    rig.pass(HOUR_MS);
    expect(rig.take()).toEqual([]);
  });

  it("comes back with a socket at once, and tells in order what was missed", () => {
    const rig = live(HOST).push(HOST, 0, 2).send({ kind: "Slept" }).pass(60_000);
    rig.take();
    rig.send(woke).pass(0);
    const effects = rig.take();
    expect(effects.map(({ kind }) => kind)).toContain("OpenSocket");
    const polls = effects.flatMap((effect) => (effect.kind === "Poll" ? [effect] : []));
    expect(polls.map((poll) => [...askedBy(poll)])).toEqual([[[HOST, { epoch: EPOCH, seq: 2 }]]]);
    rig.answerUpTo(polls[0] as never, 5);
    expect(eventsIn(rig.take())).toEqual([3, 4, 5]);
    rig.send({ kind: "Opened" }).grant(HOST).pass(0).answerPolls();
    expect(rig.connection.status).toBe("live");
  });

  it("does not take an answer that was on its way when it slept", () => {
    const rig = live(HOST).push(HOST, 3, 4).pass(375);
    const before = rig.poll();
    rig.send({ kind: "Slept" }).answerUpTo(before, 4);
    expect(rig.connection.watches.get(HOST)?.sequence.position?.seq).toBe(0);
  });

  it("fetches a session before its socket when the old one has ended meanwhile", () => {
    const rig = live(HOST)
      .send({ kind: "Slept" })
      .pass(2 * HOUR_MS);
    rig.take();
    rig.send(woke).pass(0);
    const kinds = rig.take().map(({ kind }) => kind);
    expect(kinds).toContain("FetchCredentials");
    expect(kinds).not.toContain("OpenSocket");
    rig.credentials();
    expect(rig.taken("OpenSocket")).toHaveLength(1);
  });

  it("stays refused, and stays closed, whatever wakes it", () => {
    const rig = new Rig("fixed").send({ kind: "Started" });
    rig.failCredentials(new BellwireError("unauthenticated", "no")).take();
    rig.send({ kind: "Slept" }).send(woke).pass(60_000);
    expect(rig.take()).toEqual([]);
    expect(rig.connection.status).toBe("failed");
  });
});

describe("waking up", () => {
  it("sees within 3 s that the socket died meanwhile", () => {
    const rig = live(HOST);
    rig.isMute = true;
    rig.send(woke);
    expect(rig.taken("Ping")).toHaveLength(1);
    rig.pass(2999);
    expect(rig.connection.link.phase).toBe("open");
    rig.pass(1);
    expect(rig.connection.link.phase).toBe("waiting");
  });

  it("keeps a socket that answers, and asks once for all that may have been missed", () => {
    const rig = live(HOST, NEWS).send(woke).pass(0);
    expect([...askedBy(rig.poll()).keys()]).toEqual([HOST, NEWS]);
    rig.pass(5000);
    expect(rig.connection.link.phase).toBe("open");
    expect(rig.connection.status).toBe("live");
  });

  it("does not wait for the pause after a loss", () => {
    const rig = live(HOST).send({ kind: "Lost" });
    rig.take();
    rig.send(woke).pass(0);
    const kinds = rig.take().map(({ kind }) => kind);
    expect(kinds).toContain("OpenSocket");
    expect(kinds).toContain("Poll");
  });

  it("asks for a session at once when the last fetch failed, and no sooner than the server said", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST);
    rig.failCredentials(new BellwireError("upstream", "offline")).take();
    rig.send(woke).pass(0);
    expect(rig.taken("FetchCredentials")).toHaveLength(1);
    rig.failCredentials(new BellwireError("too_many", "slow", undefined, true, 20_000)).take();
    rig.send(woke).pass(20_000);
    expect(rig.taken("FetchCredentials")).toEqual([]);
    rig.pass(20_000);
    expect(rig.taken("FetchCredentials")).toHaveLength(1);
  });

  it("polls no sooner than the server said", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    const error = new BellwireError("too_many", "slow", undefined, true, 20_000);
    rig.send({ kind: "PollFailed", id: rig.poll().id, error }).send(woke).pass(22_499);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
  });
});

describe("a hidden page", () => {
  it("goes on being pushed to", () => {
    const rig = live(HOST).send({ kind: "Hidden" }).push(HOST, 0, 3);
    expect(eventsIn(rig.take())).toEqual([1, 2, 3]);
  });

  it("takes its time between polls and between tries, until somebody looks", () => {
    const rig = new Rig("none", "poll").send({ kind: "Started" }).addChannels(HOST);
    rig.pass(0).answerPolls().pass(1999);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1).send({ kind: "Hidden" }).answerPolls().pass(7999);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
    rig.send(woke).pass(0);
    expect(rig.taken("Poll")).toHaveLength(1);
  });

  it("waits four times as long after a loss", () => {
    const [seen, hidden] = [live(HOST), live(HOST).send({ kind: "Hidden" })];
    for (const rig of [seen, hidden]) rig.take();
    for (const rig of [seen, hidden]) rig.send({ kind: "Lost" });
    const pauses = [seen, hidden].map((rig) => rig.msUntil("OpenSocket", 10));
    expect(pauses).toEqual([1000, 4000]);
  });
});
