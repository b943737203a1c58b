/**
 * What the dashboard needs of the browser client, as types: the page depends on this much and no more, so that tests can drive
 * it from a feed of their own. The client itself lives in `../src`.
 */

export type FeedStatus = "connecting" | "live" | "polling" | "offline" | "failed";
export type FeedTransport = "push" | "poll" | null;

/** One update; `at` is when it was published, in ms since the epoch. */
export interface FeedUpdate {
  readonly key?: string | undefined;
  readonly op: string;
  readonly data?: unknown;
  readonly at?: number | undefined;
}

export interface FeedChannel {
  readonly state: ReadonlyMap<string, unknown>;
  on(event: "update", listener: (update: FeedUpdate) => void): unknown;
  on(event: "state" | "reset", listener: () => void): unknown;
}

export interface Feed {
  readonly status: FeedStatus;
  readonly transport: FeedTransport;
  channel(name: string): FeedChannel;
  on(event: "status", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}
