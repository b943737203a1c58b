/** One socket for several tabs, with sockets and time in the test's hands. */
import { beforeEach, describe, expect, it } from "vitest";
import { Member, Rig } from "./fake_wires.ts";

const A = "dev/public/a";
const B = "dev/public/b";

let rig: Rig;
let one: Member;
let two: Member;
beforeEach(() => {
  rig = new Rig();
  one = new Member(rig, "one");
  two = new Member(rig, "two");
});

/** Open the socket for both, and have both follow A. */
function share(): void {
  one.open();
  two.open();
  rig.wire.listener.onOpened();
  one.subscribe(A);
  rig.wire.listener.onSubscribed(new Map([[A, true]]));
  two.subscribe(A);
  rig.wire.asked.length = 0;
  one.hear();
  two.hear();
}

describe("opening", () => {
  it("opens one socket, with the first one's words, and tells all when it is open", () => {
    one.open();
    two.open();
    expect(rig.wires).toMatchObject([
      { url: "wss://example.org/mqtt?one", clientId: "us-east-1:guest-one" },
    ]);
    expect([one.hear(), two.hear()]).toEqual([[], []]);
    rig.wire.listener.onOpened();
    expect([one.hear(), two.hear()]).toEqual([[{ kind: "opened" }], [{ kind: "opened" }]]);
  });

  it("tells a later one at once", () => {
    one.open();
    rig.wire.listener.onOpened();
    two.open();
    expect(two.hear()).toEqual([{ kind: "opened" }]);
    expect(rig.wires).toHaveLength(1);
  });

  it("tells a tab whose URL is none that it is lost, and why", () => {
    rig.error = new SyntaxError("found no URL");
    one.open();
    expect(one.hear()).toEqual([{ kind: "lost", message: "found no URL" }]);
  });
});

describe("topics", () => {
  it("are subscribed by the first, and answered at once to the next", () => {
    one.open();
    two.open();
    rig.wire.listener.onOpened();
    one.hear();
    two.hear();
    one.subscribe(A);
    expect(one.hear()).toEqual([]);
    rig.wire.listener.onSubscribed(new Map([[A, true]]));
    two.subscribe(A, B);
    rig.wire.listener.onSubscribed(new Map([[B, false]]));
    expect(one.hear()).toEqual([{ kind: "subscribed", topics: new Map([[A, true]]) }]);
    expect(two.hear()).toEqual([
      { kind: "subscribed", topics: new Map([[A, true]]) },
      { kind: "subscribed", topics: new Map([[B, false]]) },
    ]);
    expect(rig.wire.asked).toEqual([
      ["subscribe", [A]],
      ["subscribe", [B]],
    ]);
  });

  it("that two ask for at once are granted to each once", () => {
    one.open();
    two.open();
    rig.wire.listener.onOpened();
    one.subscribe(A);
    two.subscribe(A);
    one.hear();
    two.hear();
    rig.wire.listener.onSubscribed(new Map([[A, true]]));
    rig.wire.listener.onSubscribed(new Map([[A, true]]));
    const granted = [{ kind: "subscribed", topics: new Map([[A, true]]) }];
    expect([one.hear(), two.hear()]).toEqual([granted, granted]);
  });

  it("are unsubscribed by the last who follows them", () => {
    share();
    one.unsubscribe(A);
    expect(rig.wire.asked).toEqual([]);
    two.unsubscribe(A);
    expect(rig.wire.asked).toEqual([["unsubscribe", [A]]]);
    one.subscribe(A);
    expect(rig.wire.asked.at(-1)).toEqual(["subscribe", [A]]);
  });

  it("of a tab that leaves are unsubscribed unless another follows them", () => {
    share();
    two.subscribe(B);
    two.leave();
    expect(rig.wire.asked).toEqual([
      ["subscribe", [B]],
      ["unsubscribe", [B]],
    ]);
  });

  it("beyond 50 of the connection are denied at once", () => {
    share();
    for (let first = 1; first < 49; first += 8) {
      one.subscribe(...Array.from({ length: 8 }, (_, index) => `dev/public/${first + index}`));
    }
    one.hear();
    two.subscribe(B, "dev/public/more", A);
    expect(two.hear()).toEqual([
      {
        kind: "subscribed",
        topics: new Map([
          ["dev/public/more", false],
          [A, true],
        ]),
      },
    ]);
    expect(rig.wire.asked.at(-1)).toEqual(["subscribe", [B]]);
  });

  it("that the connection gives up are denied to all who follow them", () => {
    share();
    rig.wire.listener.onSubscribed(new Map([[A, false]]));
    const denied = [{ kind: "subscribed", topics: new Map([[A, false]]) }];
    expect([one.hear(), two.hear()]).toEqual([denied, denied]);
    rig.wire.publish(A);
    expect([one.hear(), two.hear()]).toEqual([[], []]);
  });
});

describe("payloads", () => {
  it("go to those who follow the topic, as bytes of their own", () => {
    share();
    two.subscribe(B);
    rig.wire.publish(B, new Uint8Array([9, 7, 8]).subarray(1));
    expect(one.hear()).toEqual([]);
    const [found] = two.hear();
    expect(found).toEqual({ kind: "payload", topic: B, payload: new Uint8Array([7, 8]) });
    expect(found).toHaveProperty("payload.buffer.byteLength", 2);
  });
});

describe("pings", () => {
  it("of several are one", () => {
    share();
    one.ping();
    two.ping();
    expect(rig.wire.asked).toEqual([["ping"]]);
    rig.wire.listener.onPonged();
    expect([one.hear(), two.hear()]).toEqual([[{ kind: "ponged" }], [{ kind: "ponged" }]]);
  });

  it("of a tab that left hold up no other's", () => {
    share();
    one.ping();
    one.leave();
    two.ping();
    expect(rig.wire.asked).toEqual([["ping"], ["ping"]]);
  });

  it("are asked anew after an answer, which may be from before a sleep", () => {
    share();
    one.ping();
    rig.wire.listener.onPonged();
    two.ping();
    expect(rig.wire.asked).toEqual([["ping"], ["ping"]]);
    expect(two.hear()).toEqual([]);
  });
});

describe("the end", () => {
  it("of the socket is told to all, with its reason, and the next to open opens another", () => {
    share();
    rig.wire.listener.onLost(new Error("found a text frame, expected binary"));
    const lost = [{ kind: "lost", message: "found a text frame, expected binary" }];
    expect([one.hear(), two.hear()]).toEqual([lost, lost]);
    one.subscribe(B); // It has not heard yet.
    two.open();
    expect(rig.wires.map(({ url }) => url)).toEqual([
      "wss://example.org/mqtt?one",
      "wss://example.org/mqtt?two",
    ]);
    expect(rig.wire.asked).toEqual([]);
  });

  it("of the socket without a word, and of the hub, are told apart", () => {
    share();
    rig.wire.listener.onLost(null);
    expect([one.hear(), two.hear()]).toEqual([
      [{ kind: "lost", message: null }],
      [{ kind: "lost", message: null }],
    ]);
    one.open();
    rig.hub.end();
    expect(one.hear()).toStrictEqual([{ kind: "lost", message: undefined }]);
  });

  it("of a tab ends no other, and of the last one the socket", () => {
    share();
    one.leave();
    one.leave();
    expect(rig.wire.asked).toEqual([]);
    rig.wire.publish(A);
    expect([one.hear(), two.hear().length]).toEqual([[], 1]);
    two.leave();
    expect(rig.wire.asked).toEqual([["close"]]);
    expect(two.hear()).toEqual([]);
  });

  it("comes for a socket that owes an answer when a tab has given up on it", () => {
    share();
    one.ping();
    rig.nowMs = 3000;
    one.leave();
    expect(rig.wire.asked).toEqual([["ping"], ["close"]]);
    expect(two.hear()).toEqual([{ kind: "lost", message: null }]);
  });

  it("comes for a socket that owes an answer when another tab opens", () => {
    share();
    one.ping();
    rig.nowMs = 2500;
    new Member(rig, "three").open();
    expect([one.hear(), two.hear()].flat().map(({ kind }) => kind)).toEqual(["lost", "lost"]);
    expect(rig.wires.map(({ asked }) => asked)).toEqual([[["ping"], ["close"]], []]);
  });

  it("does not come for one that is heard, or owes nothing", () => {
    share();
    one.ping();
    rig.nowMs = 10_000;
    rig.wire.publish(A);
    one.leave();
    rig.nowMs = 3_600_000;
    one.open();
    expect(rig.wire.asked).toEqual([["ping"]]);
    expect(rig.wires).toHaveLength(1);
  });
});
