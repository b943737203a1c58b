// Shows the channel named after the # and, after a click, the one named so with ".other".
import { connect } from "bellwire";
import { useChannel, useStatus, useUpdates } from "bellwire/react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const follows = [];
const client = connect({
  url: "/v1",
  debug: ({ kind, channel }) => {
    if (kind === "ChannelAdded" || kind === "ChannelRemoved") follows.push([kind, channel]);
  },
});
window.reactPage = { client, follows };

function Values({ name }) {
  const { state, isKnown } = useChannel(client, name);
  if (!isKnown) return <p data-testid="values">unknown</p>;
  const values = [...state].map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  return <p data-testid="values">{values.sort().join(", ")}</p>;
}

function Events({ name }) {
  const [events, setEvents] = useState([]);
  useUpdates(client, name, ({ op, data }) => {
    if (op === "event") setEvents((before) => [...before, data]);
  });
  return <p data-testid="events">{events.join(", ")}</p>;
}

function Page() {
  const [name, setName] = useState(location.hash.slice(1));
  const change = () => setName((before) => (before?.endsWith(".other") ? null : `${before}.other`));
  return (
    <>
      <p data-testid="status">{useStatus(client)}</p>
      <Values name={name} />
      <Values name={name} />
      <Events name={name} />
      <button type="button" onClick={change}>
        Next
      </button>
    </>
  );
}

const root = createRoot(document.body);
root.render(
  <StrictMode>
    <Page />
  </StrictMode>,
);
