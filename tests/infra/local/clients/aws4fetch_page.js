// aws4fetch in a page: one CONNECT on a signed WebSocket by hand, one signed publish.
import { AwsClient } from "/aws4fetch.js";

const CONNECT = (clientId) => [
  0x10, 12 + clientId.length, 0, 4, 77, 81, 84, 84, 4, 2, 0, 60, 0, clientId.length,
  ...new TextEncoder().encode(clientId),
];

window.connect = async ({ url, clientId, ...credentials }) => {
  const gateway = new AwsClient({ ...credentials, service: "iotdevicegateway" });
  const { url: signed } = await gateway.sign(url.replace("ws:", "http:"), {
    method: "GET",
    aws: { signQuery: true },
  });
  const socket = new WebSocket(signed.replace("http:", "ws:"), "mqtt");
  socket.binaryType = "arraybuffer";
  return await new Promise((resolve) => {
    socket.onopen = () => socket.send(new Uint8Array(CONNECT(clientId)));
    socket.onmessage = ({ data }) => {
      resolve({ protocol: socket.protocol, answer: [...new Uint8Array(data)] });
      socket.close();
    };
    socket.onclose = ({ code }) => resolve({ code });
  });
};

window.post = async ({ awsUrl, topic, payload, ...credentials }) => {
  const plane = new AwsClient({ ...credentials, service: "iotdata", retries: 0 });
  const answer = await plane.fetch(`${awsUrl}/topics/${encodeURIComponent(topic)}?qos=1`, {
    method: "POST",
    body: payload,
  });
  return { status: answer.status, answer: await answer.json() };
};
