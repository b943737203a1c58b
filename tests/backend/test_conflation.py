"""Conflation against the shared rows, and against the meaning it must keep."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.conflation import conflate
from bellwire.updates import Update, decode_update, encode_update, fold
from shared_rows import name_of, rows


@pytest.mark.parametrize("row", rows("conflation", "rows"), ids=name_of)
def test_survivors(row: dict[str, Any]) -> None:
    survivors = conflate(decode_update(update) for update in row["run"])
    assert [encode_update(update) for update in survivors] == row["survivors"]


@given(st.lists(st.tuples(st.sampled_from(["event", "set", "delete"]), st.sampled_from("xyz"))))
def test_the_truth_is_kept_and_no_key_stands_twice(steps: list[tuple[str, str]]) -> None:
    run = [
        Update(n, op, None if op == "event" else key, None if op == "delete" else n)
        for n, (op, key) in enumerate(steps, start=1)
    ]
    survivors = conflate(run)
    keys = [u.key for u in survivors if u.key is not None]
    assert fold({"x": 0}, survivors) == fold({"x": 0}, run)
    assert [u for u in survivors if u.op == "event"] == [u for u in run if u.op == "event"]
    assert len(keys) == len(set(keys))
    assert [u.seq for u in survivors[-1:]] == [u.seq for u in run[-1:]]
