// The AWS IoT Device SDK v1 for JavaScript, which signs by itself and asks for `mqttv3.1` and knows TLS only.
import awsIot from "aws-iot-device-sdk";
import { nextLine, obey, tell } from "./conversation.mjs";

const settings = await nextLine();
const device = awsIot.device({
  protocol: "wss",
  host: settings.host,
  port: settings.port,
  region: settings.region,
  clientId: settings.clientId,
  accessKeyId: settings.accessKeyId,
  secretKey: settings.secretAccessKey,
  sessionToken: settings.sessionToken,
  ...settings.more,
});

device.on("connect", () => tell("connected"));
device.on("error", (error) => tell("error", { message: error.message }));
device.on("close", () => tell("closed"));
device.on("message", (topic, payload) => tell("message", { topic, payload: payload.toString() }));

const called = (call) =>
  new Promise((resolve, reject) =>
    call((error, result) => (error ? reject(error) : resolve(result))),
  );

await obey({
  subscribe: async ({ topic, qos }) => {
    const granted = await called((done) => device.subscribe(topic, { qos }, done));
    tell("subscribed", { granted: granted.map((one) => one.qos) });
  },
  unsubscribe: async ({ topic }) => {
    await called((done) => device.unsubscribe(topic, done));
    tell("unsubscribed");
  },
  publish: async ({ topic, payload, qos }) => {
    await called((done) => device.publish(topic, payload, { qos }, done));
    tell("published");
  },
});
device.end(true, () => process.exit(0));
