/** When channels are polled: rules R5 to R9. */
import { describe, expect, it } from "vitest";
import { BellwireError } from "../../../browser_client/src/protocol/errors.ts";
import { askedBy, EPOCH, eventsIn, Rig } from "./rig.ts";

const HOST = "public/host";

function live(...channels: string[]): Rig {
  const rig = new Rig().goLive(...channels);
  rig.take();
  return rig;
}

/** Live, with the checks after SUBACK behind it. */
function settled(...channels: string[]): Rig {
  const rig = live(...channels);
  for (const delayMs of [3000, 5000]) rig.pass(delayMs).answerQuiet(rig.poll());
  return rig;
}

describe("after SUBACK [R7]", () => {
  it("checks at 3 s and at 8 s, because delivery may begin late", () => {
    const rig = live(HOST);
    rig.pass(2999);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1).answerQuiet(rig.poll()).pass(4999);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
  });

  it.each([
    [0, 15_000],
    [0.5, 20_000],
    [0.999, 24_990],
  ])("with chance %f checks again after %i ms without an envelope", (random, afterMs) => {
    const rig = live(HOST).pass(3000);
    rig.answerQuiet(rig.poll());
    rig.random = random;
    rig
      .pass(5000)
      .answerQuiet(rig.poll())
      .pass(afterMs - 1);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(1);
    expect(rig.taken("Poll")).toHaveLength(1);
  });

  it("needs no check while envelopes come", () => {
    const rig = settled(HOST);
    for (let seq = 0; seq < 10; seq++) rig.pass(19_000).push(HOST, seq, seq + 1);
    expect(rig.taken("Poll")).toEqual([]);
  });

  it("asks many quiet channels in one request", () => {
    const rig = settled(HOST, "public/news").pass(1000).push(HOST, 0, 1).pass(19_000);
    expect([...askedBy(rig.poll()).keys()]).toEqual([HOST, "public/news"]);
  });
});

describe("a gap [R6]", () => {
  it("is waited out for 250 ms and some jitter, then polled from the position", () => {
    const rig = settled(HOST).push(HOST, 0, 3).push(HOST, 4, 5).push(HOST, 6, 7).pass(374);
    expect(eventsIn(rig.take())).toEqual([1, 2, 3]);
    rig.pass(1);
    const poll = rig.poll();
    expect(askedBy(poll).get(HOST)).toEqual({ epoch: EPOCH, seq: 3 });
    rig.push(HOST, 7, 8).pass(5000);
    expect(rig.taken("Poll")).toEqual([]);
    rig.answerUpTo(poll, 6);
    expect(eventsIn(rig.take())).toEqual([4, 5, 6, 7, 8]);
  });

  it("that closes by itself is not polled for", () => {
    const rig = settled(HOST).push(HOST, 1, 2).pass(200).push(HOST, 0, 1).pass(10_000);
    expect(rig.take().map(({ kind }) => kind)).toEqual(["Deliver"]);
  });

  it("is found again by what follows a payload that cannot be read", () => {
    const rig = settled(HOST);
    const error = new BellwireError("malformed", "found garbage");
    rig.send({ kind: "PayloadDropped", channel: HOST, error }).pass(375);
    expect(rig.take()).toMatchObject([{ kind: "ReportError", error }, { kind: "Poll" }]);
  });

  it("of another protocol version is warned of once, and polled for", () => {
    const rig = settled(HOST);
    rig.send({ kind: "PayloadDropped", channel: HOST, error: null });
    rig.send({ kind: "PayloadDropped", channel: HOST, error: null }).pass(375);
    expect(rig.take()).toMatchObject([{ kind: "ReportError" }, { kind: "Poll" }]);
  });
});

describe("an answer that leaves a gap [R5]", () => {
  it("is asked for again after its max-age, later and later", () => {
    const rig = settled(HOST).push(HOST, 5, 6).pass(375);
    const delays = Array.from({ length: 8 }, () => {
      rig.answerQuiet(rig.poll());
      const answeredMs = rig.nowMs;
      while (rig.connection.lines.public.inFlight === null) rig.pass(10);
      return rig.nowMs - answeredMs;
    });
    expect(delays).toEqual([1250, 1750, 2750, 4750, 8750, 10_250, 10_250, 10_250]);
  });

  it("is not asked for again in vain when the rest joined on", () => {
    const rig = settled(HOST).push(HOST, 5, 6).pass(375);
    rig.answerUpTo(rig.poll(), 5).pass(10_000);
    expect(eventsIn(rig.take())).toEqual([1, 2, 3, 4, 5, 6]);
    expect(rig.taken("Poll")).toEqual([]);
  });

  it("asks at once for more when there is more", () => {
    const rig = settled(HOST).pass(20_000);
    const { id } = rig.poll();
    const run = {
      epoch: EPOCH,
      after: 0,
      last: 1,
      updates: [],
      recovered: true,
      state: new Map(),
      next: null,
    };
    const answer = { pollAfterMs: 2000, more: true, channels: new Map([[HOST, run]]) };
    rig.send({ kind: "AnswerArrived", id, answer, maxAgeMs: 0, ageMs: 0 }).pass(0);
    expect(askedBy(rig.poll()).get(HOST)).toEqual({ epoch: EPOCH, seq: 1 });
  });
});

describe("a state that comes in pages", () => {
  function paging(): Rig {
    const rig = settled(HOST, "public/news").push(HOST, 8, 9).pass(375);
    return rig.answerPage(rig.poll(), HOST, "cpu", 9).pass(0);
  }

  it("is asked for at once, after its last key, until it is whole", () => {
    const rig = paging();
    const second = rig.poll();
    expect(askedBy(second).get(HOST)).toEqual({ epoch: EPOCH, seq: 9, page: "cpu" });
    rig.answerPage(second, HOST, "mem", 9).pass(0);
    expect(rig.connection.watches.get(HOST)?.sequence.state.map.size).toBe(0);
    const third = rig.poll();
    expect(askedBy(third).get(HOST)).toEqual({ epoch: EPOCH, seq: 9, page: "mem" });
    rig.answerPage(third, HOST, "net", 9, false).pass(5000);
    expect(eventsIn(rig.take())).toEqual([9, 9, 9]);
    expect(rig.taken("Poll")).toEqual([]);
  });

  it("may be the first that is known of a channel", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerPage(rig.poll(), HOST, "cpu", 9).pass(0);
    const second = rig.poll();
    expect(askedBy(second)).toEqual(new Map([[HOST, { epoch: EPOCH, seq: 9, page: "cpu" }]]));
    rig.answerPage(second, HOST, "mem", 9, false);
    expect(rig.taken("Deliver")).toMatchObject([{ channel: HOST, isFirst: true }]);
  });

  it("is not live until it is whole", () => {
    const rig = paging();
    expect(rig.connection.status).toBe("connecting");
    rig.answerPage(rig.poll(), HOST, "mem", 9, false);
    expect(rig.connection.status).toBe("live");
  });

  it("shares its requests with channels that are due", () => {
    const rig = paging();
    const second = rig.poll();
    rig.push("public/news", 4, 5).pass(375).answerPage(second, HOST, "mem", 9).pass(0);
    expect(askedBy(rig.poll())).toEqual(
      new Map([
        [HOST, { epoch: EPOCH, seq: 9, page: "mem" }],
        ["public/news", { epoch: EPOCH, seq: 0 }],
      ]),
    );
  });

  it("goes on where it was after a poll that failed", () => {
    const rig = paging();
    rig.failPoll(rig.poll(), "upstream").pass(250);
    expect(askedBy(rig.poll()).get(HOST)).toEqual({ epoch: EPOCH, seq: 9, page: "cpu" });
  });

  it("begins anew with the channel: the last page is not the whole of it", () => {
    const rig = new Rig().send({ kind: "Started" }).addChannels(HOST).pass(0);
    rig.answerPage(rig.poll(), HOST, "cpu", 9).pass(0);
    const second = rig.poll();
    rig.send({ kind: "ChannelRemoved", channel: HOST }).addChannels(HOST);
    rig.answerPage(second, HOST, "mem", 9, false).pass(0);
    expect(rig.connection.watches.get(HOST)?.sequence.position).toBe(null);
    expect(rig.poll().query).toBe("channels=public%2Fhost");
  });

  it("is not asked for in a hurry when a page ends where the last one ended", () => {
    const rig = paging();
    rig.answerPage(rig.poll(), HOST, "cpu", 9).pass(1000);
    expect(rig.taken("Poll")).toEqual([]);
    rig.pass(250);
    expect(rig.taken("Poll")).toHaveLength(1);
  });
});

it("names no more channels in a request than a cursor can hold", () => {
  const names = Array.from({ length: 50 }, (_, n) => {
    const long = ["x".repeat(64), "x".repeat(64), String(n).padStart(2, "0")];
    return `public/${long.join("/")}`;
  });
  const rig = new Rig()
    .send({ kind: "Started" })
    .addChannels(...names)
    .pass(0);
  const first = rig.poll();
  const asked = first.query.split("=")[1]?.split(",").map(decodeURIComponent) as string[];
  expect(asked).toEqual(names.slice(0, 24));
  rig.answerFirst(first.id, asked).pass(0);
  expect(rig.poll().query.split(",")).toHaveLength(24);
});

describe("a poll that fails [R8]", () => {
  it("keeps what is held and is repeated; meanwhile the status is not live", () => {
    const rig = settled(HOST).push(HOST, 1, 2).pass(375);
    rig.failPoll(rig.poll(), "upstream");
    expect(rig.connection.status).toBe("connecting");
    rig.pass(250).answerUpTo(rig.poll(), 1);
    expect(eventsIn(rig.take())).toEqual([1, 2]);
    expect(rig.connection.status).toBe("live");
  });
});

it("is not live by an answer that is older than 10 s [R9]", () => {
  const rig = settled(HOST).pass(20_000);
  const { id } = rig.poll();
  const run = {
    epoch: EPOCH,
    after: 0,
    last: 0,
    updates: [],
    recovered: true,
    state: new Map(),
    next: null,
  };
  const answer = { pollAfterMs: 2000, more: false, channels: new Map([[HOST, run]]) };
  rig.send({ kind: "AnswerArrived", id, answer, maxAgeMs: 0, ageMs: 11_000 });
  expect(rig.connection.status).toBe("connecting");
  rig.push(HOST, 0, 1);
  expect(rig.connection.status).toBe("live");
});
