/** The entry point of the dashboard: connects and starts the page. */

import { connect } from "../src/index.ts";
import { commandPrefix } from "./commands.ts";
import type { DelayWindow } from "./delays.ts";
import { faultsOf } from "./misbehave/faults.ts";
import { MisbehavePanel } from "./misbehave/panel.ts";
import { Story } from "./misbehave/story.ts";
import { nowMs, Page } from "./page.ts";

declare global {
  interface Window {
    /** For tests and the curious. */
    bellwireDashboard: {
      readonly client: ReturnType<typeof connect>;
      readonly delays: DelayWindow;
      readonly story: Story;
    };
  }
}

document.querySelector(".command code")?.prepend(commandPrefix(location.origin));

const story = new Story();
const client = connect({ url: "/v1", debug: (what) => story.take(what, nowMs()) });
const page = new Page(client, document);
window.bellwireDashboard = { client, delays: page.delays, story };
page.start();
void new MisbehavePanel(document, faultsOf(location.hostname), story).start();
