/** Updates and envelopes, against the rows that Python reads too. */
import { describe, expect, it } from "vitest";
import { decodeEnvelope } from "../../../browser_client/src/protocol/updates.ts";
import envelopes from "../../vectors/envelopes.json" with { type: "json" };
import updates from "../../vectors/updates.json" with { type: "json" };
import json from "../../vectors/wire_json.json" with { type: "json" };

function envelopeOf(update: unknown): string {
  const seq = (update as { s?: unknown }).s;
  const last = typeof seq === "number" && seq > 0 ? seq : 1;
  return JSON.stringify({
    v: 1,
    c: "public/a",
    e: "k3f9x0ab",
    f: last - 1,
    l: last,
    u: [update],
  });
}

const malformed = expect.objectContaining({ code: "malformed" });

describe("an update", () => {
  it.each(updates.valid)("$name is read as it is", ({ wire }) => {
    expect(decodeEnvelope(envelopeOf(wire))?.updates).toEqual([wire]);
  });

  it.each(updates.ignored_fields)("$name is let pass", ({ wire }) => {
    expect(decodeEnvelope(envelopeOf(wire))?.updates).toEqual([wire]);
  });

  it.each(updates.invalid)("$name is malformed", ({ wire }) => {
    expect(() => decodeEnvelope(envelopeOf(wire))).toThrow(malformed);
  });
});

describe("an envelope", () => {
  it.each(envelopes.valid)("$name is read", ({ wire }) => {
    expect(decodeEnvelope(JSON.stringify(wire))).toEqual({
      channel: wire.c,
      epoch: wire.e,
      after: wire.f,
      last: wire.l,
      updates: wire.u,
    });
  });

  const ofThisVersion = envelopes.invalid.filter(({ wire }) => wire.v === 1);
  it.each(ofThisVersion)("$name is malformed", ({ wire }) => {
    expect(() => decodeEnvelope(JSON.stringify(wire))).toThrow(malformed);
  });

  it("of another version is passed over, whatever else it holds", () => {
    expect(decodeEnvelope('{"v":2,"c":"public/host"}')).toBeNull();
  });

  it.each([
    ["no version", "{}"],
    ["no object", "[1]"],
    ["an empty payload", ""],
    ["no channel", '{"v":1,"e":"k3f9x0ab","f":0,"l":0,"u":[]}'],
    ["a wildcard as channel", '{"v":1,"c":"public/#","e":"k3f9x0ab","f":0,"l":0,"u":[]}'],
  ])("with %s is malformed, and says so", (_, text) => {
    expect(() => decodeEnvelope(text)).toThrow(/^found .*, expected /);
  });
});

// What JSON.parse lets pass (a key twice, a number too large) was refused when it was published.
const letPass = new Set([
  "a float that overflows",
  "an integer beyond 2^53-1",
  "an integer below -(2^53-1)",
  "an integer of 5000 digits",
  "a lone surrogate",
  "a lone surrogate as key",
  "a key twice",
  "a key twice, further down",
  "65 levels",
  "5000 levels",
]);

describe("the JSON of an update's data", () => {
  const around = (text: string) =>
    `{"v":1,"c":"public/a","e":"k3f9x0ab","f":0,"l":1,"u":[{"s":1,"t":0,"o":"event","d":${text}}]}`;

  it.each(json.accepted)("$name is taken", ({ text }) => {
    const [update] = decodeEnvelope(around(text))?.updates ?? [];
    expect(JSON.stringify(update?.d)).toBe(JSON.stringify(JSON.parse(text)));
  });

  const refused = json.refused.filter(({ name }) => !letPass.has(name));
  it.each(refused)("$name is malformed", ({ text }) => {
    expect(() => decodeEnvelope(around(text))).toThrow(malformed);
  });
});
