/** The MQTT codec, against the independent codec of npm's mqtt-packet in both directions. */
import fc from "fast-check";
import mqttPacket, { type Packet as OraclePacket } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import {
  encodeConnect,
  encodeDisconnect,
  encodePingreq,
  encodeSubscribe,
  encodeUnsubscribe,
  type Packet,
  startDecoder,
} from "../../../browser_client/src/protocol/mqtt.ts";

function readByOracle(bytes: Uint8Array): OraclePacket[] {
  const packets: OraclePacket[] = [];
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  parser.on("packet", (packet) => packets.push(packet));
  parser.on("error", (error) => {
    throw error;
  });
  expect(parser.parse(Buffer.from(bytes))).toBe(0);
  return packets;
}

function writeByOracle(packet: OraclePacket): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(mqttPacket.generate(packet));
}

const topic = fc.stringMatching(/^[A-Za-z0-9_/é😀]{1,60}$/u);
const packetId = fc.integer({ min: 1, max: 65_535 });

describe("a packet of the client", () => {
  it("CONNECT names a clean session without will or password", () => {
    const [packet] = readByOracle(encodeConnect("us-east-1:guest-x7Kq02Bc", 30));
    expect(packet).toMatchObject({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      clientId: "us-east-1:guest-x7Kq02Bc",
      keepalive: 30,
    });
    expect(packet).not.toHaveProperty("will");
    expect(packet).not.toHaveProperty("username");
  });

  it("SUBSCRIBE asks each filter with QoS 0", () => {
    fc.assert(
      fc.property(packetId, fc.array(topic, { minLength: 1, maxLength: 8 }), (id, filters) => {
        expect(readByOracle(encodeSubscribe(id, filters))).toMatchObject([
          {
            cmd: "subscribe",
            messageId: id,
            subscriptions: filters.map((filter) => ({ topic: filter, qos: 0 })),
          },
        ]);
      }),
    );
  });

  it("UNSUBSCRIBE names each filter", () => {
    fc.assert(
      fc.property(packetId, fc.array(topic, { minLength: 1, maxLength: 8 }), (id, filters) => {
        expect(readByOracle(encodeUnsubscribe(id, filters))).toMatchObject([
          { cmd: "unsubscribe", messageId: id, unsubscriptions: filters },
        ]);
      }),
    );
  });

  it("PINGREQ and DISCONNECT are two bytes", () => {
    expect([...encodePingreq()]).toEqual([0xc0, 0]);
    expect([...encodeDisconnect()]).toEqual([0xe0, 0]);
  });
});

interface Sent {
  readonly oracle: OraclePacket;
  readonly ours: Packet;
}

const sent: fc.Arbitrary<Sent> = fc.oneof(
  fc.integer({ min: 0, max: 5 }).map(
    (returnCode): Sent => ({
      oracle: { cmd: "connack", returnCode, sessionPresent: false },
      ours: { kind: "connack", returnCode },
    }),
  ),
  fc.tuple(packetId, fc.array(fc.constantFrom(0, 1, 0x80), { minLength: 1, maxLength: 8 })).map(
    ([messageId, granted]): Sent => ({
      oracle: { cmd: "suback", messageId, granted },
      ours: { kind: "suback", packetId: messageId, granted },
    }),
  ),
  packetId.map(
    (messageId): Sent => ({
      oracle: { cmd: "unsuback", messageId } as OraclePacket,
      ours: { kind: "unsuback", packetId: messageId },
    }),
  ),
  fc.tuple(topic, fc.uint8Array({ maxLength: 300 }), fc.boolean()).map(
    ([name, payload, retain]): Sent => ({
      oracle: {
        cmd: "publish",
        topic: name,
        payload: Buffer.from(payload),
        qos: 0,
        dup: false,
        retain,
      },
      ours: { kind: "publish", topic: name, payload: Uint8Array.from(payload) },
    }),
  ),
  fc.constant<Sent>({ oracle: { cmd: "pingresp" }, ours: { kind: "pingresp" } }),
);

describe("the packets of a server", () => {
  it("are read whole, however the bytes are cut", () => {
    const cuts = fc.array(fc.nat({ max: 2000 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 6 }), cuts, (packets, places) => {
        const bytes = Uint8Array.from(packets.flatMap(({ oracle }) => [...writeByOracle(oracle)]));
        const ends = [...places.filter((place) => place < bytes.length), bytes.length];
        const decode = startDecoder();
        const read = ends
          .sort((a, b) => a - b)
          .flatMap((end, index) => decode(bytes.slice(ends[index - 1] ?? 0, end)));
        expect(read).toEqual(packets.map(({ ours }) => ours));
      }),
    );
  });

  it("may hold the largest payload of AWS IoT", () => {
    const payload = Buffer.alloc(131_072, 7);
    const oracle: OraclePacket = {
      cmd: "publish",
      topic: "a",
      payload,
      qos: 0,
      dup: false,
      retain: false,
    };
    const [packet] = startDecoder()(writeByOracle(oracle));
    expect(packet?.kind === "publish" && packet.payload.length).toBe(131_072);
  });

  it.each([
    ["a packet that clients send", [0x10, 0]],
    ["flags that must be zero [MQTT-2.2.2-2]", [0x21, 2, 0, 0]],
    ["CONNACK of a wrong size", [0x20, 3, 0, 0, 0]],
    ["PINGRESP with a body", [0xd0, 1, 0]],
    ["SUBACK without a code", [0x90, 2, 0, 1]],
    ["PUBLISH of QoS 1", [0x32, 5, 0, 1, 97, 0, 1]],
    ["PUBLISH shorter than its topic", [0x30, 3, 0, 9, 97]],
    ["PUBLISH without a topic's length", [0x30, 1, 0]],
    ["a topic that is no UTF-8 [MQTT-1.5.3-1]", [0x30, 3, 0, 1, 0xff]],
    ["a remaining length of five bytes", [0x30, 0x80, 0x80, 0x80, 0x80, 1]],
    ["a packet beyond every limit", [0x30, 0xff, 0xff, 0x7f]],
  ])("%s is refused", (_, bytes) => {
    expect(() => startDecoder()(Uint8Array.from(bytes))).toThrow();
  });

  it("are read or refused, never anything else, when they are garbage", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          startDecoder()(Uint8Array.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "malformed" });
        }
      }),
    );
  });
});
