/**
 * Poll cursors: base64url, without padding, of `[1,[["public/a","k3f9x0ab",43],…],crc32]`.
 *
 * Here: places ↔ cursor. The client mints its own, always from what it has, so that clients at the
 * same place ask for the same URL. Not here: when to poll.
 */
import { isChannel } from "./channels.ts";
import { BellwireError } from "./errors.ts";
import { isCount, isEpoch, type Position } from "./updates.ts";
import { utf8Decoder, utf8Encoder } from "./utf8.ts";

/** Where a channel is asked from: a position, or on from the last key of a state that is coming. */
export interface Place extends Position {
  /** The row's fourth element; the position is then the one of the state. */
  readonly page?: string | null;
}

export const MAX_CURSOR_BYTES = 6000;
export const MAX_CHANNELS = 50;

/** Write the one canonical cursor for these places. */
export function encodeCursor(places: ReadonlyMap<string, Place>): string {
  const rows = [...places]
    // Names are ASCII: the order of UTF-16 units is the order of bytes.
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([channel, { epoch, seq, page }]) => [
      channel,
      epoch,
      seq,
      ...(page == null ? [] : [page]),
    ]);
  const bytes = utf8Encoder.encode(JSON.stringify(rows));
  // One character for each byte, as `btoa` wants it.
  return btoa(`[1,${String.fromCharCode(...bytes)},${crc32(bytes)}]`)
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

function fromBytes(bytes: string): string {
  return utf8Decoder.decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

/**
 * Read a cursor.
 *
 * @throws BellwireError `bad_cursor` when it is damaged or not the canonical spelling.
 */
export function decodeCursor(cursor: string): Map<string, Place> {
  if (cursor.length > MAX_CURSOR_BYTES) throw badCursor(cursor);
  const places = new Map<string, Place>();
  for (const row of readRows(cursor)) {
    const [channel, epoch, seq, ...page] = row;
    if (!isChannel(channel) || !isEpoch(epoch) || !isCount(seq)) throw badCursor(cursor);
    if (epoch === "0" && seq !== 0) throw badCursor(cursor);
    places.set(channel, { epoch, seq, ...(page.length > 0 && { page: page[0] as string }) });
  }
  // Writing it again proves version, checksum, order, repeats and spelling in one comparison.
  if (encodeCursor(places) !== cursor) throw badCursor(cursor);
  return places;
}

type Row = readonly [channel: string, epoch: string, seq: number, page?: string];

function readRows(cursor: string): readonly Row[] {
  let value: unknown;
  try {
    value = JSON.parse(fromBytes(atob(cursor.replace(/-/g, "+").replace(/_/g, "/"))));
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
    typeof row[2] === "number" &&
    (row.length === 3 || typeof row[3] === "string")
  );
}

function badCursor(cursor: string): BellwireError {
  const found = cursor.length > 80 ? `${cursor.slice(0, 80)}… (${cursor.length} bytes)` : cursor;
  return new BellwireError(
    "bad_cursor",
    `found ${JSON.stringify(found)}, expected the canonical cursor of a poll answer`,
  );
}

/** CRC-32 of bytes, unsigned. Source: ISO 3309, as in gzip (RFC 1952, section 8). */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
