/** Presence, against a real web server. */
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { fetchPresence } from "../../../browser_client/src/io/presence.ts";
import { FakeService } from "../fake_service.ts";
import { WebServer } from "./web_server.ts";

let web: WebServer;
beforeAll(async () => {
  web = await WebServer.start();
});
afterAll(() => web.stop());
beforeEach(() => {
  web.asked.length = 0;
  web.reply = new FakeService(web.url).reply;
});

const ask = (channel: string, bearer: string | null = null) =>
  fetchPresence(`${web.url}/v1`, channel, bearer);

it("is the list that the service tells", async () => {
  const alice = { identity_id: "us-east-1:alice", user: "alice", connections: 1, since: 7 };
  expect(await ask("group/red/room", "hush-session-1")).toEqual([alice]);
  expect(web.asked).toMatchObject([
    {
      url: "/v1/presence?channel=group%2Fred%2Froom",
      headers: { authorization: "Bearer hush-session-1" },
    },
  ]);
});

it("of a public channel needs nobody to say who asks", async () => {
  await ask("public/host");
  expect(web.asked[0]?.headers.authorization).toBeUndefined();
});

it("that is refused is the service's error", async () => {
  const error = { code: "not_allowed", message: "no presence", channel: "public/host" };
  web.reply = () => ({ status: 403, body: { error } });
  await expect(ask("public/host")).rejects.toMatchObject(error);
});

it("that is no list is malformed", async () => {
  web.reply = () => ({ body: { v: 1, present: {} } });
  await expect(ask("public/host")).rejects.toMatchObject({ code: "malformed" });
});
