/** Poll cursors, against the rows that Python reads too. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeCursor,
  encodeCursor,
  type Place,
} from "../../../browser_client/src/protocol/cursors.ts";
import vectors from "../../vectors/cursors.json" with { type: "json" };

type Row = [channel: string, epoch: string, seq: number, page?: string];

function placesOf(rows: readonly Row[]): Map<string, Place> {
  return new Map(
    rows.map(([channel, epoch, seq, page]) => [
      channel,
      { epoch, seq, ...(page !== undefined && { page }) },
    ]),
  );
}

describe("a cursor", () => {
  it.each(vectors.valid)("$name is written and read", ({ positions, cursor }) => {
    const expected = placesOf(positions as Row[]);
    expect(encodeCursor(expected)).toBe(cursor);
    expect(decodeCursor(cursor)).toEqual(expected);
  });

  it.each(vectors.invalid)("$name is refused", ({ cursor }) => {
    expect(() => decodeCursor(cursor)).toThrow(expect.objectContaining({ code: "bad_cursor" }));
  });

  it("is the same whatever the order of its channels", () => {
    const rows: Row[] = [
      ["public/b", "k3f9x0ab", 2],
      ["public/a", "k3f9x0ab", 1],
    ];
    expect(encodeCursor(placesOf(rows))).toBe(encodeCursor(placesOf(rows.reverse())));
  });

  it("holds the last key of a page as UTF-8, escaped no more than JSON must", () => {
    const key = 'Zürich "é\u2028\u007f\n\u001f\u{1f600}';
    const cursor =
      "WzEsW1sicHVibGljL2EiLCJrM2Y5eDBhYiIsNDMsIlrDvHJpY2ggXCLDqeKAqH9cblx1MDAxZvCfmIAiXV0sMTczOTgxMjAyMF0";
    const places = placesOf([["public/a", "k3f9x0ab", 43, key]]);
    expect(encodeCursor(places)).toBe(cursor);
    expect(decodeCursor(cursor)).toEqual(places);
  });

  it("comes back as it was, for any positions", () => {
    const name = fc.stringMatching(/^public\/[A-Za-z0-9_:@-]{1,20}$/);
    const place = fc.record(
      {
        epoch: fc.stringMatching(/^[a-z0-9]{8,16}$/),
        seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        page: fc.string({ unit: "grapheme", maxLength: 4 }),
      },
      { requiredKeys: ["epoch", "seq"], noNullPrototype: true },
    );
    const entries = fc.uniqueArray(fc.tuple(name, place), {
      minLength: 1,
      maxLength: 20,
      selector: ([channel]) => channel,
    });
    fc.assert(
      fc.property(entries, (rows) => {
        const places = new Map<string, Place>(rows);
        expect(decodeCursor(encodeCursor(places))).toEqual(places);
      }),
    );
  });

  it("is refused, not misread, when it is garbage", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text)).toThrow(expect.objectContaining({ code: "bad_cursor" }));
      }),
    );
  });
});
