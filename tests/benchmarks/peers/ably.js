import { Realtime } from "ably";

const client = new Realtime({ authUrl: "/token" });
client.channels.get("public:host").subscribe(({ data }) => console.log(data));
