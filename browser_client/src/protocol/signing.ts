/**
 * The strings of a SigV4 presigned URL for AWS IoT's WebSocket endpoint.
 *
 * Here: canonical request, string to sign, final URL. Not here: hashing (io/signing.ts) and time.
 * Source: AWS General Reference, "Create a signed AWS API request"; IoT developer guide, "MQTT over
 * the WebSocket protocol".
 */

/** The service name in the scope of IoT's WebSocket signature. */
export const SIGNING_SERVICE = "iotdevicegateway";

const ALGORITHM = "AWS4-HMAC-SHA256";

/** What the signature covers, and the key id it names. */
export interface SigningScope {
  readonly accessKeyId: string;
  readonly region: string;
  /** Such as `20261123T120000Z`. */
  readonly timestamp: string;
}

/** Return `20261123T120000Z` for that moment. */
export function timestampOf(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, "");
}

/** Return `20261123/us-east-1/iotdevicegateway/aws4_request`. */
export function scopeOf({ timestamp, region }: SigningScope): string {
  return `${timestamp.slice(0, 8)}/${region}/${SIGNING_SERVICE}/aws4_request`;
}

/** Return the query that is signed; its names are in byte order. */
export function canonicalQuery(scope: SigningScope): string {
  const credential = escapeQuery(`${scope.accessKeyId}/${scopeOf(scope)}`);
  return (
    `X-Amz-Algorithm=${ALGORITHM}&X-Amz-Credential=${credential}` +
    `&X-Amz-Date=${scope.timestamp}&X-Amz-SignedHeaders=host`
  );
}

/**
 * Return the canonical request.
 *
 * @param host with its port when that is not the default one.
 * @param bodyHash SHA-256 of the empty body, in lower-case hex.
 */
export function canonicalRequest(
  host: string,
  path: string,
  query: string,
  bodyHash: string,
): string {
  return `GET\n${path}\n${query}\nhost:${host}\n\nhost\n${bodyHash}`;
}

/** Return the text whose HMAC is the signature; `requestHash` is in lower-case hex. */
export function stringToSign(scope: SigningScope, requestHash: string): string {
  return `${ALGORITHM}\n${scope.timestamp}\n${scopeOf(scope)}\n${requestHash}`;
}

/** Return the query to send: IoT wants the session token after the signature, not under it. */
export function signedQuery(query: string, signature: string, sessionToken: string): string {
  return `${query}&X-Amz-Signature=${signature}&X-Amz-Security-Token=${escapeQuery(sessionToken)}`;
}

/** Escape all but the unreserved characters of RFC 3986, section 2.3. */
function escapeQuery(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
