/** The panel in which a visitor breaks things and watches the recovery. */

import { find, make, write } from "../elements.ts";
import { formatClock, formatCount } from "../formats.ts";
import type { Faults, FaultWords } from "./faults.ts";
import type { Row, Story } from "./story.ts";
import { faultWords, isKept, rowWords, summaryWords, toneOf, verdictWords } from "./words.ts";

/** Often cut, so that who has come to see a recovery does not wait for one. */
const CHAOS = { preset: "chaos", cut_after: "10s" };
const ROWS_SHOWN = 60;
const LOOK_EVERY_MS = 200;
/** A screen reader is told no more often how it goes. */
const SUMMARY_EVERY_MS = 8_000;
const MARKS = { trouble: "!", repair: "✓", plain: "·" } as const;

export class MisbehavePanel {
  readonly #root: HTMLElement;
  readonly #toggle: HTMLElement;
  readonly #faults: Faults;
  readonly #story: Story;
  #inForce: FaultWords = {};
  #shownId = 0;
  #lastSummaryMs = 0;

  constructor(page: ParentNode, faults: Faults, story: Story) {
    this.#root = find(page, "#misbehave");
    this.#toggle = find(page, "#misbehave-toggle");
    this.#faults = faults;
    this.#story = story;
  }

  /** Show the way in, if there is anything to break from here. */
  async start(): Promise<void> {
    const inForce = await this.#faults.read();
    if (inForce === null) return;
    this.#show(inForce);
    this.#listen();
    this.#toggle.hidden = false;
    setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #listen(): void {
    // What scrolls must be reachable from the keyboard; not every browser sees to it.
    find(this.#root, ".story").tabIndex = 0;
    this.#toggle.addEventListener("click", () => this.#open(this.#root.hidden !== false));
    find(this.#root, "[data-do=close]").addEventListener("click", () => this.#close());
    this.#root.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#close();
    });
    this.#onClick("chaos", async () => this.#show(await this.#faults.set(CHAOS)));
    this.#onClick("well", async () => this.#show(await this.#faults.set({})));
    this.#onClick("cut", () => this.#faults.cut());
    this.#onClick("expire", () => this.#faults.expire());
    for (const slider of this.#sliders) {
      slider.addEventListener("input", () => writeChance(slider));
      slider.addEventListener("change", () =>
        this.#try(() => this.#change({ [slider.name]: slider.valueAsNumber / 100 })),
      );
    }
    for (const choice of this.#choices) {
      choice.addEventListener("change", () => this.#try(() => this.#block(choice.value)));
    }
  }

  get #sliders(): NodeListOf<HTMLInputElement> {
    return this.#root.querySelectorAll<HTMLInputElement>("input[type=range]");
  }

  get #choices(): NodeListOf<HTMLInputElement> {
    return this.#root.querySelectorAll<HTMLInputElement>("input[type=radio]");
  }

  #onClick(name: string, perform: () => Promise<void>): void {
    find(this.#root, `[data-do=${name}]`).addEventListener("click", () => this.#try(perform));
  }

  async #try(perform: () => Promise<void>): Promise<void> {
    let problem = "";
    try {
      await perform();
    } catch (error) {
      problem = `That did not work: ${(error as Error).message}`;
    }
    write(find(this.#root, ".problem"), problem);
  }

  #open(isOpen: boolean): void {
    this.#root.hidden = !isOpen;
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    this.#look();
    // Another page, or a terminal, may have changed it meanwhile.
    void this.#faults.read().then((inForce) => inForce && this.#show(inForce));
  }

  #close(): void {
    this.#open(false);
    this.#toggle.focus();
  }

  /** Change some and keep the others. */
  async #change(faults: FaultWords): Promise<void> {
    this.#show(await this.#faults.set({ ...this.#inForce, ...faults }));
  }

  /** Shut the door, also behind those that are in. */
  async #block(how: string): Promise<void> {
    await this.#change({ refuse: how === "refuse" ? 1 : 0, hijack: how === "hijack" ? 1 : 0 });
    if (how !== "") await this.#faults.cut();
  }

  #show(inForce: FaultWords): void {
    this.#inForce = inForce;
    for (const slider of this.#sliders) {
      slider.value = String(Number(inForce[slider.name] ?? 0) * 100);
      writeChance(slider);
    }
    for (const choice of this.#choices) {
      const block = inForce["hijack"] === 1 ? "hijack" : inForce["refuse"] === 1 ? "refuse" : "";
      choice.checked = choice.value === block;
    }
    const words = faultWords(inForce);
    write(find(this.#root, ".in-force"), `In force: ${words}`);
    write(this.#toggle, words === "nothing" ? "Misbehave" : "Misbehave: on");
  }

  #look(): void {
    if (this.#root.hidden) return;
    const { counts } = this.#story;
    write(find(this.#root, ".verdict"), verdictWords(counts));
    this.#root.toggleAttribute("data-broken", !isKept(counts));
    for (const place of this.#root.querySelectorAll<HTMLElement>("[data-count]")) {
      const name = place.dataset["count"] as keyof typeof counts;
      write(place, formatCount(counts[name]));
    }
    this.#lookAtRows();
    this.#sumUp();
  }

  /** Only the newest row ever changes; those after it are new. */
  #lookAtRows(): void {
    const list = find(this.#root, "ol");
    for (const row of this.#story.rows) {
      if (row.id < this.#shownId) continue;
      if (row.id > this.#shownId) list.prepend(makeRow());
      writeRow(list.firstElementChild as Element, row);
      this.#shownId = row.id;
    }
    while (list.childElementCount > ROWS_SHOWN) list.lastElementChild?.remove();
  }

  #sumUp(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastSummaryMs < SUMMARY_EVERY_MS) return;
    this.#lastSummaryMs = nowMs;
    write(find(this.#root, "[role=status]"), summaryWords(this.#story.counts));
  }
}

function writeChance(slider: HTMLInputElement): void {
  const words = `${slider.value}\u00a0%`;
  slider.setAttribute("aria-valuetext", words);
  write(find(slider.parentElement as Element, "output"), words);
}

function makeRow(): Element {
  const row = make("li", "");
  const mark = make("span", "mark");
  mark.setAttribute("aria-hidden", "true");
  row.append(make("time", ""), mark, make("span", "words"));
  return row;
}

function writeRow(place: Element, row: Row): void {
  const tone = toneOf(row);
  place.className = tone;
  write(find(place, "time"), formatClock(row.atMs));
  write(find(place, ".mark"), MARKS[tone]);
  write(find(place, ".words"), rowWords(row));
}
