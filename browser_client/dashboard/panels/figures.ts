/** The panels with a chart: processor, memory, network, load. */

import type { ChartLine } from "../chart.ts";
import { formatBytes, formatPercent, formatRate } from "../formats.ts";
import { History, roundCeiling } from "../history.ts";
import { readCpu, readLoad, readMemory, readNetwork } from "../readings.ts";
import { figurePanel, type Panel } from "./panel.ts";

/** Below this an idle network would look busy: its axis never ends lower. */
const NETWORK_FLOOR_BYTES_PER_S = 10_000;

function firstLine(): ChartLine {
  return { history: new History(), colour: "--first", isFilled: true };
}

const percentAxis = {
  ceiling: () => 100,
  formatTick: (percent: number) => `${percent}\u00a0%`,
};

export function cpuPanel(root: Element): Panel {
  const line = firstLine();
  return figurePanel(root, { lines: [line], ...percentAxis }, (value, atMs) => {
    const cpu = readCpu(value);
    if (cpu === null) return null;
    line.history.append(atMs, cpu.percent);
    const peak = formatPercent(line.history.peak(atMs));
    return { headline: formatPercent(cpu.percent), remark: `peak ${peak}`, figures: [] };
  });
}

export function memoryPanel(root: Element): Panel {
  const line = firstLine();
  return figurePanel(root, { lines: [line], ...percentAxis }, (value, atMs) => {
    const memory = readMemory(value);
    if (memory === null) return null;
    line.history.append(atMs, memory.percent);
    const swap = `${formatBytes(memory.swap_used_bytes)} of ${formatBytes(memory.swap_total_bytes)}`;
    return {
      headline: formatPercent(memory.percent),
      remark: `${formatBytes(memory.used_bytes)} of ${formatBytes(memory.total_bytes)}`,
      figures: [formatBytes(memory.available_bytes), memory.swap_total_bytes === 0 ? "none" : swap],
    };
  });
}

export function networkPanel(root: Element): Panel {
  const received = firstLine();
  const sent = { history: new History(), colour: "--second", isFilled: false };
  const spec = {
    lines: [received, sent],
    ceiling: (peak: number) => roundCeiling(peak, NETWORK_FLOOR_BYTES_PER_S),
    formatTick: formatRate,
  };
  return figurePanel(root, spec, (value, atMs) => {
    const network = readNetwork(value);
    if (network === null) return null;
    received.history.append(atMs, network.received_bytes_per_s);
    sent.history.append(atMs, network.sent_bytes_per_s);
    return {
      headline: formatRate(network.received_bytes_per_s + network.sent_bytes_per_s),
      remark: "both ways",
      figures: [formatRate(network.received_bytes_per_s), formatRate(network.sent_bytes_per_s)],
    };
  });
}

export function loadPanel(root: Element): Panel {
  const line = firstLine();
  let cores = 1;
  const spec = {
    lines: [line],
    ceiling: (peak: number) => roundCeiling(peak, Math.max(1, cores)),
    formatTick: (load: number) => load.toFixed(load < 10 ? 1 : 0),
  };
  return figurePanel(root, spec, (value, atMs) => {
    const load = readLoad(value);
    if (load === null) return null;
    cores = load.cores;
    line.history.append(atMs, load.m1);
    return {
      headline: load.m1.toFixed(2),
      remark: `1 min, on ${load.cores} ${load.cores === 1 ? "core" : "cores"}`,
      figures: [load.m5.toFixed(2), load.m15.toFixed(2)],
    };
  });
}
