/** UTF-8, which platforms read and write by themselves. */

const encoder = new TextEncoder();
/** Fatal, because ill-formed UTF-8 must close the connection [MQTT-1.5.3-1]. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** @throws TypeError when the bytes are no UTF-8. */
export function decodeUtf8(bytes: Uint8Array<ArrayBuffer>): string {
  return decoder.decode(bytes);
}
