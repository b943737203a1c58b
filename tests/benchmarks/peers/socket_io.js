import { io } from "socket.io-client";

const client = io("wss://example.org");
client.on("public/host", (data) => console.log(data));
