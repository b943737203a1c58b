// MQTT.js on a URL that `transformWsUrl` signs anew for each connection.
import mqtt from "mqtt";
import { nextLine, obey, presign, tell } from "./conversation.mjs";

const settings = await nextLine();
let connections = 0;

const client = mqtt.connect(settings.url, {
  clientId: settings.clientId,
  protocolId: settings.protocolId,
  protocolVersion: settings.protocolVersion,
  reconnectPeriod: 1100, // AWS takes one CONNECT a second for a client id
  transformWsUrl: () => {
    connections += 1;
    return presign(settings, connections === 1 ? settings.firstSkewSeconds : 0);
  },
});

client.on("connect", (connack) =>
  tell("connected", { connections, assigned: connack.properties?.assignedClientIdentifier }),
);
client.on("error", (error) => tell("error", { message: error.message }));
client.on("close", () => tell("closed"));
client.on("message", (topic, payload, { qos, retain, properties }) =>
  tell("message", {
    topic,
    payload: payload.toString(),
    qos,
    retain,
    contentType: properties?.contentType,
    userProperties: properties?.userProperties,
  }),
);

await obey({
  subscribe: async ({ topic, qos }) => {
    const granted = await client.subscribeAsync(topic, { qos });
    tell("subscribed", { granted: granted.map((one) => one.qos) });
  },
  unsubscribe: async ({ topic }) => {
    await client.unsubscribeAsync(topic);
    tell("unsubscribed");
  },
  publish: async ({ topic, payload, qos, retain, properties }) => {
    await client.publishAsync(topic, payload, { qos, retain, properties });
    tell("published");
  },
  cut: () => client.stream.destroy(),
});
await client.endAsync();
