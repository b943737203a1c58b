/** The application's choice of the road: pushed or polled, whatever would work. */
import { describe, expect, it } from "vitest";
import { EPOCH, eventsIn, Rig } from "./rig.ts";

const HOST = "public/host";
const INBOX = "user/me/inbox";

describe("transport poll", () => {
  it("reads public channels as a guest without a session or a socket", () => {
    const rig = new Rig("none", "poll").send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerPolls();
    expect(rig.connection.status).toBe("polling");
    const kinds = rig
      .pass(60_000)
      .take()
      .map(({ kind }) => kind);
    expect(kinds).not.toContain("FetchCredentials");
    expect(kinds).not.toContain("OpenSocket");
  });

  it("reads private channels with a session, which is renewed, and opens no socket", () => {
    const rig = new Rig("fixed", "poll").send({ kind: "Started" }).addChannels(INBOX);
    expect(rig.taken("FetchCredentials")).toHaveLength(1);
    rig.credentials().pass(0);
    const poll = rig.poll();
    expect(poll).toMatchObject({ needsToken: true, query: "channels=user%2Fme%2Finbox" });
    rig.answerFirst(poll.id, [INBOX]);
    expect(rig.connection.status).toBe("polling");
    expect(rig.msUntil("FetchCredentials", 60_000)).toBeLessThan(3_600_000);
    expect(rig.taken("OpenSocket")).toEqual([]);
  });

  it("comes again every poll_after_ms and tells what is new", () => {
    const rig = new Rig("none", "poll").send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerPolls().pass(2000).answerUpTo(rig.poll(), 2);
    expect(eventsIn(rig.take())).toEqual([1, 2]);
  });
});

describe("transport push", () => {
  it("says offline when no socket opens, and polls no more than to begin with", () => {
    const rig = new Rig("none", "push").send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerPolls().credentials().send({ kind: "Lost" }).pass(60_000);
    expect(rig.connection.status).toBe("offline");
    expect(rig.taken("Poll")).toEqual([]);
  });

  it("still catches up by poll what a socket missed", () => {
    const rig = new Rig("none", "push").goLive(HOST);
    expect(rig.connection.status).toBe("live");
    rig.take();
    rig.send({ kind: "Lost" }).pass(10_000).send({ kind: "Opened" }).grant(HOST).pass(0);
    const poll = rig.poll();
    expect(poll.query.startsWith("cursor=")).toBe(true);
    rig.answerUpTo(poll, 3);
    expect(eventsIn(rig.take())).toEqual([1, 2, 3]);
    expect(rig.connection.watches.get(HOST)?.sequence.position).toEqual({ epoch: EPOCH, seq: 3 });
    expect(rig.connection.status).toBe("live");
  });
});
