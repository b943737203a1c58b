/** The page of people: log in and out, the own inbox, a room for each group and who is in it. */

import { type Channel, type Client, connect } from "../src/index.ts";
import { commandPrefix } from "./commands.ts";
import { find, make, write } from "./elements.ts";
import { formatClock } from "./formats.ts";
import { statusWords, transportWords } from "./freshness.ts";
import { readNews } from "./readings.ts";

const KEPT = 50;
const LOOK_EVERY_MS = 500;
const ASK_EVERY_MS = 2_000;
/** As the login of `bellwire dev` takes them. */
const BETWEEN_GROUPS = /[\s,]+/;

const client = connect({ url: "/v1" });
const followed: Channel[] = [];
let user: string | null = null;

class Feed {
  readonly #root: Element;

  constructor(root: Element, channel: string, words: string) {
    this.#root = root;
    // What scrolls must be reachable from the keyboard; not every browser sees to it.
    find(root, ".feed").tabIndex = 0;
    const command = `${commandPrefix(location.origin)}.venv/bin/bellwire publish ${words}`;
    write(find(root, ".command code"), command);
    const followedChannel = client.channel(channel);
    followed.push(followedChannel);
    followedChannel.on("update", ({ op, data, at }) => {
      if (op === "event") this.#show(data, at ?? Date.now());
    });
  }

  #show(data: unknown, atMs: number): void {
    find(this.#root, ".waiting").hidden = true;
    const { title, text } = readNews(data);
    const item = make("li", "item");
    item.append(make("strong", "", title), make("time", "", formatClock(atMs)));
    if (text !== "") item.append(make("p", "", text));
    const list = find(this.#root, "ol");
    list.prepend(item);
    if (list.childElementCount > KEPT) list.lastElementChild?.remove();
  }
}

async function logIn(name: string, groups: readonly string[]): Promise<void> {
  const answer = await fetch("/dev/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user: name, groups }),
  });
  const { token, error } = await answer.json();
  if (error) throw new Error(error.message);
  become(name);
  client.login(token);
  showRooms(groups);
}

/** Empty what was somebody else's before anything of the next one can come. */
function become(name: string | null): void {
  for (const channel of followed.splice(0)) channel.close();
  for (const list of document.querySelectorAll(".feed ol")) list.replaceChildren();
  find(document, "#rooms").replaceChildren();
  user = name;
  find<HTMLButtonElement>(document, "#logout").disabled = name === null;
  write(find(document, "#inbox .command code"), "");
  const waiting = find(document, "#inbox .waiting");
  waiting.hidden = false;
  write(waiting, name === null ? "Log in to see it." : "Nothing yet.");
  write(find(document, "#problem"), "");
  look();
}

function showRooms(groups: readonly string[]): void {
  new Feed(
    find(document, "#inbox"),
    "user/me/inbox",
    `inbox '{"title":"hello"}' --user=${quoted(user ?? "")}`,
  );
  for (const group of groups) {
    const template = find<HTMLTemplateElement>(document, "#room");
    const room = template.content.firstElementChild?.cloneNode(true) as HTMLElement;
    const channel = `group/${group}/room`;
    room.dataset["channel"] = channel;
    room.setAttribute("aria-label", channel);
    write(find(room, "h2"), channel);
    find(room, ".feed").setAttribute("aria-label", `${channel}, newest first`);
    find(document, "#rooms").append(room);
    new Feed(room, channel, `${channel} '{"title":"hello, all"}'`);
  }
}

/** Word a text so that a shell takes it as it is. */
function quoted(text: string): string {
  return /^[\w.:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

async function showPresent(room: HTMLElement): Promise<void> {
  const place = find(room, ".present");
  try {
    const present = await client.presence(room.dataset["channel"] ?? "");
    const names = present.map(({ user: name, connections }) => {
      const tabs = connections > 1 ? ` (${connections} tabs)` : "";
      return `${name ?? "a guest"}${tabs}`;
    });
    write(place, names.join(", ") || "nobody");
  } catch {
    write(place, "not known at the moment");
  }
}

/** Write down who this is and how it is connected. */
function look(): void {
  const { status, transport, identity }: Client = client;
  document.body.setAttribute("data-status", status);
  write(find(document, "#status"), statusWords(status));
  write(find(document, "#transport"), transportWords(transport));
  const groups = identity?.groups.length ? ` of ${identity.groups.join(", ")}` : "";
  write(find(document, "#who"), user === null ? "A guest" : `${user}${groups}`);
  write(find(document, "#identity"), identity?.id ?? "no session yet");
}

function ask(): void {
  if (document.hidden || client.identity === null || client.status === "failed") return;
  for (const room of document.querySelectorAll<HTMLElement>("#rooms > *")) void showPresent(room);
}

find<HTMLFormElement>(document, "#login").addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(event.target as HTMLFormElement);
  const groups = String(fields.get("groups")).split(BETWEEN_GROUPS).filter(Boolean);
  logIn(String(fields.get("user")), [...new Set(groups)].sort()).catch((error: Error) => {
    write(find(document, "#problem"), error.message);
  });
});
find(document, "#logout").addEventListener("click", () => {
  become(null);
  client.logout();
});
client.on("status", (status) => {
  if (status === "live") write(find(document, "#problem"), "");
  look();
});
client.on("error", (error) => write(find(document, "#problem"), error.message));
setInterval(look, LOOK_EVERY_MS);
setInterval(ask, ASK_EVERY_MS);
look();
