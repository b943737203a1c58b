/**
 * Channel names: which are legal, and the MQTT topic each one has.
 *
 * Not here: who may read a channel; the server decides that.
 */
import { BellwireError } from "./errors.ts";

/** At most 200 bytes and 6 segments, none of them `.` or `..`; at least 2, below user and group 3. */
const CHANNEL =
  /^(?!.{201}|([^/]*\/){6}|.*\/\.\.?(\/|$))(public|(user|group)\/[\w.:@-]{1,64})(\/[\w.:@-]{1,64})+$/;

/** Tell whether `name` is a legal channel name, such as `public/host`. */
export function isChannel(name: unknown): name is string {
  return typeof name === "string" && CHANNEL.test(name);
}

/**
 * Return `name` if it is a channel name.
 *
 * @throws BellwireError `bad_channel` otherwise.
 */
export function checkChannel(name: string): string {
  if (isChannel(name)) return name;
  throw new BellwireError(
    "bad_channel",
    `found ${JSON.stringify(name)}, expected public/…, user/<id>/… or group/<name>/…`,
  );
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
  const prefix = topicOf(stage, "");
  return topic.startsWith(prefix) ? topic.slice(prefix.length) : null;
}
