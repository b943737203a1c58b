"""The poll cursor: the positions of some channels as one string (protocol §5).

A public format that clients may mint. It carries no identity and no secret, so that clients of
the same channels that are equally far ask the same URL.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from bellwire.channels import check_channel
from bellwire.errors import BadCursor, Malformed, TooLarge
from bellwire.updates import ORIGIN, Position, check_epoch
from bellwire.wire_json import Json, decode_json, encode_json

MAX_CURSOR_BYTES: Final = 6_000  # so that a request line stays under API Gateway's 10,240
MAX_CHANNELS: Final = 50

_VERSION = 1


def encode_cursor(positions: Mapping[str, Position]) -> str:
    """Write positions as base64url of `[1,[["public/a","k3f9x0ab",43],…],crc32]`.

    Raises:
        TooLarge: more than 6,000 bytes; fewer channels, or shorter names, fit.
    """
    rows: list[Json] = [
        [channel, positions[channel].epoch, positions[channel].seq]
        for channel in sorted(positions, key=str.encode)
    ]
    plain = encode_json([_VERSION, rows, binascii.crc32(encode_json(rows))])
    cursor = urlsafe_b64encode(plain).rstrip(b"=").decode()
    if len(cursor) > MAX_CURSOR_BYTES:
        raise TooLarge(
            f"expected channels whose cursor has at most {MAX_CURSOR_BYTES} bytes, found"
            f" {len(cursor)} bytes for {len(positions)} channels; ask for fewer in one request"
        )
    return cursor


def decode_cursor(cursor: str) -> dict[str, Position]:
    """Read a cursor's positions, in its order.

    Raises:
        BadCursor: damaged, or not exactly what `encode_cursor` writes.
    """
    if len(cursor) > MAX_CURSOR_BYTES:
        raise BadCursor(
            f"expected a cursor of at most {MAX_CURSOR_BYTES} bytes, found {len(cursor)}"
        )
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        positions = _positions(decode_json(urlsafe_b64decode(padded)))
        is_canonical = encode_cursor(positions) == cursor
    except (ValueError, Malformed, TooLarge) as error:
        raise BadCursor(
            f"expected a cursor of an earlier answer, found {cursor[:40]!r}: {error}"
        ) from error
    if not is_canonical:
        raise BadCursor(f"expected a cursor in canonical form, found {cursor[:40]!r}")
    return positions


def _positions(plain: Json) -> dict[str, Position]:
    if not isinstance(plain, list) or len(plain) != 3 or plain[0] != _VERSION:
        raise Malformed("expected [1, positions, crc32]")
    rows = plain[1]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_CHANNELS:
        raise Malformed(f"expected 1 to {MAX_CHANNELS} positions")
    return dict(_position(row) for row in rows)


def _position(row: Json) -> tuple[str, Position]:
    match row:
        case [str(channel), str(epoch), int(seq)] if seq >= 0 and not isinstance(seq, bool):
            if epoch == ORIGIN.epoch and seq != ORIGIN.seq:
                raise Malformed(f"expected seq 0 in epoch 0, found {seq}")
            return check_channel(channel), Position(check_epoch(epoch), seq)
        case _:
            raise Malformed(f"expected [channel, epoch, seq], found {row!r:.80}")
