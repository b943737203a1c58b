/** Signs the WebSocket URL with WebCrypto. The strings themselves are in protocol/signing.ts. */
import {
  canonicalQuery,
  canonicalRequest,
  scopeOf,
  signedQuery,
  stringToSign,
  timestampOf,
} from "../protocol/signing.ts";
import type { OpenedSession } from "./session.ts";

const utf8 = new TextEncoder();

/**
 * Return the URL that opens a socket for `session`; AWS takes it for about 5 minutes.
 *
 * @param epochMs the wall-clock time to sign with.
 */
export async function signUrl(session: OpenedSession, epochMs: number): Promise<string> {
  const { host, pathname } = new URL(session.iotUrl);
  const scope = { ...session, timestamp: timestampOf(epochMs) };
  const query = canonicalQuery(scope);
  const request = canonicalRequest(host, pathname, query, await sha256(""));
  let key: Uint8Array<ArrayBuffer> = utf8.encode(`AWS4${session.secretAccessKey}`);
  for (const part of scopeOf(scope).split("/")) key = await hmac(key, part);
  const signature = toHex(await hmac(key, stringToSign(scope, await sha256(request))));
  return `${session.iotUrl}?${signedQuery(query, signature, session.sessionToken)}`;
}

async function sha256(text: string): Promise<string> {
  return toHex(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8.encode(text)));
}

function toHex(bytes: ArrayBuffer | Uint8Array): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
