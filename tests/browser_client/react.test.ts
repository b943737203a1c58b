/** `bellwire/react` in React 19, always in StrictMode, on the real client. */

import fc from "fast-check";
import { act, createElement, memo, type ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BellwireError, type Channel, type Client } from "../../browser_client/src/index.ts";
import { type ChannelView, useStatus, useUpdates } from "../../browser_client/src/react.ts";
import { Boundary, event, learn, remove, Screen, Stage, set, settle } from "./react_stage.ts";

vi.setConfig({ testTimeout: 20_000 });

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(async () => {
  await stage.close();
});

function screen(client: Client | null, name: string | null, views: ChannelView[] = []): ReactNode {
  return createElement(Screen, { client, name, views });
}

describe("useChannel", () => {
  it("shows that nothing is known, the state, and each change of it", async () => {
    const client = stage.connect();
    const { element } = await stage.draw(screen(client, "public/host"));
    expect(element.textContent).toBe("unknown");
    await settle(client);
    expect(element.textContent).toBe('{"cpu":1}');
    await act(async () => stage.publish("public/host", set("cpu", 2), set("memory", 3)));
    expect(element.textContent).toBe('{"cpu":2,"memory":3}');
    await act(async () => stage.publish("public/host", remove("cpu")));
    expect(element.textContent).toBe('{"memory":3}');
    expect(stage.complaints).not.toHaveBeenCalled();
  });

  it("follows once, however often it is mounted, and no more when all are gone", async () => {
    const client = stage.connect();
    const one = await stage.draw(screen(client, "public/host"));
    const two = await stage.draw([screen(client, "public/host"), screen(client, "public/host")]);
    await settle(client);
    expect([one.element.textContent, two.element.textContent]).toEqual([
      '{"cpu":1}',
      '{"cpu":1}{"cpu":1}',
    ]);
    await two.remove();
    expect(stage.follows).toEqual(["+public/host"]);
    await one.remove();
    expect(stage.follows).toEqual(["+public/host", "-public/host"]);
  });

  it("hands the channel over to what takes its place in the same render", async () => {
    const client = stage.connect();
    const views: ChannelView[] = [];
    const { redraw } = await stage.draw(createElement("p", null, screen(client, "public/host")));
    await settle(client);
    await redraw(createElement("h1", null, screen(client, "public/host", views)));
    expect(stage.follows).toEqual(["+public/host"]);
    expect(views.map(({ isKnown }) => isKnown)).not.toContain(false);
  });

  it("never shows the old channel's state under a new name", async () => {
    const client = stage.connect();
    const views: ChannelView[] = [];
    const { element, redraw } = await stage.draw(screen(client, "public/host"));
    await settle(client);
    await act(async () => stage.publish("public/host", set("cpu", 7)));
    await redraw(screen(client, "public/news", views));
    expect(element.textContent).toBe("unknown");
    expect(stage.follows).toEqual(["+public/host", "+public/news", "-public/host"]);
    await learn(client, "public/news");
    expect(new Set(views.map(({ state }) => state.get("cpu")))).toEqual(new Set([undefined, 1]));
  });

  it("goes over to another client, and to none", async () => {
    const [one, two] = [stage.connect(), stage.connect()];
    const { element, redraw } = await stage.draw(screen(one, "public/host"));
    await settle(one);
    await redraw(screen(two, "public/host"));
    expect(element.textContent).toBe("unknown");
    await settle(two);
    expect(element.textContent).toBe('{"cpu":1}');
    await redraw(screen(null, "public/host"));
    expect(element.textContent).toBe("unknown");
    await redraw(screen(two, null));
    expect(element.textContent).toBe("unknown");
    expect(stage.follows).toEqual(["+public/host", "+public/host", "-public/host", "-public/host"]);
  });

  it("gives the same view while the state is the same, whatever renders and happens", async () => {
    const client = stage.connect();
    const views: ChannelView[] = [];
    const { redraw } = await stage.draw(screen(client, "public/host", views));
    expect(new Set(views).size).toBe(1);
    await settle(client);
    const known = views.at(-1);
    const before = views.length;
    await act(async () => stage.publish("public/host", event(1), event(2)));
    // An error, but not of this channel alone.
    await act(async () => stage.broker.last.publish("dev/public/host", "no JSON"));
    expect(views).toHaveLength(before);
    await redraw(screen(client, "public/host", views));
    expect(views.length).toBeGreaterThan(before);
    expect(views.at(-1)).toBe(known);
  });

  it("renders once for many updates that come in one turn", async () => {
    const client = stage.connect();
    const views: ChannelView[] = [];
    const Still = memo(Screen);
    await stage.draw(createElement(Still, { client, name: "public/host", views }));
    await settle(client);
    views.length = 0;
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
    stage.publish("public/host", ...Array.from({ length: 100 }, (_, at) => set("cpu", at)));
    await vi.waitFor(() => expect(views.at(-1)?.state.get("cpu")).toBe(99), { timeout: 15_000 });
    // StrictMode calls the component twice for each render.
    expect(views).toHaveLength(2);
  });

  it("always shows what the channel has", async () => {
    const client = stage.connect();
    const { element } = await stage.draw(screen(client, "public/host"));
    await settle(client);
    const channel = client.channel("public/host");
    const key = fc.constantFrom("a", "b", "c");
    const update = fc.oneof(
      fc.tuple(key, fc.nat(9)).map(([k, d]) => set(k, d)),
      key.map(remove),
      fc.constant(event(null)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(update, { maxLength: 8 }), async (updates) => {
        await act(async () => stage.publish("public/host", ...updates));
        expect(element.textContent).toBe(textOf(channel));
      }),
    );
    expect(channel.position?.seq).toBeGreaterThan(50);
  });

  it("takes the state that follows a loss of continuity", async () => {
    const client = stage.connect();
    const { element } = await stage.draw(screen(client, "public/host"));
    await settle(client);
    await act(() => stage.breakOff(client, "public/host"));
    expect(element.textContent).toBe('{"fresh":true}');
  });

  it.each([
    ["host", "bad_channel"],
    ["", "bad_channel"],
  ])("lets the error boundary have the error of %j", async (name, code) => {
    const client = stage.connect();
    const { element, redraw } = await stage.draw(
      createElement(Boundary, null, screen(client, name)),
    );
    expect(element.textContent).toBe(code);
    await redraw(screen(client, "public/host"));
    await learn(client, "public/host");
    expect(element.textContent).toBe('{"cpu":1}');
  });

  it("shows why a channel may not be read, until it may", async () => {
    const client = stage.connect({ token: "hush-login-of-alice" });
    const { element } = await stage.draw(screen(client, "user/me/inbox"));
    const late = await stage.draw(null);
    await settle(client);
    expect(element.textContent).toBe('{"cpu":1}');
    const refused = new Promise<BellwireError>((resolve) => client.on("error", resolve));
    await act(async () => {
      client.logout();
      expect(await refused).toBeInstanceOf(BellwireError);
    });
    await late.redraw(screen(client, "user/me/inbox"));
    expect([element.textContent, late.element.textContent]).toEqual(["not_allowed", "not_allowed"]);
    client.login("hush-login-of-alice");
    await learn(client, "user/me/inbox");
    expect([element.textContent, late.element.textContent]).toEqual(['{"cpu":1}', '{"cpu":1}']);
  });

  it("shows why a channel may not be read that others followed before", async () => {
    const client = stage.connect();
    const name = "group/red/room";
    const Log = () => {
      useUpdates(client, name, () => {});
      return null;
    };
    const log = createElement(Log);
    const { element, redraw } = await stage.draw(createElement("p", null, log));
    await act(() => new Promise((resolve) => client.on("error", resolve)));
    await redraw(createElement("p", null, log, screen(client, name)));
    expect(element.textContent).toBe("not_allowed");
  });

  it("knows nothing of an empty channel after a login, until the new user's answer", async () => {
    const client = stage.connect({ token: "hush-login-of-alice" });
    const { element } = await stage.draw(screen(client, "user/me/inbox"));
    await settle(client);
    await act(async () => stage.publish("user/us-east-1:alice/inbox", remove("cpu")));
    expect(element.textContent).toBe("{}");
    await act(async () => client.login("hush-login-of-bob"));
    expect(element.textContent).toBe("unknown");
    await learn(client, "user/me/inbox");
    expect(element.textContent).toBe('{"cpu":1}');
  });

  it("knows nothing on a server, nor while it hydrates", async () => {
    const client = stage.connect();
    expect(renderToString(screen(client, "public/host"))).toBe("unknown");
    expect(stage.follows).toEqual([]);
    await stage.draw(screen(client, "public/host"));
    await settle(client);
    const views: ChannelView[] = [];
    const element = await stage.hydrate(screen(client, "public/host", views), "unknown");
    expect(views[0]?.isKnown).toBe(false);
    expect(element.textContent).toBe('{"cpu":1}');
    expect(stage.complaints).not.toHaveBeenCalled();
  });
});

function textOf({ state }: Channel): string {
  return JSON.stringify(Object.fromEntries(state));
}

describe("useStatus", () => {
  function Status({ client }: { client: Client | null }): ReactNode {
    return useStatus(client);
  }

  it("shows every status, and that there is no client yet", async () => {
    const client = stage.connect();
    client.channel("public/host");
    const { element, redraw } = await stage.draw(createElement(Status, { client }));
    await settle(client);
    expect(element.textContent).toBe("live");
    await act(async () => client.close());
    expect(element.textContent).toBe("offline");
    await redraw(createElement(Status, { client: null }));
    expect(element.textContent).toBe("connecting");
    expect(renderToString(createElement(Status, { client }))).toBe("connecting");
  });
});

describe("useUpdates", () => {
  interface FeedProps {
    readonly client: Client;
    readonly onUpdate: (data: unknown) => void;
    readonly onReset?: () => void;
  }
  function Feed({ client, onUpdate, onReset }: FeedProps): ReactNode {
    useUpdates(client, "public/news", ({ data }) => onUpdate(data), onReset);
    return null;
  }

  it("tells each update once, to the function of the newest render", async () => {
    const client = stage.connect();
    const [first, second]: [unknown[], unknown[]] = [[], []];
    const feed = (told: unknown[]) =>
      createElement(Feed, { client, onUpdate: (data: unknown) => told.push(data) });
    const { redraw, remove } = await stage.draw(feed(first));
    await settle(client);
    stage.publish("public/news", event("a"), event("b"));
    await redraw(feed(second));
    stage.publish("public/news", event("c"));
    expect([first, second]).toEqual([[1, "a", "b"], ["c"]]);
    expect(stage.follows).toEqual(["+public/news"]);
    await remove();
    expect(stage.follows).toEqual(["+public/news", "-public/news"]);
  });

  it("tells that continuity was lost", async () => {
    const client = stage.connect();
    const told: unknown[] = [];
    await stage.draw(
      createElement(Feed, {
        client,
        onUpdate: (data: unknown) => told.push(data),
        onReset: () => told.push("reset"),
      }),
    );
    await settle(client);
    await act(() => stage.breakOff(client, "public/news"));
    expect(told).toEqual([1, "reset", undefined, true]);
  });
});
