/** Channel names, against the rows that Python reads too. */
import { describe, expect, it } from "vitest";
import {
  channelOf,
  checkChannel,
  isChannel,
  isPublic,
  topicOf,
} from "../../../browser_client/src/protocol/channels.ts";
import vectors from "../../vectors/channels.json" with { type: "json" };

describe("a channel name", () => {
  it.each(vectors.valid)("$channel is legal, with its topic", ({ channel, topic }) => {
    expect(isChannel(channel)).toBe(true);
    expect(topicOf("dev", channel)).toBe(topic);
    expect(channelOf("dev", topic)).toBe(channel);
  });

  it.each(vectors.invalid)("$name is refused", ({ channel }) => {
    expect(isChannel(channel)).toBe(false);
    expect(() => checkChannel(channel)).toThrow(expect.objectContaining({ code: "bad_channel" }));
  });

  it("is refused when it is no text", () => {
    expect(() => checkChannel(7 as unknown as string)).toThrow(/found 7, expected public/);
  });

  it("is not taken from another stage's topic", () => {
    expect(channelOf("dev", "prod/public/host")).toBeNull();
    expect(channelOf("dev", "devpublic/host")).toBeNull();
  });

  it("tells what a guest may read", () => {
    expect(isPublic("public/host")).toBe(true);
    expect(isPublic("user/me/inbox")).toBe(false);
  });
});
