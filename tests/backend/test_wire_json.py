"""What JSON is taken in and how it is written."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import Malformed
from bellwire.wire_json import decode_json, encode_json
from shared_rows import name_of, rows

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53 - 1), 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("row", rows("wire_json", "accepted"), ids=name_of)
def test_what_javascript_reads_unaltered_is_accepted(row: dict[str, str]) -> None:
    assert decode_json(row["text"]) == json.loads(row["text"])


@pytest.mark.parametrize("row", rows("wire_json", "refused"), ids=name_of)
def test_what_javascript_would_alter_is_refused(row: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        decode_json(row["text"])


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(Malformed, match="expected UTF-8, found byte 0xff at 1"):
        decode_json(b'"\xff"')


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert decode_json(encode_json(value)) == value


def test_the_written_form_is_compact_and_unescaped() -> None:
    assert encode_json({"é": [1, None, "\u2028"]}) == '{"é":[1,null,"\u2028"]}'.encode()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**53, "\ud800", {"\ud800": 1}, {1: 2}, object(), b"x"]
)
def test_a_value_that_cannot_cross_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        encode_json(value)
