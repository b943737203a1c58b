/** The entry point of the dashboard: connects and starts the page. */

import { connect } from "../src/index.ts";
import { commandPrefix } from "./commands.ts";
import type { DelayWindow } from "./delays.ts";
import { Page } from "./page.ts";

declare global {
  interface Window {
    /** For tests and the curious. */
    bellwireDashboard: {
      readonly client: ReturnType<typeof connect>;
      readonly delays: DelayWindow;
    };
  }
}

document.querySelector(".command code")?.prepend(commandPrefix(location.origin));

const client = connect({ url: "/v1" });
const page = new Page(client, document);
window.bellwireDashboard = { client, delays: page.delays };
page.start();
