/** A guest's credentials, against a real web server that speaks as Cognito does. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cognitoError } from "../../../browser_client/src/io/credentials.ts";
import { fetchSession } from "../../../browser_client/src/io/session.ts";
import { type Asked, type Reply, WebServer } from "./web_server.ts";

const KEPT = "bellwire:identity:us-east-1:pool";

let web: WebServer;
let kept: Map<string, string>;
beforeAll(async () => {
  web = await WebServer.start();
});
afterAll(() => web.stop());
beforeEach(() => {
  web.asked.length = 0;
  web.reply = answer;
  kept = new Map();
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => ({
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
      removeItem: (key: string) => kept.delete(key),
    }),
  });
});
afterEach(() => Reflect.deleteProperty(globalThis, "localStorage"));

function config(): Record<string, unknown> {
  return {
    v: 1,
    stage: "dev",
    region: "us-east-1",
    iot_url: "ws://127.0.0.1:8081/mqtt",
    identity_pool_id: "us-east-1:pool",
    cognito_url: web.url,
    guests: true,
    poll_url: "/v1/updates",
    features: {},
  };
}

function answer({ method, url, headers: sent, body }: Asked): Reply {
  if (method === "GET")
    return url === "/v1/config" ? { body: config() } : { status: 404, body: "" };
  if (sent["x-amz-target"] === "AWSCognitoIdentityService.GetId") {
    return { body: { IdentityId: "us-east-1:new" } };
  }
  const Credentials = {
    AccessKeyId: "ASIAEXAMPLE",
    SecretKey: "secret",
    SessionToken: "token",
    Expiration: 1795417463.0,
  };
  const headers = { Date: new Date(1_795_417_463_000 - 3_600_000).toUTCString() };
  return { headers, body: { IdentityId: JSON.parse(body).IdentityId, Credentials } };
}

const fetchHere = () => fetchSession(`${web.url}/v1`, null);
const targets = () => web.asked.map(({ headers }) => headers["x-amz-target"]);

describe("a guest's session", () => {
  it("is a new identity's, which is kept", async () => {
    expect(await fetchHere()).toEqual({
      stage: "dev",
      region: "us-east-1",
      iotUrl: "ws://127.0.0.1:8081/mqtt",
      identityPoolId: "us-east-1:pool",
      cognitoUrl: web.url,
      guests: true,
      identityId: "us-east-1:new",
      groups: [],
      token: null,
      accessKeyId: "ASIAEXAMPLE",
      secretAccessKey: "secret",
      sessionToken: "token",
      lifetimeMs: 3_600_000,
      skewMs: expect.any(Number),
    });
    expect(kept.get(KEPT)).toBe("us-east-1:new");
    expect(web.asked[1]).toMatchObject({
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1" },
      body: '{"IdentityPoolId":"us-east-1:pool"}',
    });
  });

  it("is the identity's that was kept, one round trip sooner", async () => {
    kept.set(KEPT, "us-east-1:old");
    expect((await fetchHere()).identityId).toBe("us-east-1:old");
    expect(targets()).toEqual([undefined, "AWSCognitoIdentityService.GetCredentialsForIdentity"]);
  });

  it.each(["ResourceNotFoundException", "NotAuthorizedException"])(
    "is a new identity's when the kept one is answered with %s",
    async (type) => {
      kept.set(KEPT, "us-east-1:old");
      web.reply = (asked) =>
        asked.body.includes("us-east-1:old")
          ? { status: 400, body: { __type: type, message: "gone" } }
          : answer(asked);
      expect((await fetchHere()).identityId).toBe("us-east-1:new");
      expect(kept.get(KEPT)).toBe("us-east-1:new");
    },
  );

  it("keeps the identity when AWS is only busy", async () => {
    kept.set(KEPT, "us-east-1:old");
    web.reply = (asked) =>
      asked.method === "POST"
        ? { status: 400, body: { __type: "TooManyRequestsException", message: "slow" } }
        : answer(asked);
    await expect(fetchHere()).rejects.toMatchObject({ code: "too_many", retryable: true });
    expect(kept.get(KEPT)).toBe("us-east-1:old");
  });

  it("is that of the tab that was there first, where several open together", async () => {
    web.reply = (asked) => {
      if (asked.body.includes("IdentityPoolId")) kept.set(KEPT, "us-east-1:first");
      return answer(asked);
    };
    expect((await fetchHere()).identityId).toBe("us-east-1:first");
    expect(kept.get(KEPT)).toBe("us-east-1:first");
  });

  it("stays the same on a page, whatever becomes of what the browser remembers", async () => {
    kept.set(KEPT, "us-east-1:old");
    const before = await fetchHere();
    kept.set(KEPT, "us-east-1:another");
    const again = (session: typeof before) => fetchSession(`${web.url}/v1`, null, {}, session);
    expect((await again(before)).identityId).toBe("us-east-1:old");
    const elsewhere = { ...before, identityPoolId: "us-east-1:other" };
    expect((await again(elsewhere)).identityId).toBe("us-east-1:another");
  });

  it("says what is missing where Cognito sends no keys", async () => {
    web.reply = (asked) =>
      asked.method === "POST" ? { body: { IdentityId: "x" } } : answer(asked);
    await expect(fetchHere()).rejects.toThrow(
      'found "undefined", expected a string in AccessKeyId',
    );
  });

  it("is had where storage is forbidden", async () => {
    Object.defineProperty(globalThis, "localStorage", {
      configurable: true,
      get: () => {
        throw new DOMException("The operation is insecure.", "SecurityError");
      },
    });
    expect((await fetchHere()).identityId).toBe("us-east-1:new");
  });
});

describe("a guest is refused", () => {
  it("for good where guests are off", async () => {
    web.reply = () => ({ body: { ...config(), guests: false } });
    await expect(fetchHere()).rejects.toMatchObject({ code: "not_allowed", retryable: false });
  });

  it("for good where there is no Bellwire", async () => {
    web.reply = () => ({ status: 404, body: "nothing here" });
    await expect(fetchHere()).rejects.toMatchObject({ code: "not_found", retryable: false });
  });

  it("for now where a proxy answers instead", async () => {
    web.reply = () => ({ body: "<html>Sign in</html>" });
    await expect(fetchHere()).rejects.toMatchObject({ code: "upstream", retryable: true });
  });

  it("for now where nobody answers", async () => {
    web.reply = () => null;
    await expect(fetchHere()).rejects.toMatchObject({ code: "upstream", retryable: true });
  });

  it("for good where the config lacks something, and says what", async () => {
    web.reply = () => ({ body: { ...config(), iot_url: undefined } });
    await expect(fetchHere()).rejects.toThrow('found "undefined", expected a string in iot_url');
  });
});

// The types that botocore's model of cognito-identity declares for GetId and
// GetCredentialsForIdentity, and one that it does not.
it.each([
  ["InvalidParameterException", "malformed"],
  ["ResourceNotFoundException", "not_found"],
  ["NotAuthorizedException", "not_allowed"],
  ["ResourceConflictException", "conflict"],
  ["TooManyRequestsException", "too_many"],
  ["InternalErrorException", "upstream"],
  ["LimitExceededException", "too_many"],
  ["ExternalServiceException", "upstream"],
  ["InvalidIdentityPoolConfigurationException", "not_allowed"],
  ["com.amazonaws.cognito#NotAuthorizedException", "not_allowed"],
  ["NotAuthorizedException:http://internal.amazon.com/", "not_allowed"],
  ["SomethingNewException", "upstream"],
])("Cognito's %s is %s", (type, code) => {
  const fields = { __type: type, message: "why" };
  expect(cognitoError("GetId", { status: 400, fields })).toMatchObject({ code });
});
