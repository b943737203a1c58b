import Pusher from "pusher-js";

const client = new Pusher("key", { cluster: "eu" });
client.subscribe("public-host").bind("update", (data) => console.log(data));
