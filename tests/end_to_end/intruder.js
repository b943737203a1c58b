// A member's page that keeps to no rule: a signed socket and MQTT 3.1.1 by hand.
import { AwsClient } from "/aws4fetch.js";

const text = (value) => {
  const bytes = [...new TextEncoder().encode(value)];
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
};
const packet = (first, body) => {
  const length = [];
  for (let left = body.length, more = true; more; ) {
    more = left > 127;
    length.push((left & 127) | (more ? 128 : 0));
    left >>= 7;
  }
  return new Uint8Array([first, ...length, ...body]);
};
const connectPacket = (id) => packet(0x10, [0, 4, 77, 81, 84, 84, 4, 2, 0, 60, ...text(id)]);
const subscribePacket = (id, filter) => packet(0x82, [0, id, ...text(filter), 0]);

/** Open a socket as `clientId`, subscribe to each filter; tell what the broker said to each. */
window.intrude = async ({ url, keys, clientId, filters }) => {
  const signer = new AwsClient({ ...keys, region: "us-east-1", service: "iotdevicegateway" });
  const { url: signed } = await signer.sign(url.replace("ws:", "http:"), {
    method: "GET",
    aws: { signQuery: true },
  });
  const socket = new WebSocket(signed.replace("http:", "ws:"), "mqtt");
  socket.binaryType = "arraybuffer";
  const heard = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => {
    heard.push([...new Uint8Array(data)]);
    wake();
  };
  socket.onclose = () => {
    heard.push("closed");
    wake();
  };
  const next = async (first) => {
    for (;;) {
      const at = heard.findIndex((one) => one === "closed" || one[0] === first);
      if (at >= 0) return heard[at] === "closed" ? "closed" : heard.splice(at, 1)[0];
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  };
  await new Promise((resolve) => {
    socket.onopen = resolve;
    socket.onerror = resolve;
  });
  if (socket.readyState !== WebSocket.OPEN) return { connected: false, granted: {} };
  socket.send(connectPacket(clientId));
  const connack = await next(0x20);
  if (connack === "closed" || connack[3] !== 0) return { connected: false, granted: {} };
  const granted = {};
  for (const [index, filter] of filters.entries()) {
    socket.send(subscribePacket(index + 1, filter));
    const suback = await next(0x90);
    granted[filter] = suback !== "closed" && suback[4] < 0x80;
  }
  window.socket = socket;
  return { connected: true, granted };
};
