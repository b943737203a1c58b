// Reads one hex-encoded packet a line and prints what npm `mqtt-packet` makes of it and writes again.
import { createInterface } from "node:readline";
import mqtt from "mqtt-packet";

const text = (value) => (value === undefined || value === null ? null : value.toString("hex"));

for await (const line of createInterface({ input: process.stdin })) {
  const parser = mqtt.parser({ protocolVersion: 4 });
  const seen = [];
  parser.on("packet", (packet) => seen.push(packet));
  parser.on("error", (error) => seen.push({ cmd: `error: ${error.message}` }));
  parser.parse(Buffer.from(line, "hex"));
  const packet = seen[0] ?? { cmd: "nothing" };
  console.log(
    JSON.stringify({
      cmd: packet.cmd,
      count: seen.length,
      topic: packet.topic ?? null,
      payload: text(packet.payload),
      messageId: packet.messageId ?? null,
      clientId: packet.clientId ?? null,
      again: packet.cmd.startsWith("error") ? null : mqtt.generate(packet).toString("hex"),
    }),
  );
}
