/** Signs the WebSocket URL with WebCrypto. The strings themselves are in protocol/signing.ts. */
import {
  canonicalQuery,
  canonicalRequest,
  scopeOf,
  signedQuery,
  stringToSign,
  timestampOf,
} from "../protocol/signing.ts";
import { utf8Encoder } from "../protocol/utf8.ts";
import type { OpenedSession } from "./session.ts";

/**
 * Return the URL that opens a socket for `session`; AWS takes it for about 5 minutes.
 *
 * @param epochMs the wall-clock time to sign with.
 */
export async function signUrl(session: OpenedSession, epochMs: number): Promise<string> {
  const { host, pathname } = new URL(session.iotUrl);
  const timestamp = timestampOf(epochMs);
  const scope = scopeOf(timestamp, session.region);
  const query = canonicalQuery(session.accessKeyId, scope, timestamp);
  const request = canonicalRequest(host, pathname, query, await sha256(""));
  const text = stringToSign(timestamp, scope, await sha256(request));
  let key: BufferSource = utf8Encoder.encode(`AWS4${session.secretAccessKey}`);
  // Each part of the scope makes the next key; what the last one makes of the text signs it.
  for (const part of [...scope.split("/"), text]) key = await hmac(key, part);
  return `${session.iotUrl}?${signedQuery(query, toHex(key as ArrayBuffer), session.sessionToken)}`;
}

async function sha256(text: string): Promise<string> {
  return toHex(await crypto.subtle.digest("SHA-256", utf8Encoder.encode(text)));
}

async function hmac(key: BufferSource, text: string): Promise<ArrayBuffer> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, utf8Encoder.encode(text));
}

function toHex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
