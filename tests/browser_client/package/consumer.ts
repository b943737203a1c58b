/** An application in TypeScript that uses every name of the package; it is compiled, not run. */
import {
  BellwireError,
  type Channel,
  type ChannelEvents,
  type Client,
  type ClientEvents,
  type ConnectOptions,
  connect,
  type DebugEffect,
  type DebugEvent,
  type ErrorCode,
  type Identity,
  type Position,
  type Present,
  type Status,
  type Token,
  type Update,
  type Wish,
} from "bellwire";
import { connect as connectAlone } from "bellwire/core";
import {
  type ChannelView,
  type ClientOrNone,
  useChannel,
  useStatus,
  useUpdates,
} from "bellwire/react";

const token: Token = async () => "a login";
const session: Wish = { provider: "graph.facebook.com", channels: ["public/host"] };
const kinds: (DebugEvent | DebugEffect)["kind"][] = [];
const options: ConnectOptions = {
  url: "/v1",
  token,
  session,
  debug: ({ kind }) => kinds.push(kind),
};

const client: Client = connect(options);
const status: Status = client.status;
const transport: "push" | "poll" | null = client.transport;
const identity: Identity | null = client.identity;
const groups: readonly string[] = identity?.groups ?? [];
const stop: () => void = client.on("status", (now: Status) => now === "live" && stop());
client.on("error", ({ code, message, channel, retryable, retryAfterMs }: BellwireError) => {
  const told: [ErrorCode, string, string | undefined, boolean, number] = [
    code,
    message,
    channel,
    retryable,
    retryAfterMs,
  ];
  return told;
});
const present: Promise<readonly Present[]> = client.presence("public/host");
client.login("another login");
client.logout();

const channel: Channel = client.channel("public/host");
const position: Position | null = channel.position;
const state: ReadonlyMap<string, unknown> = channel.state;
channel.on("update", ({ channel, epoch, seq, op, key, data, at, id }: Update) => {
  const place: [string, string, number, "event" | "set" | "delete"] = [channel, epoch, seq, op];
  const rest: [string | undefined, unknown, number | undefined, string | undefined] = [
    key,
    data,
    at,
    id,
  ];
  return [place, rest];
});
channel.on("state", (now: ChannelEvents["state"]) => now.size);
channel.on("reset", () => {});
channel.close();
client.close();

const either: ClientOrNone[] = [client, connectAlone({ url: "/v1" }), null, undefined];
export function Component(): unknown {
  const view: ChannelView = useChannel(client, "public/host");
  const reason: ErrorCode | undefined = view.error?.code;
  useUpdates(either[1], null, (update: Update) => update.seq);
  useUpdates(
    client,
    "public/news",
    () => {},
    () => {},
  );
  const now: ClientEvents["status"] = useStatus(null);
  return [view.state.get("cpu"), view.isKnown, reason, now];
}
export const used = [status, transport, groups, present, position, state];

// @ts-expect-error no such event
client.on("closed", () => {});
// @ts-expect-error no such event
channel.on("message", () => {});
// @ts-expect-error no such status
export const isOpen = client.status === "open";
// @ts-expect-error a state is not to be changed
channel.state.set("cpu", 1);
// @ts-expect-error no url
connect({});
// @ts-expect-error no such option
connect({ url: "/v1", retries: 3 });
// @ts-expect-error no name
export const useNothing = () => useChannel(client);
// @ts-expect-error a status is no channel's
export const useWrongly = () => useStatus(channel);
// @ts-expect-error no such code
export const wrong = new BellwireError("broken", "found nothing");
