/** The page at work: hands updates to panels, draws once a frame, measures delays, keeps the status line. Knows no figures. */

import type { Chart } from "./chart.ts";
import { DelayWindow } from "./delays.ts";
import { find, write } from "./elements.ts";
import type { Feed, FeedUpdate } from "./feed.ts";
import { formatDelay, formatDuration } from "./formats.ts";
import { freshnessWords, judge, statusWords, transportWords } from "./freshness.ts";
import { cpuPanel, loadPanel, memoryPanel, networkPanel } from "./panels/figures.ts";
import { coresPanel, processesPanel } from "./panels/lists.ts";
import { newsPanel } from "./panels/news.ts";
import type { Panel } from "./panels/panel.ts";
import { readHost } from "./readings.ts";

const STATUS_EVERY_MS = 1_000;
/** The fastest the charts move on by themselves, also where pixels would allow more: they must not warm the machine they show. */
const CHART_STEP_MIN_MS = 60;
const REDUCED_MOTION_STEP_MS = 1_000;

export class Page {
  readonly delays = new DelayWindow();
  readonly #feed: Feed;
  readonly #document: Document;
  readonly #panels: ReadonlyMap<string, readonly Panel[]>;
  readonly #shown = new Set<string>();
  #undrawnMs: number[] = [];
  #lastMs: number | null = null;
  #reason = "";
  #isFramePending = false;
  /** How far this clock runs ahead of the publisher's, transit included: lets the charts end where the newest values are. */
  #aheadMs: number | null = null;

  constructor(feed: Feed, page: Document) {
    this.#feed = feed;
    this.#document = page;
    this.#panels = findPanels(page);
  }

  start(): void {
    this.#followHost();
    this.#followNews();
    this.#feed.on("status", () => this.#writeStatus());
    this.#feed.on("error", (error) => {
      this.#reason = error.message;
      this.#writeStatus();
    });
    setInterval(() => this.#writeStatus(), STATUS_EVERY_MS);
    this.#writeStatus();
    this.#keepCharts();
  }

  #followHost(): void {
    const host = this.#feed.channel("public/host");
    host.on("state", () => {
      // Updates tell every change; the state is asked only for keys none has told yet.
      for (const [key, value] of host.state) {
        if (!this.#shown.has(key)) this.#take(key, value, this.#publisherNowMs());
      }
    });
    host.on("update", (update) => {
      const atMs = this.#arrived(update);
      // Without a time of its own it is from a snapshot, of unknown age: shown, but no proof of freshness.
      if (update.at !== undefined) this.#lastMs = atMs + (this.#aheadMs ?? 0);
      if (update.key !== undefined) this.#take(update.key, update.data, atMs);
    });
  }

  #followNews(): void {
    const panel = newsPanel(find(this.#document, "#news"));
    this.#feed.channel("public/news").on("update", (update) => {
      if (update.op !== "event") return;
      panel.show(update.data, this.#arrived(update));
      this.#requestFrame();
    });
  }

  /** Note an arrival; answer when the update was published. */
  #arrived({ at }: FeedUpdate): number {
    if (at === undefined || !Number.isFinite(at)) return this.#publisherNowMs();
    const transitMs = nowMs() - at;
    this.#aheadMs = Math.min(this.#aheadMs ?? transitMs, transitMs);
    // A hidden page draws nothing: what it would measure is how long nobody looked.
    if (!this.#document.hidden) this.#undrawnMs.push(at);
    return at;
  }

  #take(key: string, value: unknown, atMs: number): void {
    if (!this.#panels.has(key) && key !== "host") return;
    this.#shown.add(key);
    for (const panel of this.#panels.get(key) ?? []) panel.show(value, atMs);
    if (key === "host") this.#writeHost(value);
    this.#requestFrame();
  }

  /** The charts there are now: cores come with the first values. */
  get #charts(): readonly Chart[] {
    return [...this.#panels.values()].flat().flatMap(({ charts }) => charts);
  }

  #publisherNowMs(): number {
    return nowMs() - (this.#aheadMs ?? 0);
  }

  #requestFrame(): void {
    if (this.#isFramePending) return;
    this.#isFramePending = true;
    requestAnimationFrame(() => {
      this.#isFramePending = false;
      this.#draw();
    });
  }

  #draw(): void {
    const endMs = this.#publisherNowMs();
    for (const chart of this.#charts) chart.draw(endMs);
    const drawn = this.#undrawnMs;
    this.#undrawnMs = [];
    if (drawn.length > 0) requestAnimationFrame(() => this.#measure(drawn));
  }

  /** The frame after the drawing one: what was drawn is on the screen by now. */
  #measure(drawnMs: readonly number[]): void {
    const onScreenMs = nowMs();
    for (const at of drawnMs) this.delays.add(onScreenMs - at);
  }

  /** Move the charts on while nothing arrives, as often as half a pixel shows. */
  #keepCharts(): void {
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const stepsMs = this.#charts.map((chart) => chart.stepMs);
    const stepMs = Math.max(CHART_STEP_MIN_MS, Math.min(...stepsMs));
    if (!this.#document.hidden) this.#requestFrame();
    setTimeout(() => this.#keepCharts(), isCalm ? REDUCED_MOTION_STEP_MS : stepMs);
  }

  #writeHost(value: unknown): void {
    const host = readHost(value);
    const words =
      host === null
        ? "no data"
        : `${host.name} · ${host.system} · up ${formatDuration(nowMs() - host.booted_at_ms)}`;
    write(find(this.#document, "#host"), words);
  }

  #writeStatus(): void {
    const { status, transport } = this.#feed;
    const words = statusWords(status);
    write(find(this.#document, "#status"), words);
    write(find(this.#document, "#transport"), transportWords(transport));
    const reason = status === "failed" && this.#reason !== "" ? `: ${this.#reason}` : "";
    const freshWords = freshnessWords(status, this.#lastMs, nowMs());
    write(find(this.#document, "#freshness"), freshWords + reason);
    write(find(this.#document, "#delay"), delayWords(this.delays));
    this.#document.body.setAttribute("data-status", status);
    const freshness = judge(status, this.#lastMs, nowMs());
    this.#document.body.setAttribute("data-freshness", freshness);
    const title = `${freshness === "stale" ? "Stale" : words} · Bellwire`;
    if (this.#document.title !== title) this.#document.title = title;
  }
}

/** Milliseconds since the epoch that never jump back. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function delayWords({ p50Ms, p99Ms, latestMs }: DelayWindow): string {
  if (p50Ms === null || p99Ms === null || latestMs === null) return "Delay not measured yet";
  return `To screen p50 ${formatDelay(p50Ms)}, p99 ${formatDelay(p99Ms)}, latest ${formatDelay(latestMs)}`;
}

function findPanels(page: Document): ReadonlyMap<string, readonly Panel[]> {
  return new Map([
    ["cpu", [cpuPanel(find(page, "#cpu-total")), coresPanel(find(page, "#cores"))]],
    ["memory", [memoryPanel(find(page, "#memory"))]],
    ["network", [networkPanel(find(page, "#network"))]],
    ["load", [loadPanel(find(page, "#load"))]],
    ["processes", [processesPanel(find(page, "#processes"))]],
  ]);
}
