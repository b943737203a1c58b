/**
 * Channel names: which are legal, and the MQTT topic each one has.
 *
 * Not here: who may read a channel; the server decides that.
 */
import { BellwireError } from "./errors.ts";

const MAX_NAME_BYTES = 200;
const MAX_SEGMENTS = 6;
const FEWEST_SEGMENTS: Readonly<Record<string, number>> = { public: 2, user: 3, group: 3 };
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9_.:@-]{1,64}$/;
const STAGE = /^[a-z0-9-]{1,16}$/;

/** Tell whether `name` is a legal channel name, such as `public/host`. */
export function isChannel(name: string): boolean {
  const segments = name.split("/");
  const fewest = FEWEST_SEGMENTS[segments[0] as string];
  return (
    fewest !== undefined &&
    segments.length >= fewest &&
    segments.length <= MAX_SEGMENTS &&
    // A legal name is ASCII, so its length is its size in bytes.
    name.length <= MAX_NAME_BYTES &&
    segments.every((segment) => SEGMENT.test(segment))
  );
}

/**
 * Return `name` if it is a channel name.
 *
 * @throws BellwireError `bad_channel` otherwise.
 */
export function checkChannel(name: string): string {
  if (typeof name === "string" && isChannel(name)) return name;
  throw new BellwireError(
    "bad_channel",
    `found ${JSON.stringify(name)}, expected public/…, user/<id>/… or group/<name>/… ` +
      `of at most ${MAX_SEGMENTS} segments [A-Za-z0-9_.:@-]{1,64} and ${MAX_NAME_BYTES} bytes`,
  );
}

/** Tell whether `name` is a stage, the first level of every topic. */
export function isStage(name: string): boolean {
  return STAGE.test(name);
}

/** What the caller's own channels begin with, whoever that is. */
export const OWN = "user/me/";

/** Return the name that a channel has for everybody: `user/me/inbox` → `user/{identity}/inbox`. */
export function nameInFull(channel: string, identityId: string | undefined): string {
  return channel.startsWith(OWN) ? `user/${identityId}/${channel.slice(OWN.length)}` : channel;
}

/** Return the names by which that identity may follow the channel of this full name. */
export function namesOf(channel: string, identityId: string | undefined): string[] {
  const own = `user/${identityId}/`;
  return channel.startsWith(own) ? [channel, OWN + channel.slice(own.length)] : [channel];
}

/** Tell whether a guest may read the channel; all other channels need an identity. */
export function isPublic(channel: string): boolean {
  return channel.startsWith("public/");
}

/** Return the MQTT topic of a channel: `prod` and `public/host` → `prod/public/host`. */
export function topicOf(stage: string, channel: string): string {
  return `${stage}/${channel}`;
}

/** Return the channel of a topic, or null when the topic is not one of this stage. */
export function channelOf(stage: string, topic: string): string | null {
  const name = topic.slice(stage.length + 1);
  return topic === topicOf(stage, name) && isChannel(name) ? name : null;
}
