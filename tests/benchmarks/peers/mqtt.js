import mqtt from "mqtt";

const client = mqtt.connect("wss://example.org/mqtt");
client.on("message", (topic, payload) => console.log(topic, payload.toString()));
client.subscribe("public/host");
