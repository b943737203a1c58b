/** The entry point of the dashboard: connects and starts the page. */

import { connect } from "../src/index.ts";
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

/** The command line looks for the service here unless it is told otherwise. */
const USUAL_ORIGIN = "http://127.0.0.1:8080";

const command = document.querySelector(".command code");
if (command && location.origin !== USUAL_ORIGIN) {
  command.prepend(`BELLWIRE_URL=${location.origin} `);
}

const client = connect({ url: "/v1" });
const page = new Page(client, document);
window.bellwireDashboard = { client, delays: page.delays };
page.start();
