/** The panels that list: cores, busiest processes. A rank keeps its row, so that nothing jumps when figures change. */

import { Chart } from "../chart.ts";
import { find, make, resize, write } from "../elements.ts";
import { formatBytes, formatPercent } from "../formats.ts";
import { History } from "../history.ts";
import { type HostProcess, readCpu, readProcesses } from "../readings.ts";
import type { Panel } from "./panel.ts";

/** From here on a core gets a small tile instead of a row. */
const CORES_IN_ROWS = 8;

/** A core's row: its recent course and its value now. */
interface CoreRow {
  readonly history: History;
  readonly chart: Chart;
}

export function coresPanel(root: Element): Panel {
  const list = find(root, "ol");
  let rows: CoreRow[] = [];
  return {
    get charts() {
      return rows.map(({ chart }) => chart);
    },
    show: (value, atMs) => {
      const cores = readCpu(value)?.cores ?? [];
      showWaiting(root, cores.length === 0);
      list.hidden = cores.length === 0;
      list.toggleAttribute("data-tiles", cores.length > CORES_IN_ROWS);
      if (cores.length > 0 && cores.length !== list.childElementCount) {
        list.replaceChildren(...cores.map(makeCore));
        rows = cores.length > CORES_IN_ROWS ? [] : [...list.children].map(chartCore);
      }
      cores.forEach((percent, core) => {
        rows[core]?.history.append(atMs, percent);
        writeCore(list.children[core], core, percent);
      });
    },
  };
}

function chartCore(row: Element): CoreRow {
  const canvas = document.createElement("canvas");
  find(row, ".bar").replaceChildren(canvas);
  const history = new History();
  const line = { history, colour: "--first", isFilled: true };
  const spec = { lines: [line], ceiling: () => 100, formatTick: String, isBare: true };
  return { history, chart: new Chart(canvas, spec) };
}

export function processesPanel(root: Element): Panel {
  const body = find(root, "tbody");
  return {
    charts: [],
    show: (value) => {
      const processes = readProcesses(value) ?? [];
      showWaiting(root, processes.length === 0);
      resize(body, processes.length, makeProcess);
      processes.forEach((process, rank) => {
        writeProcess(body.children[rank], process);
      });
    },
  };
}

function showWaiting(root: Element, isEmpty: boolean): void {
  const words = find(root, ".waiting");
  words.hidden = !isEmpty;
  if (isEmpty) write(words, "no data");
}

function makeCore(): Element {
  const core = make("li", "");
  const bar = make("span", "bar");
  bar.setAttribute("aria-hidden", "true");
  bar.append(make("i", ""));
  core.append(make("span", "name"), bar, make("span", "value"));
  return core;
}

function writeCore(row: Element | undefined, core: number, percent: number): void {
  if (row === undefined) return;
  write(find(row, ".name"), String(core));
  write(find(row, ".value"), `${Math.round(percent)}\u00a0%`);
  row.querySelector<HTMLElement>("i")?.style.setProperty("--share", String(percent / 100));
}

function makeProcess(): Element {
  const row = make("tr", "");
  const name = make("th", "name");
  name.setAttribute("scope", "row");
  row.append(name, make("td", "pid"), make("td", ""), make("td", ""));
  return row;
}

function writeProcess(row: Element | undefined, process: HostProcess): void {
  if (row === undefined) return;
  const texts = [
    process.name,
    String(process.pid),
    formatPercent(process.cpu_percent),
    formatBytes(process.memory_bytes),
  ];
  for (const [place, cell] of [...row.children].entries()) write(cell, texts[place] ?? "");
}
