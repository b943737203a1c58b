/** Who the client is: channels of its own on the socket, and what another login ends. */
import { describe, expect, it } from "vitest";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import type { TokenKind } from "../../../browser_client/src/protocol/machine.ts";
import { ALICE, askedBy, EPOCH, eventsIn, Rig, sessionFor } from "./rig.ts";

const HOST = "public/host";
const INBOX = "user/me/inbox";
const IN_FULL = `user/${ALICE}/inbox`;
const ROOM = "group/red/room";
const BOB = "us-east-1:bob";

function live(...channels: string[]): Rig {
  const rig = new Rig("fixed").goLive(...channels);
  rig.take();
  return rig;
}

function become(rig: Rig, token: TokenKind): Rig {
  return rig.send({ kind: "LoginChanged", token });
}

describe("a private channel", () => {
  it("is pushed like a public one, the own ones under the identity's name", () => {
    const rig = new Rig("fixed").send({ kind: "Started" }).addChannels(HOST, INBOX, ROOM).open();
    expect(rig.taken("Subscribe")).toEqual([
      { kind: "Subscribe", channels: [HOST, IN_FULL, ROOM] },
    ]);
    rig.grant(HOST, INBOX, ROOM).pass(0).answerPolls().pass(0).answerPolls();
    expect(rig.connection.status).toBe("live");
    rig.push(IN_FULL, 0, 1).push(ROOM, 0, 2);
    const delivered = rig.taken("Deliver").map(({ channel, outputs }) => [channel, outputs.length]);
    expect(delivered).toEqual([
      [INBOX, 1],
      [ROOM, 2],
    ]);
  });

  it("followed by both its names has one topic, and serves both", () => {
    const rig = live(INBOX).addChannels(IN_FULL);
    expect(rig.taken("Subscribe")).toEqual([{ kind: "Subscribe", channels: [IN_FULL] }]);
    rig.grant(IN_FULL).pass(0).answerPolls().pass(0).answerPolls().take();
    rig.push(IN_FULL, 0, 1);
    expect(rig.taken("Deliver").map(({ channel }) => channel)).toEqual([INBOX, IN_FULL]);
    rig.send({ kind: "ChannelRemoved", channel: INBOX });
    expect(rig.taken("Unsubscribe")).toEqual([]);
    rig.send({ kind: "ChannelRemoved", channel: IN_FULL });
    expect(rig.taken("Unsubscribe")).toEqual([{ kind: "Unsubscribe", channels: [IN_FULL] }]);
  });

  it("of both names is asked for once on a new socket", () => {
    const rig = live(INBOX, IN_FULL).send({ kind: "Lost" }).pass(1000).send({ kind: "Opened" });
    expect(rig.taken("Subscribe")).toEqual([{ kind: "Subscribe", channels: [IN_FULL] }]);
  });

  it("with a payload that cannot be read is caught up with", () => {
    const rig = live(INBOX);
    rig.pass(3000).answerPolls().pass(5000).answerPolls();
    rig.send({ kind: "PayloadDropped", channel: IN_FULL, error: null }).pass(375);
    expect([...askedBy(rig.poll()).keys()]).toEqual([INBOX]);
  });

  it("counts among the 50 subscriptions, and is polled beyond them", () => {
    const names = Array.from({ length: 50 }, (_, n) => `public/c${n}`);
    const rig = new Rig("fixed")
      .send({ kind: "Started" })
      .addChannels(...names, INBOX)
      .open();
    expect(rig.taken("Subscribe").flatMap(({ channels }) => channels)).toEqual(names);
    expect(rig.connection.watches.get(INBOX)?.subscription).toBe("denied");
  });

  it("is polled when the broker denies it", () => {
    const rig = new Rig("fixed").send({ kind: "Started" }).addChannels(INBOX).open();
    rig.suback(false, INBOX).pass(0).answerPolls();
    expect(rig.connection.status).toBe("live");
    rig.pass(2000);
    expect(rig.poll()).toMatchObject({ needsToken: true });
  });

  it("that the server refuses is silent, whatever is pushed", () => {
    const rig = live(INBOX, ROOM).pass(3000);
    rig.failPoll(rig.poll(), "not_allowed", ROOM).push(ROOM, 0, 1).push(IN_FULL, 0, 1);
    expect(rig.taken("Deliver").map(({ channel }) => channel)).toEqual([INBOX]);
    rig.send({ kind: "Lost" }).pass(250).send({ kind: "Opened" });
    expect(rig.taken("Subscribe")).toEqual([{ kind: "Subscribe", channels: [IN_FULL] }]);
  });

  it("is refused to a guest without asking, once", () => {
    const rig = new Rig().goLive(HOST);
    rig.take();
    rig.addChannels(ROOM, "user/x/inbox").pass(60_000);
    const told = rig.take();
    expect(told.filter(({ kind }) => kind === "ReportError")).toMatchObject([
      { error: { code: "not_allowed", channel: ROOM } },
      { error: { code: "not_allowed", channel: "user/x/inbox" } },
    ]);
    expect(told.filter(({ kind }) => kind === "Subscribe")).toEqual([]);
    const polls = told.flatMap((effect) => (effect.kind === "Poll" ? [effect] : []));
    expect(polls.flatMap((poll) => [...askedBy(poll).keys()])).toEqual(polls.map(() => HOST));
    expect(rig.connection.status).toBe("live");
  });
});

/** Alice, live, with a state of one key in her inbox and 3 events in public/host. */
function alice(): Rig {
  const rig = live(HOST, INBOX).push(HOST, 0, 3);
  const updates = [{ s: 1, t: 0, o: "set", k: "draft", d: "secret" }];
  const envelope = { channel: IN_FULL, epoch: EPOCH, after: 0, last: 1, updates };
  rig.send({ kind: "EnvelopeArrived", envelope, sizeBytes: 10 }).take();
  return rig;
}

describe.each([
  ["another login", "fixed"],
  ["a logout", "none"],
] as const)("%s", (_, token) => {
  it("closes the socket, opens a session and takes away what was private", () => {
    const rig = become(alice(), token);
    const place = { channel: INBOX, epoch: EPOCH, seq: 1 };
    expect(rig.take()).toEqual([
      {
        kind: "Deliver",
        channel: INBOX,
        outputs: [
          { kind: "reset" },
          { kind: "update", update: { ...place, op: "delete", key: "draft" } },
        ],
        isFirst: undefined,
      },
      { kind: "CloseSocket" },
      { kind: "FetchCredentials", login: 1 },
      { kind: "SetStatus", status: "connecting" },
    ]);
    const sequence = rig.connection.watches.get(INBOX)?.sequence;
    expect([sequence?.position, sequence?.state.map.size]).toEqual([null, 0]);
    expect(rig.connection.login.session).toBeNull();
  });

  it("does not hear answers that were on their way, nor credentials", () => {
    const rig = alice().pass(3000);
    const polls = rig.taken("Poll");
    expect(polls).toHaveLength(2);
    become(rig, token).take();
    for (const poll of polls) rig.answerUpTo(poll, 9);
    rig.send({ kind: "CredentialsArrived", login: 0, session: sessionFor(60_000, ALICE) });
    rig.send({ kind: "CredentialsFailed", login: 0, error: new BellwireError("not_found", "no") });
    expect(rig.take()).toEqual([]);
    expect(rig.connection.login.session).toBeNull();
  });

  it("lets public channels go on from where they are", () => {
    const rig = alice().pass(3000);
    rig.take();
    become(rig, token).open().grant(HOST).push(HOST, 2, 4).pass(0);
    const told = rig.take();
    const poll = told.find((effect) => effect.kind === "Poll" && !effect.needsToken);
    if (poll?.kind !== "Poll") throw new Error("expected what was on its way to be asked again");
    expect(askedBy(poll)).toEqual(new Map([[HOST, { epoch: EPOCH, seq: 4 }]]));
    rig.answerUpTo(poll, 5).push(HOST, 3, 6);
    const seqs = [...told, ...rig.take()].flatMap((effect) =>
      effect.kind === "Deliver" && effect.channel === HOST ? eventsIn([effect]) : [],
    );
    expect(seqs).toEqual([4, 5, 6]);
  });

  it("asks again at once for what was not known yet, public or refused", () => {
    const rig = new Rig("fixed").send({ kind: "Started" }).addChannels(HOST).pass(0);
    const [first] = rig.taken("Poll");
    if (!first) throw new Error("expected a poll");
    become(rig, token).answerFirst(first.id, [HOST]).take();
    rig.pass(0);
    const second = rig.poll();
    expect(second.query).toBe("channels=public%2Fhost");
    rig.credentials().failPoll(second, "not_allowed", HOST);
    become(rig, "fixed").take();
    rig.pass(0);
    expect(rig.poll().query).toBe("channels=public%2Fhost");
  });

  it("begins the time over after which polls take over", () => {
    const rig = become(alice(), token).pass(4499);
    expect(rig.connection.isFallback).toBe(false);
    rig.pass(1);
    expect(rig.taken("Poll")).toMatchObject([{ needsToken: false }]);
  });

  it("goes on polling where that is all there is", () => {
    const rig = new Rig("fixed").send({ kind: "Started" }).addChannels(HOST).pass(0).answerPolls();
    rig.pass(5000).answerPolls();
    become(rig, token);
    expect(rig.connection.status).toBe("connecting");
    rig.pass(2000).answerPolls();
    expect(rig.connection.status).toBe("polling");
  });

  it("gives another chance after all was refused, with the channels of then", () => {
    const rig = new Rig("fixed").send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.failCredentials(new BellwireError("not_allowed", "no")).pass(60_000);
    rig.send({ kind: "ChannelRemoved", channel: HOST }).addChannels("public/news").take();
    become(rig, token);
    expect(rig.connection.status).toBe("connecting");
    rig.open().grant("public/news").pass(0);
    expect(rig.taken("Poll")).toMatchObject([{ query: "channels=public%2Fnews" }]);
  });

  it("is nothing after the end", () => {
    const rig = alice().send({ kind: "Closed" });
    rig.take();
    expect(become(rig, token).take()).toEqual([]);
  });
});

describe("after a logout", () => {
  it("private channels tell not_allowed once and rest", () => {
    const rig = alice().addChannels(ROOM);
    rig.take();
    become(rig, "none").open().grant(HOST).pass(60_000);
    const told = rig.take();
    expect(told.filter(({ kind }) => kind === "ReportError")).toMatchObject([
      { error: { code: "not_allowed", channel: INBOX } },
      { error: { code: "not_allowed", channel: ROOM } },
    ]);
    expect(told.filter(({ kind }) => kind === "Subscribe")).toEqual([
      { kind: "Subscribe", channels: [HOST] },
    ]);
    expect(told.some((effect) => effect.kind === "Poll" && effect.needsToken)).toBe(false);
  });

  it("the next login follows them again by itself, from nothing", () => {
    const rig = become(alice(), "none").open().grant(HOST).pass(1000).answerPolls();
    become(rig, "fixed").take();
    rig.credentials({ identityId: BOB }).send({ kind: "Opened" }).pass(0);
    const told = rig.take();
    expect(told.filter(({ kind }) => kind === "Subscribe")).toEqual([
      { kind: "Subscribe", channels: [HOST, `user/${BOB}/inbox`] },
    ]);
    expect(told).toContainEqual(
      expect.objectContaining({ needsToken: true, query: "channels=user%2Fme%2Finbox" }),
    );
  });

  it("and a login at once nobody is alarmed", () => {
    const rig = become(become(alice(), "none"), "fixed").open().pass(60_000);
    expect(rig.taken("ReportError")).toEqual([]);
  });
});

it("takes away what was private when a renewal brings somebody else", () => {
  const rig = alice().pass(3_300_000);
  rig.take();
  rig.credentials({ identityId: BOB });
  expect(rig.take().map(({ kind }) => kind)).toEqual([
    "Deliver",
    "CloseSocket",
    "OpenSocket",
    "SetStatus",
  ]);
  expect(rig.connection.watches.get(INBOX)?.sequence.position).toBeNull();
});

it("keeps to itself, as a guest, what a poll of a login gone brought", () => {
  const rig = become(alice(), "none").open().push(IN_FULL, 1, 2);
  const told = rig.taken("Deliver").filter(({ channel }) => channel === INBOX);
  expect(told.map(({ outputs }) => outputs.map(({ kind }) => kind))).toEqual([["reset", "update"]]);
});
