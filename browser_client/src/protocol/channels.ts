/**
 * Channel names: which are legal, and the MQTT topic each one has.
 *
 * Not here: who may read a channel; the server decides that.
 */
import { BellwireError } from "./errors.ts";

/** At most 200 bytes and 6 segments, none of them `.` or `..`; at least 2, below user and group 3. */
const CHANNEL =
  /^(?=public\/|(user|group)\/[^/]+\/)(?!.{201}|.*\/\.\.?(\/|$))\w+(\/[\w.:@-]{1,64}){1,5}$/;

/** Tell whether `name` is a legal channel name, such as `public/host`. */
export function isChannel(name: unknown): name is string {
  return matches(CHANNEL, name);
}

/** Tell whether `value` is a text of this pattern. */
export function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** @throws BellwireError `bad_channel` when `name` is no channel name. */
export function checkChannel(name: string): void {
  if (isChannel(name)) return;
  const expected = "public/…, user/… or group/…";
  throw new BellwireError("bad_channel", `found ${JSON.stringify(name)}, expected ${expected}`);
}

/** Return the name that a channel has for everybody: `user/me/inbox` → `user/{identity}/inbox`. */
export function nameInFull(channel: string, identityId: string | undefined): string {
  return channel.replace(/^user\/me\//, `user/${identityId}/`);
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
