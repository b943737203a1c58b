// Reads lines of {version, hex} and prints what npm `mqtt-packet` makes of each packet, and how it
// writes the packet again.
import { createInterface } from "node:readline";
import mqtt from "mqtt-packet";

const hexInsteadOfBuffers = (_key, value) =>
  value?.type === "Buffer" ? { hex: Buffer.from(value.data).toString("hex") } : value;

const write = (packet, version) => {
  try {
    return mqtt.generate(packet, { protocolVersion: version }).toString("hex");
  } catch (error) {
    return `error: ${error.message}`;
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const { version, hex } = JSON.parse(line);
  const parser = mqtt.parser({ protocolVersion: version });
  const seen = [];
  const errors = [];
  parser.on("packet", (packet) => seen.push(packet));
  parser.on("error", (error) => errors.push(error.message));
  parser.parse(Buffer.from(hex, "hex"));
  const again = seen.length === 1 ? write(seen[0], version) : null;
  console.log(JSON.stringify({ seen, errors, again }, hexInsteadOfBuffers));
}
