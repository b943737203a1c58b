/** A document for React to draw into, made by happy-dom; network and timers stay Node's own. */
import { Window } from "happy-dom";

const window = new Window();
const { document, navigator } = window;
// React asks for these when it is loaded: this module is to be imported before it.
Object.assign(globalThis, { window, document, IS_REACT_ACT_ENVIRONMENT: true });
// Node 20 has none; later ones have their own.
if (!("navigator" in globalThis)) Object.assign(globalThis, { navigator });
