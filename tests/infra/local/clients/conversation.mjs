// What the scripts here have in common: settings and commands come in lines, events go out in lines.
import { createHash, createHmac } from "node:crypto";
import { createInterface } from "node:readline";

export const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Read the next line of JSON; undefined when there is none. */
export async function nextLine() {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
}

/** Carry out commands, each by the function of its name, until there are none. */
export async function obey(commands) {
  for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
    await commands[line.do](line);
  }
}

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Presign a WebSocket URL as AWS's documentation shows it, with the clock off by so much. */
export function presign({ url, region, accessKeyId, secretAccessKey, sessionToken }, skewSeconds) {
  const at = new Date(Date.now() + skewSeconds * 1000);
  const now = at.toISOString().replace(/[:-]|\.\d{3}/g, "");
  const scope = `${now.slice(0, 8)}/${region}/iotdevicegateway/aws4_request`;
  const { host, pathname } = new URL(url);
  const query = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    `X-Amz-Credential=${encodeURIComponent(`${accessKeyId}/${scope}`)}`,
    `X-Amz-Date=${now}`,
    "X-Amz-SignedHeaders=host",
  ].join("&");
  const request = ["GET", pathname, query, `host:${host}\n`, "host", sha256("")].join("\n");
  const text = ["AWS4-HMAC-SHA256", now, scope, sha256(request)].join("\n");
  const key = scope.split("/").reduce(hmac, `AWS4${secretAccessKey}`);
  const token = sessionToken ? `&X-Amz-Security-Token=${encodeURIComponent(sessionToken)}` : "";
  return `${url}?${query}&X-Amz-Signature=${hmac(key, text).toString("hex")}${token}`;
}
