/**
 * The part of MQTT 3.1.1 that a subscriber speaks: bytes ↔ packets.
 *
 * Here: what a client sends (encode…) and what a server sends back (startDecoder). Not here:
 * publishing, QoS 1 and 2, sessions. Source: OASIS MQTT 3.1.1; clauses stand where they are obeyed.
 */
import { malformed } from "./errors.ts";
import { utf8Decoder, utf8Encoder } from "./utf8.ts";

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
  const bytes = utf8Encoder.encode(text);
  return [...uint16(bytes.length), ...bytes];
}

type Chunk = Uint8Array<ArrayBuffer>;

/**
 * Return what cuts a stream of bytes into packets: a packet may span chunks, a chunk hold several.
 *
 * It takes in a chunk, returns the packets that are now whole, and throws at anything a server may
 * not send, ill-formed UTF-8 too; the stream is then useless.
 */
export function startDecoder(): (chunk: Chunk) => Packet[] {
  let rest: Chunk = new Uint8Array(0);
  return (chunk) => {
    rest = rest.length > 0 ? Uint8Array.from([...rest, ...chunk]) : chunk;
    const packets: Packet[] = [];
    for (let frame = cut(rest); frame; frame = cut(rest)) {
      const [start, end] = frame;
      packets.push(decodePacket(rest[0] as number, rest.subarray(start, end)));
      rest = rest.subarray(end);
    }
    return packets;
  };
}

/** Return where the first packet's body starts and ends, or null while bytes are missing. */
function cut(bytes: Uint8Array): [start: number, end: number] | null {
  let sizeBytes = 0;
  // At most four bytes of seven bits each [MQTT 2.2.3].
  for (let index = 1; index < 5; index++) {
    const byte = bytes[index];
    if (byte === undefined) return null;
    sizeBytes += (byte & 127) << (7 * index - 7);
    const end = index + 1 + sizeBytes;
    if (sizeBytes > MAX_PACKET_BYTES) break;
    if (byte < 128) return bytes.length < end ? null : [index + 1, end];
  }
  throw malformed([...bytes.subarray(0, 5)], `a packet of at most ${MAX_PACKET_BYTES} bytes`);
}

/** The flags of all packets but PUBLISH are fixed at zero [MQTT-2.2.2-2]. */
function decodePacket(firstByte: number, body: Uint8Array<ArrayBuffer>): Packet {
  const { length } = body;
  const packetId = length > 1 ? ((body[0] as number) << 8) | (body[1] as number) : length;
  const topicEnd = 2 + packetId;
  // Of QoS 0, which is all that was subscribed.
  if ((firstByte & 0xf6) === 0x30 && topicEnd <= length) {
    const topic = utf8Decoder.decode(body.subarray(2, topicEnd));
    return { kind: "publish", topic, payload: body.subarray(topicEnd) };
  }
  if (firstByte === 0x20 && length === 2) return { kind: "connack", returnCode: body[1] as number };
  if (firstByte === 0x90 && length > 2) {
    return { kind: "suback", packetId, granted: [...body.subarray(2)] };
  }
  if (firstByte === 0xb0 && length === 2) return { kind: "unsuback", packetId };
  if (firstByte === 0xd0 && length === 0) return { kind: "pingresp" };
  throw malformed([firstByte, length], "a server's packet");
}
