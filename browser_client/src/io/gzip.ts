/** Turns payloads into text in the order they came, although inflating takes its time. */

import type { StartTexts } from "./push.ts";
import { textOf } from "./texts.ts";

const MAX_TEXT_BYTES = 1024 * 1024;

type Payload = Uint8Array<ArrayBuffer>;

/** Deliver payloads in the order they came: a plain one waits for the gzipped ones before it. */
export const startTexts: StartTexts = (deliver) => {
  let last: Promise<void> | null = null;
  const read = (topic: string, bytes: Payload | null) =>
    deliver(topic, bytes && textOf(bytes), bytes?.length ?? 0);
  return (topic, payload) => {
    if (!last && !isGzip(payload)) return read(topic, payload);
    // What is damaged counts as what cannot be read, and is reported by the caller.
    const whole = isGzip(payload) ? inflate(payload).catch(() => null) : payload;
    const own = Promise.all([whole, last]).then(([bytes]) => {
      if (last === own) last = null;
      read(topic, bytes);
    });
    last = own;
  };
};

/** Source: RFC 1952, section 2.3.1 (the two identification bytes). */
function isGzip(payload: Payload): boolean {
  return payload[0] === 0x1f && payload[1] === 0x8b;
}

/**
 * Inflate, unless what comes out is beyond the protocol's size, which a payload says at its end.
 * Source: RFC 1952, section 2.3.1 (ISIZE).
 */
async function inflate(payload: Payload): Promise<Payload | null> {
  const [sizeBytes = 0] = new Uint32Array(payload.slice(-4).buffer);
  if (sizeBytes > MAX_TEXT_BYTES) return null;
  const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
