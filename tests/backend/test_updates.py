"""Updates and envelopes on the wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import Malformed, TooLarge
from bellwire.updates import (
    Draft,
    Envelope,
    Update,
    check_draft,
    decode_envelope,
    decode_update,
    encode_envelope,
    encode_update,
    fold,
    split_envelope,
)
from shared_rows import name_of, rows


@pytest.mark.parametrize("row", rows("updates", "valid"), ids=name_of)
def test_a_valid_update_is_read(row: dict[str, Any]) -> None:
    update = decode_update(row["wire"])
    if update.op in ("event", "set", "delete"):
        assert encode_update(update) == row["wire"]
    else:
        assert (update.seq, update.op) == (6, "merge")


@pytest.mark.parametrize("row", rows("updates", "ignored_fields"), ids=name_of)
def test_unknown_fields_are_ignored(row: dict[str, Any]) -> None:
    assert decode_update(row["wire"]) == decode_update(row["same_as"])


@pytest.mark.parametrize("row", rows("updates", "invalid"), ids=name_of)
def test_an_invalid_update_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        decode_update(row["wire"])


@pytest.mark.parametrize("row", rows("envelopes", "valid"), ids=name_of)
def test_a_valid_envelope_comes_back_the_same(row: dict[str, Any]) -> None:
    envelope = decode_envelope(json.dumps(row["wire"]).encode())
    assert json.loads(encode_envelope(envelope)) == row["wire"]


@pytest.mark.parametrize("row", rows("envelopes", "invalid"), ids=name_of)
def test_an_invalid_envelope_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        decode_envelope(json.dumps(row["wire"]).encode())


@pytest.mark.parametrize(
    "draft",
    [
        Draft("merge"),  # type: ignore[arg-type] # what a caller without types may send
        Draft("event", key="k"),
        Draft("set"),
        Draft("set", key="é" * 129),
        Draft("delete", key="k", data=1),
        Draft("event", id="a b"),
        Draft("event", data=2**53),
    ],
)
def test_a_draft_that_cannot_be_published_is_refused(draft: Draft) -> None:
    with pytest.raises(Malformed):
        check_draft(draft)


def test_the_largest_draft_counts_its_envelope_fields() -> None:
    check_draft(Draft("event", data="x" * 102_300))
    with pytest.raises(TooLarge, match="at most 102400 bytes, found 1024"):
        check_draft(Draft("event", data="x" * 102_400))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 400)), min_size=1, max_size=30),
    st.integers(1_000, 4_000),
)
def test_pieces_cover_the_same_numbers_within_the_size(
    steps: list[tuple[int, int]], max_bytes: int
) -> None:
    seq, updates = 10, []
    for step, size in steps:
        seq += step
        updates.append(Update(seq, "event", data="é" * (size // 2), at_ms=1))
    pieces = split_envelope(Envelope("public/a", "aaaaaaaa", 10, seq, tuple(updates)), max_bytes)
    assert all(len(encode_envelope(piece)) <= max_bytes for piece in pieces)
    assert [piece.after for piece in pieces] == [10, *(piece.last for piece in pieces[:-1])]
    assert pieces[-1].last == seq
    assert [u for piece in pieces for u in piece.updates] == updates
    for piece in pieces:
        assert decode_envelope(encode_envelope(piece)) == piece


def test_fold_sets_deletes_and_leaves_the_rest() -> None:
    run = [
        Update(1, "set", "a", 1),
        Update(2, "event", data=5),
        Update(3, "delete", "b"),
        Update(4, "merge", "a", 9),
        Update(5, "delete", "absent"),
    ]
    assert fold({"b": 2, "c": 3}, run) == {"a": 1, "c": 3}
