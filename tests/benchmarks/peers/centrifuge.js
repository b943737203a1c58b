import { Centrifuge } from "centrifuge";

const client = new Centrifuge("wss://example.org/connection/websocket");
const host = client.newSubscription("public:host");
host.on("publication", ({ data }) => console.log(data));
host.subscribe();
client.connect();
