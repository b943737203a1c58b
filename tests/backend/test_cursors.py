"""Cursors against the shared rows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.cursors import Cursor, decode_cursor, encode_cursor
from bellwire.errors import BadCursor, TooLarge
from bellwire.updates import Position
from shared_rows import name_of, rows


@pytest.mark.parametrize("row", rows("cursors", "valid"), ids=name_of)
def test_a_valid_cursor_is_read_and_written(row: dict[str, Any]) -> None:
    positions = {channel: Position(epoch, seq) for channel, epoch, seq, *_ in row["positions"]}
    pages = {channel: page[0] for channel, _, _, *page in row["positions"] if page}
    assert encode_cursor(Cursor(dict(reversed(positions.items())), pages)) == row["cursor"]
    assert decode_cursor(row["cursor"]) == Cursor(positions, pages)


@pytest.mark.parametrize("row", rows("cursors", "invalid"), ids=name_of)
def test_a_damaged_cursor_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(row["cursor"])


@given(st.text(max_size=200))
def test_garbage_is_refused_and_never_a_crash(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(text)


def test_fifty_of_the_longest_names_do_not_fit_one_cursor() -> None:
    tail = "x" * 64 + "/" + "y" * 64 + "/" + "z" * 58
    positions = {f"public/{n:04d}/{tail}": Position("k3f9x0ab", 1) for n in range(50)}
    with pytest.raises(TooLarge, match="ask for fewer"):
        encode_cursor(Cursor(positions))


def test_a_cursor_beyond_the_limit_is_refused_by_its_size() -> None:
    with pytest.raises(BadCursor, match="at most 6000 bytes, found 6001"):
        decode_cursor("A" * 6001)
