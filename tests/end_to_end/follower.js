// Follows the channel named after the # and keeps whatever the client tells, in its order; over a
// socket of the page's own, whose frames the tests get to see.
import { connect } from "/bellwire.js";

const arrived = { envelopes: 0, answers: 0 };
const client = connect({
  url: "/v1",
  tabs: false,
  debug: ({ kind }) => {
    if (kind === "EnvelopeArrived") arrived.envelopes++;
    if (kind === "AnswerArrived") arrived.answers++;
  },
});
const channel = client.channel(location.hash.slice(1));
const told = [];
const statuses = [client.status];
const errors = [];
channel.on("update", ({ seq, op, key = null, data = null }) => told.push([seq, op, key, data]));
channel.on("reset", () => told.push("reset"));
client.on("status", (status) => statuses.push(status));
client.on("error", (error) => errors.push(error.message));
window.follower = { client, channel, told, statuses, errors, arrived };
