/** Poll cursors, against the rows that Python reads too. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCursor, encodeCursor } from "../../../browser_client/src/protocol/cursors.ts";
import type { Position } from "../../../browser_client/src/protocol/updates.ts";
import vectors from "../../vectors/cursors.json" with { type: "json" };

type Row = [channel: string, epoch: string, seq: number];

function positionsOf(rows: readonly Row[]): Map<string, Position> {
  return new Map(rows.map(([channel, epoch, seq]) => [channel, { epoch, seq }]));
}

describe("a cursor", () => {
  it.each(vectors.valid)("$name is written and read", ({ positions, cursor }) => {
    const expected = positionsOf(positions as Row[]);
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
    expect(encodeCursor(positionsOf(rows))).toBe(encodeCursor(positionsOf(rows.reverse())));
  });

  it("comes back as it was, for any positions", () => {
    const name = fc.stringMatching(/^public\/[A-Za-z0-9_:@-]{1,20}$/);
    const position = fc.record({
      epoch: fc.stringMatching(/^[a-z0-9]{8,16}$/),
      seq: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    });
    const entries = fc.uniqueArray(fc.tuple(name, position), {
      minLength: 1,
      maxLength: 50,
      selector: ([channel]) => channel,
    });
    fc.assert(
      fc.property(entries, (rows) => {
        const positions = new Map(rows);
        expect(decodeCursor(encodeCursor(positions))).toEqual(positions);
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
