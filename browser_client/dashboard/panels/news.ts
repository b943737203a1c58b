/** The notifications: events of `public/news`, newest first, and the line that invites to send one. */

import { find, make } from "../elements.ts";
import { formatClock } from "../formats.ts";
import { readNews } from "../readings.ts";

const NEWS_KEPT = 50;
const COPIED_SHOWN_MS = 2_000;

export interface NewsPanel {
  show(value: unknown, atMs: number): void;
}

export function newsPanel(root: Element): NewsPanel {
  const list = find(root, "ol");
  // What scrolls must be reachable from the keyboard; not every browser sees to it.
  find(root, ".feed").tabIndex = 0;
  offerCopy(find(root, ".command"));
  return {
    show: (value, atMs) => {
      find(root, ".waiting").hidden = true;
      list.prepend(makeItem(value, atMs));
      if (list.childElementCount > NEWS_KEPT) list.lastElementChild?.remove();
    },
  };
}

function makeItem(value: unknown, atMs: number): Element {
  const { title, text } = readNews(value);
  const item = make("li", "item");
  const time = make("time", "", formatClock(atMs));
  time.setAttribute("datetime", new Date(atMs).toISOString());
  item.append(make("strong", "", title), time);
  if (text !== "") item.append(make("p", "", text));
  return item;
}

function offerCopy(command: Element): void {
  const button = find(command, "button");
  const say = (word: string) => {
    button.textContent = word;
    setTimeout(() => {
      button.textContent = "Copy";
    }, COPIED_SHOWN_MS);
  };
  button.addEventListener("click", () => {
    const text = find(command, "code").textContent ?? "";
    navigator.clipboard.writeText(text).then(
      () => say("Copied"),
      () => say("Refused"),
    );
  });
}
