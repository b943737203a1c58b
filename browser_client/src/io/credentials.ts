/**
 * Gets a guest the credentials to open a socket: config, Cognito identity, temporary keys.
 *
 * Here: the calls and the identity kept in localStorage, so that a browser stays one guest. Not
 * here: when they are renewed (protocol/link.ts). Source: Amazon Cognito Identity API reference,
 * GetId and GetCredentialsForIdentity (JSON 1.1, unsigned).
 */

import { BellwireError, type ErrorCode, malformed } from "../protocol/errors.ts";
import type { Session } from "../protocol/machine.ts";
import { isObject } from "../protocol/updates.ts";
import { type Answer, errorOfAnswer, exchange, parseObjectOrNull } from "./http.ts";

/** What a Cognito error type says to the client; all others are AWS's fault and may pass. */
const CODE_OF_TYPE: Readonly<Record<string, ErrorCode>> = {
  NotAuthorizedException: "not_allowed",
  InvalidIdentityPoolConfigurationException: "not_allowed",
  ResourceNotFoundException: "not_found",
  ResourceConflictException: "conflict",
  InvalidParameterException: "malformed",
  TooManyRequestsException: "too_many",
  LimitExceededException: "too_many",
};

interface Config {
  readonly stage: string;
  readonly region: string;
  readonly iotUrl: string;
  readonly identityPoolId: string;
  readonly cognitoUrl: string;
}

/**
 * Fetch all that a socket is opened with.
 *
 * @param url the API's prefix, such as `/v1`.
 * @throws BellwireError retryable when the network or AWS is at fault; `not_allowed` when guests
 * may not connect, `not_found` when there is no Bellwire at `url` or no such pool.
 */
export async function fetchSession(url: string): Promise<Session> {
  const config = await fetchConfig(`${url}/config`);
  const key = `bellwire:identity:${config.identityPoolId}`;
  const kept = recall(key);
  if (kept !== null) {
    try {
      return await fetchCredentials(config, kept);
    } catch (error) {
      // An identity that was deleted or merged into a login is gone for this guest.
      if ((error as BellwireError).retryable !== false) throw error;
      remember(key, null);
    }
  }
  const fresh = await callCognito(config, "GetId", { IdentityPoolId: config.identityPoolId });
  const identityId = textIn(fresh, "IdentityId");
  remember(key, identityId);
  return fetchCredentials(config, identityId);
}

async function fetchConfig(url: string): Promise<Config> {
  const answer = await exchange(url);
  if (answer.status !== 200) throw errorOfAnswer(url, answer);
  const config = parseObjectOrNull(answer.text);
  if (!config) {
    throw new BellwireError("upstream", `found no JSON object at ${url}; is a proxy in between?`);
  }
  if (config["guests"] !== true) {
    throw new BellwireError(
      "not_allowed",
      `found guests off at ${url}, expected them to be let in`,
    );
  }
  const region = textIn(config, "region");
  return {
    stage: textIn(config, "stage"),
    region,
    iotUrl: textIn(config, "iot_url"),
    identityPoolId: textIn(config, "identity_pool_id"),
    cognitoUrl:
      config["cognito_url"] === null
        ? `https://cognito-identity.${region}.amazonaws.com/`
        : textIn(config, "cognito_url"),
  };
}

async function fetchCredentials(config: Config, identityId: string): Promise<Session> {
  const answer = await callCognito(config, "GetCredentialsForIdentity", { IdentityId: identityId });
  const credentials = answer["Credentials"];
  if (!isObject(credentials)) throw malformed(credentials, "Credentials from Cognito");
  const expiresAtS = credentials["Expiration"];
  if (typeof expiresAtS !== "number") throw malformed(expiresAtS, "Expiration in seconds");
  return {
    stage: config.stage,
    region: config.region,
    iotUrl: config.iotUrl,
    // Cognito may answer with another identity, which then is the valid one.
    identityId: textIn(answer, "IdentityId"),
    accessKeyId: textIn(credentials, "AccessKeyId"),
    secretAccessKey: textIn(credentials, "SecretKey"),
    sessionToken: textIn(credentials, "SessionToken"),
    expiresAtMs: expiresAtS * 1000,
  };
}

async function callCognito(
  { cognitoUrl }: Config,
  operation: string,
  input: object,
): Promise<Record<string, unknown>> {
  const answer = await exchange(cognitoUrl, {
    method: "POST",
    headers: {
      "Content-Type": "application/x-amz-json-1.1",
      "X-Amz-Target": `AWSCognitoIdentityService.${operation}`,
    },
    body: JSON.stringify(input),
  });
  const output = parseObjectOrNull(answer.text);
  if (answer.status === 200 && output) return output;
  throw cognitoError(operation, answer);
}

/** Map a refusal such as `{"__type":"NotAuthorizedException","message":"…"}`. */
export function cognitoError(
  operation: string,
  { status, text }: Omit<Answer, "headers">,
): BellwireError {
  const told = parseObjectOrNull(text) ?? {};
  // AWS spells it with a namespace before `#` or an address after `:` now and then.
  const type = /([^#:]+)(:.*)?$/.exec(String(told["__type"]))?.[1] as string;
  const code = CODE_OF_TYPE[type] ?? "upstream";
  return new BellwireError(code, `${operation}: ${type} (status ${status}): ${told["message"]}`);
}

function textIn(fields: Readonly<Record<string, unknown>>, name: string): string {
  const text = fields[name];
  if (typeof text !== "string") throw malformed(text, `text in ${name}`);
  return text;
}

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // Storage may be forbidden; the guest is then a new one on each page.
  }
}

function remember(key: string, identityId: string | null): void {
  try {
    if (identityId === null) localStorage.removeItem(key);
    else localStorage.setItem(key, identityId);
  } catch {
    // As in recall.
  }
}
