/**
 * The part of MQTT 3.1.1 that a subscriber speaks: bytes ↔ packets.
 *
 * Here: what a client sends (encode…) and what a server sends back (PacketDecoder). Not here:
 * publishing, QoS 1 and 2, sessions. Source: OASIS MQTT 3.1.1; clauses stand where they are obeyed.
 */
import { malformed } from "./errors.ts";

export type Packet =
  | { readonly kind: "connack"; readonly returnCode: number }
  | { readonly kind: "suback"; readonly packetId: number; readonly granted: readonly number[] }
  | { readonly kind: "unsuback"; readonly packetId: number }
  | { readonly kind: "publish"; readonly topic: string; readonly payload: Uint8Array<ArrayBuffer> }
  | { readonly kind: "pingresp" };

/** The return code of a filter that the server refused [MQTT-3.9.3-2]. */
export const REFUSED = 0x80;

/** The largest packet taken in: a payload of 128 KiB (AWS IoT's limit), its topic and header. */
const MAX_PACKET_BYTES = 132 * 1024;

const utf8 = new TextEncoder();
/** Fatal, because ill-formed UTF-8 must close the connection [MQTT-1.5.3-1]. */
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encode CONNECT with a clean session, without will, user name or password. */
export function encodeConnect(clientId: string, keepAliveS: number): Uint8Array<ArrayBuffer> {
  // Protocol name, level 4 [MQTT-3.1.2-1]; flags: clean session alone [MQTT-3.1.2-3].
  return encode(0x10, [
    ...lengthPrefixed("MQTT"),
    4,
    2,
    ...uint16(keepAliveS),
    ...lengthPrefixed(clientId),
  ]);
}

/** Encode SUBSCRIBE for QoS 0; the bits 0010 are required [MQTT-3.8.1-1]. */
export function encodeSubscribe(
  packetId: number,
  filters: readonly string[],
): Uint8Array<ArrayBuffer> {
  return encode(0x82, [
    ...uint16(packetId),
    ...filters.flatMap((filter) => [...lengthPrefixed(filter), 0]),
  ]);
}

/** Encode UNSUBSCRIBE; the bits 0010 are required [MQTT-3.10.1-1]. */
export function encodeUnsubscribe(
  packetId: number,
  filters: readonly string[],
): Uint8Array<ArrayBuffer> {
  return encode(0xa2, [...uint16(packetId), ...filters.flatMap(lengthPrefixed)]);
}

/** Encode PINGREQ. */
export function encodePingreq(): Uint8Array<ArrayBuffer> {
  return encode(0xc0, []);
}

/** Encode DISCONNECT. */
export function encodeDisconnect(): Uint8Array<ArrayBuffer> {
  return encode(0xe0, []);
}

function encode(firstByte: number, body: readonly number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([firstByte, ...remainingLength(body.length), ...body]);
}

function remainingLength(sizeBytes: number): number[] {
  return sizeBytes < 128
    ? [sizeBytes]
    : [(sizeBytes & 127) | 128, ...remainingLength(sizeBytes >> 7)];
}

function uint16(value: number): number[] {
  return [value >> 8, value & 255];
}

function lengthPrefixed(text: string): number[] {
  const bytes = utf8.encode(text);
  return [...uint16(bytes.length), ...bytes];
}

/** Cuts a stream of bytes into packets: a packet may span chunks, a chunk may hold several. */
export class PacketDecoder {
  #rest = new Uint8Array(0);

  /**
   * Take in a chunk and return the packets that are now whole.
   *
   * @throws BellwireError `malformed` at anything a server may not send; the stream is then useless.
   */
  push(chunk: Uint8Array<ArrayBuffer>): Packet[] {
    this.#rest = this.#rest.length ? concat(this.#rest, chunk) : chunk;
    const packets: Packet[] = [];
    for (let frame = cut(this.#rest); frame; frame = cut(this.#rest)) {
      packets.push(
        decodePacket(this.#rest[0] as number, this.#rest.subarray(frame.start, frame.end)),
      );
      this.#rest = this.#rest.subarray(frame.end);
    }
    return packets;
  }
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(left.length + right.length);
  whole.set(left);
  whole.set(right, left.length);
  return whole;
}

/** Find the body of the first packet, or null while bytes are missing. */
function cut(bytes: Uint8Array): { start: number; end: number } | null {
  let sizeBytes = 0;
  for (let index = 1; index <= 4; index++) {
    const byte = bytes[index];
    if (byte === undefined) return null;
    sizeBytes += (byte & 127) << (7 * (index - 1));
    if (byte < 128) {
      if (sizeBytes > MAX_PACKET_BYTES)
        throw malformed(sizeBytes, `a packet of at most ${MAX_PACKET_BYTES} bytes`);
      const start = index + 1;
      return bytes.length < start + sizeBytes ? null : { start, end: start + sizeBytes };
    }
  }
  throw malformed([...bytes.subarray(0, 5)], "a remaining length of at most 4 bytes");
}

function decodePacket(firstByte: number, body: Uint8Array<ArrayBuffer>): Packet {
  if (firstByte >> 4 === 3) return decodePublish(firstByte, body);
  // The flags of all other packets are fixed at zero [MQTT-2.2.2-2].
  if (firstByte === 0x20 && body.length === 2)
    return { kind: "connack", returnCode: body[1] as number };
  if (firstByte === 0x90 && body.length > 2) {
    return { kind: "suback", packetId: readUint16(body, 0), granted: [...body.subarray(2)] };
  }
  if (firstByte === 0xb0 && body.length === 2)
    return { kind: "unsuback", packetId: readUint16(body, 0) };
  if (firstByte === 0xd0 && body.length === 0) return { kind: "pingresp" };
  throw malformed(
    [firstByte, body.length],
    "the first byte and the size of a packet that servers send",
  );
}

function decodePublish(firstByte: number, body: Uint8Array<ArrayBuffer>): Packet {
  const qos = (firstByte >> 1) & 3;
  if (qos !== 0) throw malformed(qos, "a PUBLISH of QoS 0, which is all that was subscribed");
  const topicEnd = body.length < 2 ? Number.POSITIVE_INFINITY : 2 + readUint16(body, 0);
  if (topicEnd > body.length) throw malformed(body.length, "a PUBLISH that holds its topic");
  return {
    kind: "publish",
    topic: readText(body.subarray(2, topicEnd)),
    payload: body.subarray(topicEnd),
  };
}

function readUint16(bytes: Uint8Array, index: number): number {
  return ((bytes[index] as number) << 8) | (bytes[index + 1] as number);
}

function readText(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw malformed([...bytes], "UTF-8");
  }
}
