"""Changes of somebody's own table or stream, and the mapping that is built in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.test_handlers import json_values
from bellwire.changes import Change, decode_change, sequence_number_of
from bellwire.errors import Malformed
from bellwire.mappings import load_mapping, rows_as_state
from bellwire.wire_json import Json
from infra.aws.sample_events import dynamodb_record, expired, kinesis_record

KEYS = {"order": {"S": "a-17"}}
ROW = {
    **KEYS,
    "total": {"N": "12.50"},
    "count": {"N": "-3"},
    "paid": {"BOOL": False},
    "note": {"NULL": True},
    "photo": {"B": "aGVsbG8="},
    "tags": {"SS": ["x", "y"]},
    "sizes": {"NS": ["1", "2.5"]},
    "blobs": {"BS": ["aGVsbG8="]},
    "address": {"M": {"lines": {"L": [{"S": "1 Any Street"}, {"N": "1E+2"}]}}},
}
PLAIN: dict[str, Json] = {
    "order": "a-17",
    "total": 12.5,
    "count": -3,
    "paid": False,
    "note": None,
    "photo": "aGVsbG8=",
    "tags": ["x", "y"],
    "sizes": [1, 2.5],
    "blobs": ["aGVsbG8="],
    "address": {"lines": ["1 Any Street", 100.0]},
}


def test_a_row_becomes_plain_values() -> None:
    record = dynamodb_record(111, KEYS, new=ROW)
    assert decode_change(record) == Change(
        source="dynamodb",
        kind="insert",
        origin="orders",
        keys={"order": "a-17"},
        new=PLAIN,
        old=None,
        id=record["eventID"],
    )
    assert sequence_number_of(record) == "111"
    modified = decode_change(dynamodb_record(112, KEYS, name="MODIFY", new=ROW, old=KEYS))
    assert (modified.kind, modified.old) == ("modify", {"order": "a-17"})
    removed = dynamodb_record(113, KEYS, name="REMOVE", old=ROW)
    assert (decode_change(removed).new, decode_change(removed).is_expiry) == (None, False)


def test_a_row_that_expired_is_told_apart() -> None:
    change = decode_change(expired(dynamodb_record(113, KEYS, old=ROW)))
    assert (change.kind, change.is_expiry) == ("remove", True)


def test_a_record_of_kinesis_holds_json() -> None:
    record = kinesis_record(49590338271490256608559692538361571095921575989136588898, {"a": [1]})
    assert decode_change(record) == Change(
        source="kinesis",
        kind="data",
        origin="clicks",
        keys={"partition_key": "a"},
        new={"a": [1]},
        old=None,
        id="shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
    )
    consumer = {**record, "eventSourceARN": record["eventSourceARN"] + "/consumer/fast:1"}
    assert decode_change(consumer).origin == "clicks"
    with pytest.raises(Malformed, match="expected JSON"):
        decode_change(kinesis_record(1, b"{"))
    record["kinesis"]["data"] = "é"
    with pytest.raises(Malformed, match="base64"):
        decode_change(record)


@pytest.mark.parametrize(
    "attribute",
    [
        {},
        {"S": 1},
        {"N": "x"},
        {"N": 1},
        {"BOOL": "true"},
        {"NULL": False},
        {"X": "y"},
        7,
        {"L": 1},
    ],
)
def test_an_attribute_that_is_none_is_refused(attribute: object) -> None:
    with pytest.raises(Malformed):
        decode_change(dynamodb_record(1, KEYS, new={"a": attribute}))


@given(
    st.sampled_from(["dynamodb", "kinesis", "eventName", "eventID", "eventSourceARN"]), json_values
)
def test_any_record_is_read_or_refused(part: str, value: Any) -> None:
    for record in (dynamodb_record(1, KEYS, new=ROW), kinesis_record(1, {})):
        try:
            decode_change({**record, part: value})
        except Malformed:
            continue


@given(json_values)
def test_any_image_is_read_or_refused(value: Any) -> None:
    try:
        decode_change(dynamodb_record(1, KEYS, new=value, old=value))
    except Malformed:
        return


def test_rows_are_the_state_of_a_public_channel() -> None:
    insert = decode_change(dynamodb_record(1, KEYS, new=KEYS))
    assert rows_as_state(insert) == [
        {"channel": "public/orders", "op": "set", "key": "a-17", "data": {"order": "a-17"}}
    ]
    gone = {"channel": "public/orders", "op": "delete", "key": "a-17"}
    assert rows_as_state(decode_change(dynamodb_record(2, KEYS, name="REMOVE"))) == [gone]
    assert rows_as_state(decode_change(expired(dynamodb_record(2, KEYS)))) == [gone]


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"n": {"N": "3"}}, "3"),
        ({"n": {"S": "3"}}, "3"),
        ({"b": {"N": "3"}, "a": {"S": "a-17"}}, '["a-17",3]'),
        ({"b": {"S": "3"}, "a": {"S": '"'}}, '["\\"","3"]'),
    ],
)
def test_the_key_of_a_row_is_text(keys: dict[str, Any], key: str) -> None:
    change = decode_change(dynamodb_record(1, keys, new=keys))
    assert rows_as_state(change)[0]["key"] == key


def test_rows_need_a_table_with_new_images() -> None:
    with pytest.raises(Malformed, match="NEW_IMAGE"):
        rows_as_state(decode_change(dynamodb_record(1, KEYS)))
    with pytest.raises(Malformed, match="expected a row of a table, found a record of clicks"):
        rows_as_state(decode_change(kinesis_record(1, {})))


def test_a_mapping_is_found_by_its_name() -> None:
    assert load_mapping("bellwire.mappings:rows_as_state") is rows_as_state
    assert load_mapping("json:loads").__name__ == "loads"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", 'as "module:function", found'),
        ("rows_as_state", 'as "module:function", found'),
        (":f", 'as "module:function", found'),
        ("m:", 'as "module:function", found'),
        ("no.such.module:f", "expected to import no.such.module for 'no.such.module:f'"),
        ("json:no_such", "expected 'json:no_such' to be a function, found None"),
        ("math:pi", "expected 'math:pi' to be a function, found 3.14"),
        ("..:f", "expected to import .. for"),
    ],
)
def test_a_mapping_that_is_none_is_refused(name: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        load_mapping(name)
