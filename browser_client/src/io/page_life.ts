/** Tells the machine of the page's life: hidden, frozen, put away, back, on line again. */
import type { Event } from "../protocol/machine.ts";

/**
 * Listen to the page's life, if this is a page; the function returned ends it.
 *
 * A page that is put away gives its socket up, without which browsers would not keep it.
 * Source: WICG Page Lifecycle; HTML, "pagehide" and "pageshow".
 */
export function watchPage(tell: (event: Event) => void): () => void {
  const page = globalThis.window;
  if (!page?.document) return () => {};
  const listen = ({ type, persisted }: Partial<PageTransitionEvent>) => {
    const { hidden: isHidden } = page.document;
    if (type === "pagehide" || type === "freeze") tell({ kind: "Slept" });
    else if (type === "visibilitychange" && isHidden) tell({ kind: "Hidden" });
    // A page that is shown for the first time was not away.
    else if (type !== "pageshow" || persisted) tell({ kind: "Woke", isHidden });
  };
  const names = "pagehide freeze visibilitychange pageshow resume online offline".split(" ");
  // Captured, since some of them are the document's and do not bubble.
  for (const name of names) page.addEventListener(name, listen, true);
  return () => {
    for (const name of names) page.removeEventListener(name, listen, true);
  };
}
