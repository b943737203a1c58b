/** Components on the real client, over a real web server and a broker in this process. */
import "./dom.ts";
import { act, Component, createElement, type ReactNode, StrictMode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { vi } from "vitest";
import {
  type Client,
  type ConnectOptions,
  connect,
  type Status,
} from "../../browser_client/src/index.ts";
import { type ChannelView, useChannel } from "../../browser_client/src/react.ts";
import { FakeBroker } from "./fake_broker.ts";
import { EPOCH, FakeService } from "./fake_service.ts";
import { WebServer } from "./io/web_server.ts";

export interface ScreenProps {
  readonly client: Client | null;
  readonly name: string | null;
  /** What the component was given at each render. */
  readonly views: ChannelView[];
}

/** Shows a channel's state as JSON, or what it has in its place. */
export function Screen({ client, name, views }: ScreenProps): ReactNode {
  const view = useChannel(client, name);
  views.push(view);
  if (view.error) return view.error.code;
  return view.isKnown ? JSON.stringify(Object.fromEntries(view.state)) : "unknown";
}

/** Shows the code of the error that what is in it threw. */
export class Boundary extends Component<{ children: ReactNode }, { code: string | null }> {
  override state = { code: null };

  static getDerivedStateFromError(error: { code: string }): { code: string } {
    return { code: error.code };
  }

  override render(): ReactNode {
    return this.state.code ?? this.props.children;
  }
}

export class Stage {
  readonly broker = new FakeBroker();
  /** Every channel that a client began or ceased to follow, such as `+public/host`. */
  readonly follows: string[] = [];
  /** What React complained about. */
  readonly complaints = vi.spyOn(console, "error").mockImplementation(() => {});
  readonly #clients: Client[] = [];
  readonly #roots: Root[] = [];
  readonly #seqs = new Map<string, number>();
  readonly #web: WebServer;

  private constructor(web: WebServer) {
    this.#web = web;
    web.reply = new FakeService(web.url).reply;
    vi.stubGlobal("WebSocket", this.broker.webSocketClass());
  }

  static async open(): Promise<Stage> {
    return new Stage(await WebServer.start());
  }

  async close(): Promise<void> {
    for (const root of this.#roots) await act(async () => root.unmount());
    for (const client of this.#clients) client.close();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    await this.#web.stop();
  }

  connect(options: Partial<ConnectOptions> = {}): Client {
    const debug: ConnectOptions["debug"] = (what) => {
      if (what.kind === "ChannelAdded") this.follows.push(`+${what.channel}`);
      if (what.kind === "ChannelRemoved") this.follows.push(`-${what.channel}`);
    };
    const client = connect({ url: `${this.#web.url}/v1`, debug, ...options });
    this.#clients.push(client);
    return client;
  }

  async draw(node: ReactNode): Promise<Drawing> {
    const element = document.createElement("div");
    const root = createRoot(element);
    this.#roots.push(root);
    const redraw = (next: ReactNode) => act(async () => root.render(strict(next)));
    await redraw(node);
    return { element, redraw, remove: () => act(async () => root.unmount()) };
  }

  /** Take over what a server has drawn; return the element. */
  async hydrate(node: ReactNode, html: string): Promise<HTMLElement> {
    const element = document.createElement("div");
    element.innerHTML = html;
    await act(async () => {
      this.#roots.push(hydrateRoot(element, strict(node)));
    });
    return element;
  }

  /** Publish the next updates of a channel, an envelope each, all in one turn. */
  publish(channel: string, ...updates: object[]): void {
    for (const update of updates) {
      const seq = (this.#seqs.get(channel) ?? 1) + 1;
      this.#seqs.set(channel, seq);
      const u = [{ s: seq, t: 1795417463828, ...update }];
      const envelope = { v: 1, c: channel, e: EPOCH, f: seq - 1, l: seq, u };
      this.broker.last.publish(`dev/${channel}`, JSON.stringify(envelope));
    }
  }

  /** Hand over a channel's whole state again, in another epoch, as after a loss of continuity. */
  async breakOff(client: Client, channel: string): Promise<void> {
    const epoch = "another0";
    const state = { fresh: true };
    const part = { e: epoch, f: 9, l: 9, recovered: false, state, u: [] };
    const answer = { v: 1, cursor: "c", poll_after_ms: 20, more: false };
    const reply = this.#web.reply;
    this.#web.reply = (asked) =>
      asked.url.startsWith("/v1/updates")
        ? { body: { ...answer, channels: { [channel]: part } } }
        : reply(asked);
    const handle = client.channel(channel);
    const isReset = new Promise<void>((resolve) => handle.on("reset", () => resolve()));
    this.broker.last.publish(
      `dev/${channel}`,
      JSON.stringify({ v: 1, c: channel, e: epoch, f: 9, l: 9, u: [] }),
    );
    await isReset;
    handle.close();
  }
}

export interface Drawing {
  readonly element: HTMLElement;
  readonly redraw: (node: ReactNode) => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** Let React mount everything twice, as it does while one develops. */
function strict(node: ReactNode): ReactNode {
  return createElement(StrictMode, null, node);
}

/** Wait until a client has a status, and React has drawn what came of it. */
export function settle(client: Client, status: Status = "live"): Promise<void> {
  return act(async () => {
    if (client.status === status) return;
    await new Promise<void>((resolve) => client.on("status", (now) => now === status && resolve()));
  });
}

/** Wait until a channel's state is known, and React has drawn it. */
export function learn(client: Client, name: string): Promise<void> {
  return act(async () => {
    const channel = client.channel(name);
    if (!channel.position) await new Promise((resolve) => channel.on("state", resolve));
    channel.close();
  });
}

export const set = (k: string, d: unknown): object => ({ o: "set", k, d });
export const remove = (k: string): object => ({ o: "delete", k });
export const event = (d: unknown): object => ({ o: "event", d });
