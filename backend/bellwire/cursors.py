"""The poll cursor: the positions of some channels as one string (protocol §5).

A public format that clients may mint. It carries no identity and no secret, so that clients of
the same channels that are equally far ask the same URL.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.channels import check_channel
from bellwire.errors import BadCursor, Malformed, TooLarge
from bellwire.updates import ORIGIN, Position, check_epoch
from bellwire.wire_json import Json, decode_json, encode_json

MAX_CURSOR_BYTES: Final = 6_000  # so that a request line stays under API Gateway's 10,240
MAX_CHANNELS: Final = 50

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a client is on each of its channels.

    Where the state of a channel is still coming in pages, `pages` holds the last key that came;
    the position is then the first page's.
    """

    positions: Mapping[str, Position]
    pages: Mapping[str, str] = field(default_factory=dict)


def encode_cursor(cursor: Cursor) -> str:
    """Write a cursor as base64url of `[1,[["public/a","k3f9x0ab",43],…],crc32]`.

    A channel whose state is coming in pages has the last key as a fourth element.

    Raises:
        TooLarge: more than 6,000 bytes; fewer channels, or shorter names, fit.
    """
    rows: list[Json] = [
        [channel, position.epoch, position.seq, *_page_of(cursor, channel)]
        for channel, position in sorted(cursor.positions.items(), key=lambda row: row[0].encode())
    ]
    plain = encode_json([_VERSION, rows, binascii.crc32(encode_json(rows))])
    text = urlsafe_b64encode(plain).rstrip(b"=").decode()
    if len(text) > MAX_CURSOR_BYTES:
        raise TooLarge(
            f"expected channels whose cursor has at most {MAX_CURSOR_BYTES} bytes, found"
            f" {len(text)} bytes for {len(rows)} channels; ask for fewer in one request"
        )
    return text


def decode_cursor(text: str) -> Cursor:
    """Read a cursor, its channels in its order.

    Raises:
        BadCursor: damaged, or not exactly what `encode_cursor` writes.
    """
    if len(text) > MAX_CURSOR_BYTES:
        raise BadCursor(f"expected a cursor of at most {MAX_CURSOR_BYTES} bytes, found {len(text)}")
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        cursor = _read(decode_json(urlsafe_b64decode(padded)))
        is_canonical = encode_cursor(cursor) == text
    except (ValueError, Malformed, TooLarge) as error:
        raise BadCursor(
            f"expected a cursor of an earlier answer, found {text[:40]!r}: {error}"
        ) from error
    if not is_canonical:
        raise BadCursor(f"expected a cursor in canonical form, found {text[:40]!r}")
    return cursor


def _page_of(cursor: Cursor, channel: str) -> list[Json]:
    return [cursor.pages[channel]] if channel in cursor.pages else []


def _read(plain: Json) -> Cursor:
    if not isinstance(plain, list) or len(plain) != 3 or plain[0] != _VERSION:
        raise Malformed("expected [1, positions, crc32]")
    rows = plain[1]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_CHANNELS:
        raise Malformed(f"expected 1 to {MAX_CHANNELS} positions")
    read = [_row(row) for row in rows]
    return Cursor(
        {channel: position for channel, position, _ in read},
        {channel: page for channel, _, page in read if page is not None},
    )


def _row(row: Json) -> tuple[str, Position, str | None]:
    match row:
        case [str(channel), str(epoch), int(seq), *rest] if _is_seq(seq) and _is_page(rest):
            if epoch == ORIGIN.epoch and seq != ORIGIN.seq:
                raise Malformed(f"expected seq 0 in epoch 0, found {seq}")
            page = rest[0] if rest else None
            position = Position(check_epoch(epoch), seq)
            return check_channel(channel), position, page if isinstance(page, str) else None
        case _:
            raise Malformed(f"expected [channel, epoch, seq], found {row!r:.80}")


def _is_seq(seq: int) -> bool:
    return seq >= 0 and not isinstance(seq, bool)


def _is_page(rest: list[Json]) -> bool:
    return not rest or (len(rest) == 1 and isinstance(rest[0], str))
