// aws4fetch in Node: signs the WebSocket's URL for MQTT.js and a publish over HTTPS.
import { AwsClient } from "aws4fetch";
import mqtt from "mqtt";
import { nextLine, obey, tell } from "./conversation.mjs";

const { url, awsUrl, clientId, ...credentials } = await nextLine();
const gateway = new AwsClient({ ...credentials, service: "iotdevicegateway" });
const { url: signed } = await gateway.sign(url.replace("ws:", "http:"), {
  method: "GET",
  aws: { signQuery: true },
});
const client = mqtt.connect(signed.replace("http:", "ws:"), { clientId, reconnectPeriod: 0 });
client.on("connect", () => tell("connected"));
client.on("close", () => tell("closed"));
client.on("message", (topic, payload) => tell("message", { topic, payload: payload.toString() }));

await obey({
  subscribe: async ({ topic }) => {
    await client.subscribeAsync(topic);
    tell("subscribed");
  },
  post: async ({ topic, payload }) => {
    const plane = new AwsClient({ ...credentials, service: "iotdata", retries: 0 });
    const answer = await plane.fetch(`${awsUrl}/topics/${encodeURIComponent(topic)}?qos=1`, {
      method: "POST",
      body: payload,
    });
    tell("posted", { status: answer.status, answer: await answer.json() });
  },
});
await client.endAsync();
