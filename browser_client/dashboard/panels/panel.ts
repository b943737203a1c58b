/** What every panel of the host's figures can do, and the frame most share: a headline, a chart, a list of further figures. */

import { Chart, type ChartSpec } from "../chart.ts";
import { find, write } from "../elements.ts";

export interface Panel {
  /** Show the newest value of the panel's key, published at `atMs`; any JSON value is safe. */
  show(value: unknown, atMs: number): void;
  readonly charts: readonly Chart[];
}

/** What a panel writes: a great figure, a small remark, and the further figures in the order of the page. */
export interface Words {
  readonly headline: string;
  readonly remark: string;
  readonly figures: readonly string[];
}

const NO_WORDS: Words = { headline: "no data", remark: "", figures: [] };

/** Make a panel of figures: `read` answers its words and records samples, or answers `null` for a value that makes no sense. */
export function figurePanel(
  root: Element,
  spec: ChartSpec,
  read: (value: unknown, atMs: number) => Words | null,
): Panel {
  const chart = new Chart(find<HTMLCanvasElement>(root, "canvas"), spec);
  return {
    charts: [chart],
    show: (value, atMs) => writeWords(root, read(value, atMs) ?? NO_WORDS),
  };
}

function writeWords(root: Element, words: Words): void {
  const headline = find(root, ".headline output");
  write(headline, words.headline);
  headline.toggleAttribute("data-empty", words === NO_WORDS);
  write(find(root, ".headline small"), words.remark);
  for (const [place, figure] of root.querySelectorAll("dd").entries()) {
    write(figure, words.figures[place] ?? "–");
  }
}
