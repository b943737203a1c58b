/** Reads payloads as text. */
import { utf8Decoder } from "../protocol/utf8.ts";
import type { StartTexts } from "./push.ts";

/** Take plain payloads alone: of others, as of gzipped ones, there is no text. */
export const startPlainTexts: StartTexts = (deliver) => (topic, payload) =>
  deliver(topic, textOf(payload), payload.length);

/** Return the text; null when it is none. */
export function textOf(payload: Uint8Array<ArrayBuffer>): string | null {
  try {
    return utf8Decoder.decode(payload);
  } catch {
    return null;
  }
}
