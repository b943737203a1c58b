/** How fresh the screen is and how the connection is said in words. Pure; the page asks it every second. */

import type { FeedStatus, FeedTransport } from "./feed.ts";
import { formatClock, formatDuration } from "./formats.ts";

/** Without a value for this long the screen is stale even on a good connection: the publisher may have stopped. */
export const QUIET_MS = 10_000;

export type Freshness = "waiting" | "fresh" | "stale";

const STATUS_WORDS: Readonly<Record<FeedStatus, string>> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  failed: "Failed",
};

export function statusWords(status: FeedStatus): string {
  return STATUS_WORDS[status];
}

export function transportWords(transport: FeedTransport): string {
  if (transport === "push") return "push over WebSocket";
  return transport === "poll" ? "poll over HTTP" : "no transport";
}

/** Judge the screen: `lastMs` is when the last value arrived, `null` before the first. */
export function judge(status: FeedStatus, lastMs: number | null, nowMs: number): Freshness {
  if (lastMs === null) return "waiting";
  const isConnected = status === "live" || status === "polling";
  return isConnected && nowMs - lastMs < QUIET_MS ? "fresh" : "stale";
}

/** Say it: `Values are current`, or since when they are not. */
export function freshnessWords(status: FeedStatus, lastMs: number | null, nowMs: number): string {
  if (lastMs === null) {
    return status === "failed" ? "No values" : "Waiting for the first values";
  }
  if (judge(status, lastMs, nowMs) === "fresh") return "Values are current";
  return `Stale since ${formatClock(lastMs)}, ${formatDuration(nowMs - lastMs)} ago`;
}
