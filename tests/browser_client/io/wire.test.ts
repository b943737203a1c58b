/** What a wire adds to its socket: a topic that is too much is given up. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Socket } from "../../../browser_client/src/io/socket.ts";
import { openWire } from "../../../browser_client/src/io/wire.ts";
import { FakeBroker } from "../fake_broker.ts";

let broker: FakeBroker;
beforeEach(() => {
  broker = new FakeBroker();
  vi.stubGlobal("WebSocket", broker.webSocketClass());
  vi.spyOn(performance, "now").mockReturnValue(5);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function open(heard: unknown[]): Promise<Socket> {
  return new Promise((resolve) => {
    const wire = openWire("ws://127.0.0.1/mqtt?signed", "us-east-1:guest-ab8dfbbd4bed", {
      onOpened: () => resolve(wire),
      onSubscribed: (topics) => heard.push([...topics]),
      onPonged: () => heard.push("pong"),
      onPayload: (topic) => heard.push(topic),
      onLost: () => heard.push("lost"),
    });
  });
}

it("unsubscribes the busiest topic of a connection that is sent too much, and says so", async () => {
  const heard: unknown[] = [];
  await open(heard);
  broker.last.publish("dev/public/calm", "1");
  for (let number = 0; number < 179; number++) broker.last.publish("dev/public/busy", "1");
  expect(broker.last.received.map(({ cmd }) => cmd)).toEqual(["connect"]);
  broker.last.publish("dev/public/calm", "2");
  expect(broker.last.received.at(-1)).toMatchObject({
    cmd: "unsubscribe",
    unsubscriptions: ["dev/public/busy"],
  });
  expect(heard.slice(-2)).toEqual(["dev/public/calm", [["dev/public/busy", false]]]);
});
