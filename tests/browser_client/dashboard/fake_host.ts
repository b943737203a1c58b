/** A made-up machine on a fake feed: what the page shows while its looks are worked on. Query: `?cores=64&status=offline&still`. */

import type { FeedStatus } from "../../../browser_client/dashboard/feed.ts";
import { Page } from "../../../browser_client/dashboard/page.ts";
import { FakeFeed } from "./fake_feed.ts";

const GIB = 1024 ** 3;
const query = new URLSearchParams(location.search);
const cores = Number(query.get("cores") ?? "2");
const feed = new FakeFeed();
const page = new Page(feed, document);
page.start();
// For the tests, which drive the feed themselves (`?still`), and for the curious.
Object.assign(window, { fakeHost: { feed, page } });

function wave(atMs: number, periodS: number, low: number, high: number): number {
  const share = (1 + Math.sin((atMs / 1000 / periodS) * 2 * Math.PI)) / 2;
  return low + (high - low) * share * (0.8 + 0.2 * Math.sin(atMs / 370));
}

function tell(at: number): void {
  const host = feed.channel("public/host");
  const percent = wave(at, 31, 8, 78);
  const each = Array.from({ length: cores }, (_, core) =>
    Math.min(100, wave(at + core * 7_000, 23, 2, 100)),
  );
  host.set("host", { name: "workbench", system: "Linux 6.9", cores, booted_at_ms: at - 4e8 }, at);
  host.set("cpu", { percent, cores: each }, at);
  const used = wave(at, 60, 5.1, 6.4) * GIB;
  const swap = { swap_total_bytes: 2 * GIB, swap_used_bytes: 0.2 * GIB };
  const percentUsed = (used / (16 * GIB)) * 100;
  const memory = { total_bytes: 16 * GIB, used_bytes: used, available_bytes: 16 * GIB - used };
  host.set("memory", { ...memory, ...swap, percent: percentUsed }, at);
  const received = wave(at, 17, 1e3, 2.4e6);
  host.set("network", { received_bytes_per_s: received, sent_bytes_per_s: received / 4 }, at);
  host.set("load", { m1: wave(at, 80, 0.2, 1.9), m5: 0.81, m15: 0.64, cores }, at);
  const names = [
    "chromium",
    "python3",
    "node",
    "bellwire dev",
    "sshd",
    "systemd-journald-long-name",
  ];
  const processes = [...names, "tmux", "bash"].map((name, rank) => ({
    pid: 4000 + rank * 317,
    name,
    cpu_percent: wave(at, 13 + rank, 1, 60) / (rank + 1),
    memory_bytes: (GIB * 1.3) / (rank + 1),
  }));
  host.set("processes", processes, at);
}

function start(status: FeedStatus): void {
  feed.become("live", "push");
  for (let at = Date.now() - 80_000; at < Date.now(); at += 250) tell(at);
  const news = feed.channel("public/news");
  news.event({ title: "Build 1482 is green", text: "All 214 checks passed in 3 min." }, Date.now());
  news.event('<img src=x onerror="alert(1)">', Date.now());
  news.event([1, { two: null }], Date.now());
  news.event({ title: "hello" }, Date.now());
  if (status === "live") setInterval(() => tell(Date.now()), 250);
  else setTimeout(() => feed.become(status, null), 1_500);
}

if (!query.has("still")) start((query.get("status") ?? "live") as FeedStatus);
