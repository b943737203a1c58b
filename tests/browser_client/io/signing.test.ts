/** The presigned URL, against the documented algorithm done again with node's own HMAC. */
import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OpenedSession } from "../../../browser_client/src/io/session.ts";
import { signUrl } from "../../../browser_client/src/io/signing.ts";

const noon = Date.UTC(2026, 10, 23, 12, 0, 0);
const session: OpenedSession = {
  stage: "dev",
  region: "us-east-1",
  iotUrl: "ws://127.0.0.1:8081/mqtt",
  identityPoolId: "us-east-1:pool",
  cognitoUrl: "http://127.0.0.1:8082",
  guests: true,
  identityId: "us-east-1:guest",
  groups: [],
  token: null,
  lifetimeMs: 3_600_000,
  skewMs: 0,
  accessKeyId: "ASIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  sessionToken: "a+b/c==",
};

/** Check a URL as the service does: from what it received and the secret. */
function isSignedBy(secret: string, received: URL): boolean {
  const signed = [...received.searchParams].filter(
    ([name]) => name !== "X-Amz-Signature" && name !== "X-Amz-Security-Token",
  );
  const query = signed
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort()
    .join("&");
  const request = [
    "GET",
    received.pathname,
    query,
    `host:${received.host}`,
    "",
    "host",
    sha256(""),
  ];
  const [, ...scope] = (received.searchParams.get("X-Amz-Credential") ?? "").split("/");
  const text = [
    "AWS4-HMAC-SHA256",
    received.searchParams.get("X-Amz-Date"),
    scope.join("/"),
    sha256(request.join("\n")),
  ].join("\n");
  const key = scope.reduce(
    (parent: Buffer, part) => createHmac("sha256", parent).update(part).digest(),
    Buffer.from(`AWS4${secret}`),
  );
  const signature = createHmac("sha256", key).update(text).digest("hex");
  return signature === received.searchParams.get("X-Amz-Signature");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

describe("a presigned URL", () => {
  it("is signed for IoT's WebSocket gateway, with the port in the host", async () => {
    const url = new URL(await signUrl(session, noon));
    expect(url.host).toBe("127.0.0.1:8081");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": "ASIAIOSFODNN7EXAMPLE/20261123/us-east-1/iotdevicegateway/aws4_request",
      "X-Amz-Date": "20261123T120000Z",
      "X-Amz-SignedHeaders": "host",
    });
    expect(isSignedBy(session.secretAccessKey, url)).toBe(true);
    expect(isSignedBy("another secret", url)).toBe(false);
  });

  it("carries the session token last, escaped and not signed", async () => {
    const url = await signUrl(session, noon);
    expect(url).toMatch(/&X-Amz-Signature=[0-9a-f]{64}&X-Amz-Security-Token=a%2Bb%2Fc%3D%3D$/);
  });

  it("signs the bare host where the port is the default one", async () => {
    const iotUrl = "wss://a1b2c3-ats.iot.eu-west-1.amazonaws.com/mqtt";
    const url = new URL(await signUrl({ ...session, iotUrl, region: "eu-west-1" }, noon));
    expect(url.host).toBe("a1b2c3-ats.iot.eu-west-1.amazonaws.com");
    expect(isSignedBy(session.secretAccessKey, url)).toBe(true);
  });

  it("is good for any secret, token and moment", async () => {
    const moment = fc.integer({ min: Date.UTC(2001, 0), max: Date.UTC(2099, 0) });
    const text = fc.string({ minLength: 1, unit: "grapheme-ascii" });
    await fc.assert(
      fc.asyncProperty(text, text, moment, async (secretAccessKey, sessionToken, nowMs) => {
        const url = new URL(await signUrl({ ...session, secretAccessKey, sessionToken }, nowMs));
        expect(isSignedBy(secretAccessKey, url)).toBe(true);
        expect(url.searchParams.get("X-Amz-Security-Token")).toBe(sessionToken);
      }),
      { numRuns: 50 },
    );
  });
});
