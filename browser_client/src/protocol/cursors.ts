/**
 * Poll cursors: base64url, without padding, of `[1,[["public/a","k3f9x0ab",43],…],crc32]`.
 *
 * Here: positions ↔ cursor. The client mints its own, always from its positions, so that clients
 * at the same place ask for the same URL. Not here: when to poll.
 */
import { isChannel } from "./channels.ts";
import { BellwireError } from "./errors.ts";
import { isCount, isEpoch, type Position } from "./updates.ts";

const MAX_CURSOR_BYTES = 6000;
const MAX_CHANNELS = 50;

/** Write the one canonical cursor for these positions. */
export function encodeCursor(positions: ReadonlyMap<string, Position>): string {
  const rows = [...positions]
    // Names are ASCII: the order of UTF-16 units is the order of bytes.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([channel, { epoch, seq }]) => [channel, epoch, seq]);
  const text = JSON.stringify([1, rows, crc32(JSON.stringify(rows))]);
  return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
}

/**
 * Read a cursor.
 *
 * @throws BellwireError `bad_cursor` when it is damaged or not the canonical spelling.
 */
export function decodeCursor(cursor: string): Map<string, Position> {
  if (cursor.length > MAX_CURSOR_BYTES) throw badCursor(cursor);
  const positions = new Map<string, Position>();
  for (const row of readRows(cursor)) {
    const [channel, epoch, seq] = row;
    if (!isChannel(channel) || !isEpoch(epoch) || !isCount(seq)) throw badCursor(cursor);
    if (epoch === "0" && seq !== 0) throw badCursor(cursor);
    positions.set(channel, { epoch, seq });
  }
  // Writing it again proves version, checksum, order, repeats and spelling in one comparison.
  if (encodeCursor(positions) !== cursor) throw badCursor(cursor);
  return positions;
}

type Row = readonly [channel: string, epoch: string, seq: number];

function readRows(cursor: string): readonly Row[] {
  let value: unknown;
  try {
    value = JSON.parse(atob(cursor.replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    throw badCursor(cursor);
  }
  const rows: unknown = Array.isArray(value) ? value[1] : null;
  const isList = Array.isArray(rows) && rows.length > 0 && rows.length <= MAX_CHANNELS;
  if (!isList || !rows.every(isRow)) throw badCursor(cursor);
  return rows;
}

function isRow(row: unknown): row is Row {
  return (
    Array.isArray(row) &&
    typeof row[0] === "string" &&
    typeof row[1] === "string" &&
    typeof row[2] === "number"
  );
}

function badCursor(cursor: string): BellwireError {
  const found = cursor.length > 80 ? `${cursor.slice(0, 80)}… (${cursor.length} bytes)` : cursor;
  return new BellwireError(
    "bad_cursor",
    `found ${JSON.stringify(found)}, expected the canonical cursor of a poll answer`,
  );
}

/** CRC-32 of ASCII text, unsigned. Source: ISO 3309, as in gzip (RFC 1952, section 8). */
function crc32(text: string): number {
  let crc = ~0;
  for (let index = 0; index < text.length; index++) {
    crc ^= text.charCodeAt(index);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
