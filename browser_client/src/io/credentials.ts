/**
 * Gets a guest what opens a socket: Cognito identity, temporary keys.
 *
 * Here: the calls and the identity kept in localStorage, so that a browser stays one guest. Not
 * here: members (session.ts), when it is renewed (protocol/sessions.ts). Source: Amazon Cognito Identity API reference,
 * GetId and GetCredentialsForIdentity (JSON 1.1, unsigned).
 */
import { BellwireError, type ErrorCode } from "../protocol/errors.ts";
import { NOTHING } from "../protocol/updates.ts";
import type { Config } from "./config.ts";
import { type Answer, fetchObject, memberIn, timesOf } from "./http.ts";

/** What a Cognito error type says to the client; all others are AWS's fault and may pass. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  NotAuthorized: "not_allowed",
  PoolConfiguration: "not_allowed",
  NotFound: "not_found",
  Conflict: "conflict",
  Parameter: "malformed",
  TooMany: "too_many",
  Limit: "too_many",
};

/** An identity, what proves it, and until when. */
export interface Grant {
  readonly identityId: string;
  readonly groups: readonly string[];
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** The bearer of polls; null for a guest. */
  readonly token: string | null;
  /** When the first of all these ends, in ms from when they were given. */
  readonly lifetimeMs: number;
  /** How far the server's clock runs ahead of this device's, which signatures go by. */
  readonly skewMs: number;
}

/**
 * Fetch what a guest is granted.
 *
 * @param before what this page had; without it, the guest is whoever the browser remembers.
 * @throws BellwireError retryable when the network or AWS is at fault; `not_allowed` when guests
 * may not connect, `not_found` when there is no such pool.
 */
export async function fetchGuest(
  config: Config,
  before: (Config & Grant) | null | undefined,
): Promise<Grant> {
  if (!config.guests) {
    throw new BellwireError("not_allowed", "found a guest, expected a login");
  }
  const key = `bellwire:identity:${config.identityPoolId}`;
  const recall = () => inStorage((storage) => storage.getItem(key));
  const isSamePool = before?.identityPoolId === config.identityPoolId;
  const kept = isSamePool ? before.identityId : recall();
  if (kept) {
    try {
      return await fetchCredentials(config, kept);
    } catch (error) {
      // An identity that was deleted or merged into a login is gone for this guest.
      if ((error as BellwireError).retryable !== false) throw error;
    }
  }
  const [fresh] = await callCognito(config, "GetId", { IdentityPoolId: config.identityPoolId });
  // Tabs that open together agree on the one that was there first.
  const identityId = (!kept && recall()) || memberIn(fresh, "IdentityId");
  inStorage((storage) => storage.setItem(key, identityId));
  return fetchCredentials(config, identityId);
}

/** AWS credentials, as Cognito's answer has them. */
interface Keys {
  readonly AccessKeyId: string;
  readonly SecretKey: string;
  readonly SessionToken: string;
}

async function fetchCredentials(config: Config, identityId: string): Promise<Grant> {
  const input = { IdentityId: identityId };
  const [answer, headers] = await callCognito(config, "GetCredentialsForIdentity", input);
  const keys = answer["Credentials"] as Keys;
  return {
    // Cognito may answer with another identity, which then is the valid one.
    identityId: memberIn(answer, "IdentityId"),
    groups: [],
    accessKeyId: memberIn(keys, "AccessKeyId"),
    secretAccessKey: keys.SecretKey,
    sessionToken: keys.SessionToken,
    token: null,
    ...timesOf(1000 * memberIn(keys, "Expiration", "number"), headers),
  };
}

function callCognito(
  config: Config,
  operation: string,
  input: object,
): Promise<[fields: Record<string, unknown>, headers: Headers]> {
  const headers = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": `AWSCognitoIdentityService.${operation}`,
  };
  const init = { method: "POST", headers, body: JSON.stringify(input) };
  return fetchObject(config.cognitoUrl, init, null, (_, answer) => cognitoError(operation, answer));
}

/** Map a refusal such as `{"__type":"NotAuthorizedException","message":"…"}`. */
export function cognitoError(
  operation: string,
  { status, fields }: Omit<Answer, "headers">,
): BellwireError {
  const { __type: type, message } = fields ?? NOTHING;
  const known = Object.keys(CODES).find((name) => String(type).includes(name));
  const code = CODES[known ?? ""] ?? "upstream";
  return new BellwireError(code, `${operation}: ${type} (status ${status}): ${message}`);
}

/** Use the storage, which may be forbidden: the guest is then a new one on each page. */
function inStorage<Value>(use: (storage: Storage) => Value): Value | null {
  try {
    return use(localStorage);
  } catch {
    return null;
  }
}
