/**
 * Line charts of the recent past on a canvas: grid, axis labels, lines, fills. What the figures mean is the panels' affair; colours
 * come from the style sheet's custom properties, so that light and dark need nothing here.
 */

import { type History, type Sample, WINDOW_MS } from "./history.ts";

export interface ChartLine {
  readonly history: History;
  /** The custom property that holds the line's colour, such as `--first`. */
  readonly colour: string;
  readonly isFilled: boolean;
}

export interface ChartSpec {
  /** Lines alone, without grid and labels: for pictures of a few pixels' height. */
  readonly isBare?: boolean;
  readonly lines: readonly ChartLine[];
  /** The value at the top of the axis, from the greatest value in sight. */
  readonly ceiling: (peak: number) => number;
  readonly formatTick: (value: number) => string;
}

interface Plot {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  readonly ceiling: number;
  readonly endMs: number;
  /** How much larger than usual labels and lines are. */
  readonly scale: number;
  readonly top: number;
  readonly bottom: number;
}

const TICKS = 4;
const TIME_LABELS_S = [90, 60, 30] as const;
const LABEL_FAMILY = "system-ui, sans-serif";
/** The labels' usual size; all measures below are for it, and grow with it on a wall screen. */
const LABEL_PX = 11;
const LABELLED = { top: 14, bottom: 18 } as const;
const BARE = { top: 1, bottom: 1 } as const;
/** A redraw for every half pixel of travel looks continuous; more is work nobody sees. */
const STEP_PIXELS = 0.5;

export class Chart {
  readonly #canvas: HTMLCanvasElement;
  readonly #spec: ChartSpec;
  #size = { width: 0, height: 0 };
  #ratio = 1;
  #endMs: number | null = null;

  constructor(canvas: HTMLCanvasElement, spec: ChartSpec) {
    this.#canvas = canvas;
    this.#spec = spec;
    new ResizeObserver(() => this.#measure()).observe(canvas);
    this.#measure();
  }

  /** How long a picture stays good: the time in which the lines travel half a pixel. */
  get stepMs(): number {
    return (WINDOW_MS * STEP_PIXELS) / Math.max(1, this.#size.width * this.#ratio);
  }

  /** Draw the window that ends at `endMs`, a time on the publisher's clock. */
  draw(endMs: number): void {
    this.#endMs = endMs;
    const context = this.#canvas.getContext("2d");
    if (context === null || this.#size.width === 0) return;
    const { width, height } = this.#size;
    const style = getComputedStyle(this.#canvas);
    const peak = Math.max(...this.#spec.lines.map((line) => line.history.peak(endMs)));
    const margins = this.#spec.isBare === true ? BARE : LABELLED;
    const scale = Number.parseFloat(style.fontSize) / LABEL_PX;
    const [top, bottom] = [margins.top * scale, margins.bottom * scale];
    const ceiling = this.#spec.ceiling(peak);
    const plot: Plot = { context, width, height, ceiling, endMs, scale, top, bottom };
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.#spec.isBare !== true) {
      drawGrid(plot, style.getPropertyValue("--line"));
      drawLabels(plot, this.#spec.formatTick, style.getPropertyValue("--muted"));
    }
    for (const line of this.#spec.lines) {
      drawLine(plot, line, style.getPropertyValue(line.colour));
    }
  }

  #measure(): void {
    this.#size = { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
    this.#ratio = globalThis.devicePixelRatio;
    this.#canvas.width = Math.round(this.#size.width * this.#ratio);
    this.#canvas.height = Math.round(this.#size.height * this.#ratio);
    // A resized canvas is blank: draw at once, or the page would flicker while a window is dragged.
    if (this.#endMs !== null) this.draw(this.#endMs);
  }
}

function yOf(plot: Plot, value: number): number {
  const share = Math.min(1, value / plot.ceiling);
  return plot.height - plot.bottom - share * (plot.height - plot.bottom - plot.top);
}

function xOf(plot: Plot, atMs: number): number {
  return plot.width * (1 - (plot.endMs - atMs) / WINDOW_MS);
}

function drawGrid(plot: Plot, colour: string): void {
  const { context } = plot;
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let tick = 0; tick <= TICKS; tick += 1) {
    const y = Math.round(yOf(plot, (plot.ceiling * tick) / TICKS)) + 0.5;
    context.moveTo(0, y);
    context.lineTo(plot.width, y);
  }
  context.stroke();
}

function drawLabels(plot: Plot, formatTick: (value: number) => string, colour: string): void {
  const { context, width, height, scale } = plot;
  context.fillStyle = colour;
  context.font = `${LABEL_PX * scale}px ${LABEL_FAMILY}`;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  for (const tick of [TICKS / 2, TICKS]) {
    const value = (plot.ceiling * tick) / TICKS;
    context.fillText(formatTick(value), 0, yOf(plot, value) - 3 * scale);
  }
  for (const [place, seconds] of TIME_LABELS_S.entries()) {
    context.textAlign = place === 0 ? "left" : "center";
    context.fillText(
      `${seconds}\u00a0s`,
      width * (1 - (seconds * 1000) / WINDOW_MS),
      height - 3 * scale,
    );
  }
  context.textAlign = "right";
  context.fillText("now", width, height - 3 * scale);
}

function drawLine(plot: Plot, line: ChartLine, colour: string): void {
  for (const run of line.history.runs()) {
    if (line.isFilled) fillRun(plot, run, colour);
    strokeRun(plot, run, colour);
  }
}

function trace(plot: Plot, run: readonly Sample[]): void {
  plot.context.beginPath();
  for (const sample of run) {
    plot.context.lineTo(xOf(plot, sample.atMs), yOf(plot, sample.value));
  }
}

function strokeRun(plot: Plot, run: readonly Sample[], colour: string): void {
  const { context } = plot;
  context.strokeStyle = colour;
  context.lineWidth = 1.75 * plot.scale;
  context.lineJoin = "round";
  context.lineCap = "round";
  trace(plot, run);
  context.stroke();
}

function fillRun(plot: Plot, run: readonly Sample[], colour: string): void {
  const [first, last] = [run[0], run.at(-1)];
  if (first === undefined || last === undefined) return;
  const { context } = plot;
  const ground = yOf(plot, 0);
  trace(plot, run);
  context.lineTo(xOf(plot, last.atMs), ground);
  context.lineTo(xOf(plot, first.atMs), ground);
  context.fillStyle = colour;
  context.globalAlpha = 0.14;
  context.fill();
  context.globalAlpha = 1;
}
