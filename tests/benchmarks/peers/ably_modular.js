import { BaseRealtime, FetchRequest, WebSocketTransport } from "ably/modular";

const client = new BaseRealtime({
  authUrl: "/token",
  plugins: { FetchRequest, WebSocketTransport },
});
client.channels.get("public:host").subscribe(({ data }) => console.log(data));
