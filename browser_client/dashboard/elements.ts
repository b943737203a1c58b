/** Finding and filling elements of the page. Text goes in as text, never as HTML. */

/** Find the one element for `selector`; throw when the page has none, for then page and code do not belong together. */
export function find<Found extends Element = HTMLElement>(
  root: ParentNode,
  selector: string,
): Found {
  const found = root.querySelector<Found>(selector);
  if (found === null) throw new Error(`found no element for "${selector}", expected one`);
  return found;
}

/** Put `text` in, unless it is there already: an unchanged text costs no layout and is not read out again. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Make an element of `tag` with class names and text. */
export function make(tag: string, classes: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  made.className = classes;
  made.textContent = text;
  return made;
}

/** Give `parent` exactly `count` children, made with `create`, keeping those it has. */
export function resize(parent: Element, count: number, create: () => Element): void {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(create());
}
