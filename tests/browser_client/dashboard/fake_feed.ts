/** A feed that a test drives: the page against it behaves as against the client, with values the test chooses. */

import type {
  Feed,
  FeedChannel,
  FeedStatus,
  FeedTransport,
  FeedUpdate,
} from "../../../browser_client/dashboard/feed.ts";

type Listener = (value: never) => void;

class Listeners {
  readonly #byEvent = new Map<string, Listener[]>();

  on(event: string, listener: Listener): void {
    this.#byEvent.set(event, [...(this.#byEvent.get(event) ?? []), listener]);
  }

  tell(event: string, value?: unknown): void {
    for (const listener of this.#byEvent.get(event) ?? []) listener(value as never);
  }
}

export class FakeChannel extends Listeners implements FeedChannel {
  readonly state = new Map<string, unknown>();

  set(key: string, data: unknown, at: number): void {
    this.state.set(key, data);
    this.#update({ op: "set", key, data, at });
    this.tell("state", this.state);
  }

  event(data: unknown, at: number): void {
    this.#update({ op: "event", data, at });
  }

  #update(update: FeedUpdate): void {
    this.tell("update", update);
  }
}

export class FakeFeed extends Listeners implements Feed {
  status: FeedStatus = "connecting";
  transport: FeedTransport = null;
  readonly #channels = new Map<string, FakeChannel>();

  channel(name: string): FakeChannel {
    const channel = this.#channels.get(name) ?? new FakeChannel();
    this.#channels.set(name, channel);
    return channel;
  }

  become(status: FeedStatus, transport: FeedTransport): void {
    this.status = status;
    this.transport = transport;
    this.tell("status", status);
  }
}
