/**
 * The strings of a SigV4 presigned URL for AWS IoT's WebSocket endpoint.
 *
 * Here: scope, query, canonical request, string to sign. Not here: hashing (io/signing.ts) and time.
 * Source: AWS General Reference, "Create a signed AWS API request"; IoT developer guide, "MQTT over
 * the WebSocket protocol".
 */

const ALGORITHM = "AWS4-HMAC-SHA256";

/** Return `20261123T120000Z` for that moment. */
export function timestampOf(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, "");
}

/** Return `20261123/us-east-1/iotdevicegateway/aws4_request`. */
export function scopeOf(timestamp: string, region: string): string {
  return `${timestamp.slice(0, 8)}/${region}/iotdevicegateway/aws4_request`;
}

/** Return the query that is signed; its names are in byte order. */
export function canonicalQuery(accessKeyId: string, scope: string, timestamp: string): string {
  const credential = encodeURIComponent(`${accessKeyId}/${scope}`);
  return (
    `X-Amz-Algorithm=${ALGORITHM}&X-Amz-Credential=${credential}` +
    `&X-Amz-Date=${timestamp}&X-Amz-SignedHeaders=host`
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
export function stringToSign(timestamp: string, scope: string, requestHash: string): string {
  return `${ALGORITHM}\n${timestamp}\n${scope}\n${requestHash}`;
}

/** Return the query to send: IoT wants the session token after the signature, not under it. */
export function signedQuery(query: string, signature: string, sessionToken: string): string {
  return `${query}&X-Amz-Signature=${signature}&X-Amz-Security-Token=${encodeURIComponent(sessionToken)}`;
}
