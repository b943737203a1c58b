// Somebody's page: follows channels with the built client and keeps what it was told, by channel;
// over a socket of the page's own, whose frames the tests get to see.
import { connect } from "/bellwire.js";

const told = {};
const statuses = [];
const errors = [];
const follow = (client, name) => {
  told[name] = [];
  const channel = client.channel(name);
  channel.on("update", ({ data }) => told[name].push(data));
  channel.on("reset", () => told[name].push("reset"));
  return channel;
};

window.start = (token, names, session) => {
  const client = connect({ url: "/v1", tabs: false, ...(token && { token }), ...(session && { session }) });
  client.on("status", (status) => statuses.push(status));
  client.on("error", ({ code, message, channel }) => errors.push({ code, message, channel }));
  const channels = Object.fromEntries(names.map((name) => [name, follow(client, name)]));
  window.person = { client, channels, told, statuses, errors, follow: (name) => follow(client, name) };
};
