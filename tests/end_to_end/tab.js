// One of several tabs: follows channels with the built client and keeps what it was told of each.
import { connect } from "/bellwire.js";

window.start = (names, options) => {
  const told = {};
  const statuses = [];
  const errors = [];
  const pushed = {};
  const pushedMs = [];
  const lost = { count: 0 };
  const moved = { count: 0 };
  const client = connect({
    url: "/v1",
    ...options,
    debug: ({ kind, envelope, isMoved }) => {
      if (kind === "Lost") lost.count++;
      if (kind === "Lost" && isMoved) moved.count++;
      if (kind !== "EnvelopeArrived") return;
      pushed[envelope.channel] = envelope.last;
      pushedMs.push(performance.now());
    },
  });
  const follow = (name) => {
    told[name] = [];
    const channel = client.channel(name);
    channel.on("update", ({ seq }) => told[name].push(seq));
    channel.on("reset", () => told[name].push("reset"));
    return channel;
  };
  client.on("status", (status) => statuses.push(status));
  client.on("error", ({ message }) => errors.push(message));
  const channels = Object.fromEntries(names.map((name) => [name, follow(name)]));
  window.tab = { lost, moved, client, channels, told, statuses, errors, pushed, pushedMs, isFrozen: false };
  document.addEventListener("freeze", () => {
    tab.isFrozen = true;
  });
  document.addEventListener("resume", () => {
    tab.isFrozen = false;
  });
};
