/** One socket, against a small broker written with mqtt-packet. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openSocket, type Socket } from "../../../browser_client/src/io/socket.ts";
import { FakeBroker } from "../fake_broker.ts";

let broker: FakeBroker;
let heard: unknown[];
beforeEach(() => {
  broker = new FakeBroker();
  heard = [];
  vi.stubGlobal("WebSocket", broker.webSocketClass());
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function open(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = openSocket("ws://127.0.0.1/mqtt?signed", "us-east-1:guest-x7Kq02Bc", {
      onOpened: () => resolve(socket),
      onSubscribed: (topics) => heard.push([...topics]),
      onPonged: () => heard.push("pong"),
      onPayload: (topic, payload) => heard.push([topic, new TextDecoder().decode(payload)]),
      onLost: (error) => {
        heard.push(error?.message ?? "lost");
        resolve(socket);
      },
    });
  });
}

describe("a socket", () => {
  it("introduces itself over the subprotocol mqtt in binary frames", async () => {
    await open();
    expect(broker.last).toMatchObject({ protocol: "mqtt", binaryType: "arraybuffer" });
    expect(broker.last.received).toMatchObject([
      { cmd: "connect", clientId: "us-east-1:guest-x7Kq02Bc", keepalive: 90, clean: true },
    ]);
  });

  it("tells which topics were granted, by the packet that asked", async () => {
    const socket = await open();
    broker.onPacket = () => undefined;
    socket.subscribe(["dev/public/a", "dev/public/b"]);
    socket.subscribe(["dev/public/c"]);
    broker.last.answer(
      { cmd: "suback", messageId: 2, granted: [0] },
      { cmd: "suback", messageId: 1, granted: [0, 128] },
    );
    expect(heard).toEqual([
      [["dev/public/c", true]],
      [
        ["dev/public/a", true],
        ["dev/public/b", false],
      ],
    ]);
  });

  it("hands payloads over, several to a frame", async () => {
    await open();
    const packet = { cmd: "publish", qos: 0, dup: false, retain: false } as const;
    broker.last.answer(
      { ...packet, topic: "dev/public/a", payload: "one" },
      { ...packet, topic: "dev/public/b", payload: "two" },
    );
    expect(heard).toEqual([
      ["dev/public/a", "one"],
      ["dev/public/b", "two"],
    ]);
  });

  it("pings, unsubscribes and takes its leave", async () => {
    const socket = await open();
    socket.ping();
    await Promise.resolve();
    socket.unsubscribe(["dev/public/a"]);
    socket.close();
    const sent = broker.last.received.map(({ cmd }) => cmd);
    expect(sent).toEqual(["connect", "pingreq", "unsubscribe", "disconnect"]);
    expect(heard).toEqual(["pong"]);
  });

  it("hears nothing more once closed", async () => {
    const socket = await open();
    socket.close();
    broker.last.publish("dev/public/a", "late");
    broker.last.drop();
    expect(heard).toEqual([]);
  });

  it("is lost once when the broker leaves", async () => {
    await open();
    broker.last.drop();
    broker.last.drop();
    expect(heard).toEqual(["lost"]);
  });

  it("is lost without having opened when the handshake is refused", async () => {
    broker.isDown = true;
    await open();
    expect(heard).toEqual(["lost"]);
  });

  it.each([["a refusal in CONNACK", 5, "found CONNACK 5, expected 0"]])(
    "is lost by %s",
    async (_, returnCode, message) => {
      broker.onPacket = (socket) =>
        socket.answer({ cmd: "connack", returnCode, sessionPresent: false });
      await open();
      expect(heard).toEqual([message]);
    },
  );

  it("is lost by a text frame and by garbage, and says what was found", async () => {
    await open();
    broker.last.deliver("hello");
    await open();
    broker.last.deliver(Uint8Array.of(0x10, 0).buffer);
    expect(heard).toEqual(["found a text frame", "found [16,0], expected a server's packet"]);
  });
});
