"""Updates from queues, events, streams and direct calls: all checked first, published once."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.doubles import KeepingBroker
from backend.test_handlers import json_values
from bellwire.errors import BadChannel, BellwireError, Malformed, TooLarge, Upstream
from bellwire.fanout import InlineFanOut
from bellwire.handlers.invoke import handle_invoke
from bellwire.intake import take_in
from bellwire.ports import Receipt
from bellwire.sql.log import SqlLog
from bellwire.updates import ORIGIN, Position

A = {"channel": "public/a", "op": "event", "data": 1}
B = {"channel": "public/b", "op": "set", "key": "k", "data": None}


@pytest.fixture
def fan_out(sql_log: SqlLog) -> InlineFanOut:
    return InlineFanOut(sql_log, KeepingBroker(), "dev")


def take(log: SqlLog, body: object, source_id: str | None = "m-1") -> list[tuple[str, int, bool]]:
    found = take_in(
        body, source_id=source_id, log=log, fan_out=InlineFanOut(log, KeepingBroker(), "dev")
    )
    return [(one.channel, one.seq, one.duplicate) for one in found]


def ids(log: SqlLog, channel: str) -> list[str | None]:
    start = Position(log.tail(channel).epoch, 0)
    run = log.read_after(channel, start, max_updates=100, max_bytes=10**6)
    return [] if run is None else [update.id for update in run.updates]


def test_a_redelivery_publishes_nothing_twice(sql_log: SqlLog) -> None:
    body = {"updates": [A, B, {**A, "id": "own"}]}
    assert take(sql_log, body) == [
        ("public/a", 1, False),
        ("public/b", 1, False),
        ("public/a", 2, False),
    ]
    assert take(sql_log, body) == [
        ("public/a", 1, True),
        ("public/b", 1, True),
        ("public/a", 2, True),
    ]
    assert ids(sql_log, "public/a") == ["m-1:0", "own"]
    assert ids(sql_log, "public/b") == ["m-1:1"]


def test_one_update_may_come_bare(sql_log: SqlLog) -> None:
    assert take(sql_log, A) == [("public/a", 1, False)]
    assert take(sql_log, {"updates": [A]}) == [("public/a", 1, True)]
    assert take(sql_log, A, "m-2") == [("public/a", 2, False)]


def test_a_direct_call_that_lambda_repeats_publishes_once(
    sql_log: SqlLog, fan_out: InlineFanOut
) -> None:
    replayed = {"updates": [A], "replay": {"request_id": "call-1"}}
    for payload, request_id, seq, is_duplicate in (
        ({"updates": [A]}, "call-1", 1, False),
        ({"updates": [A]}, "call-1", 1, True),
        ({"updates": [A]}, "call-2", 2, False),
        (replayed, "call-3", 1, True),
    ):
        answer = handle_invoke(payload, request_id=request_id, log=sql_log, fan_out=fan_out)
        epoch = sql_log.tail("public/a").epoch
        result = {"channel": "public/a", "epoch": epoch, "seq": seq, "duplicate": is_duplicate}
        assert answer == {"results": [result]}
    assert ids(sql_log, "public/a") == ["call-1:0", "call-2:0"]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (None, Malformed, r'expected \{"updates": \[…\]\} or an update, found'),
        ([A], Malformed, "or an update"),
        ("x", Malformed, "or an update"),
        ({}, BadChannel, "update 0: expected a channel"),
        ({"updates": A}, Malformed, "expected"),
        ({"updates": []}, Malformed, "expected 1 to 100 updates, found 0"),
        ({"updates": [A] * 101}, Malformed, "expected 1 to 100 updates, found 101"),
        ({"updates": [A, 7]}, Malformed, "update 1: expected a JSON object"),
        ({"updates": [A, {**B, "key": None}]}, Malformed, "update 1: expected a key"),
        ({"updates": [A, {**A, "channel": "nowhere/a"}]}, BadChannel, "update 1: "),
        ({"updates": [A, {**A, "channel": "user/alice/a"}]}, BadChannel, "update 1: "),
        ({"updates": [A, {**A, "data": "x" * 102_400}]}, TooLarge, "update 1: "),
        ({"updates": [A, {**A, "id": "a b"}]}, Malformed, "update 1: expected an id"),
        ({"updates": [A], "more": "x" * 1_048_576}, TooLarge, "at most 1048576 bytes"),
        ({"updates": [A], "more": float("nan")}, Malformed, "finite"),
        ({"updates": [A], "more": "\ud800"}, Malformed, "surrogate"),
        ({"updates": [A], "more": 2**53}, Malformed, "integer"),
    ],
)
def test_one_bad_update_and_nothing_is_published(
    sql_log: SqlLog, body: object, kind: type[BellwireError], words: str
) -> None:
    with pytest.raises(kind, match=words) as raised:
        take(sql_log, body)
    assert type(raised.value) is kind
    assert sql_log.tail("public/a") == ORIGIN


def test_a_source_whose_name_is_no_id_is_refused(sql_log: SqlLog) -> None:
    with pytest.raises(Malformed, match="update 0: expected an id"):
        take(sql_log, A, "a source")
    assert take(sql_log, {**A, "id": "own"}, "a source") == [("public/a", 1, False)]


class HalfDown(SqlLog):
    """A log that fails on one channel."""

    failure: BaseException = Upstream("public/a is down")

    def append(self, channel: str, drafts: Any) -> list[Receipt]:
        if channel == "public/a":
            raise self.failure
        return super().append(channel, drafts)


def test_what_may_pass_is_raised_once_the_rest_is_published(sql_log: SqlLog) -> None:
    body = {"updates": [A, B, A]}
    sql_log.__class__ = HalfDown
    with pytest.raises(Upstream, match="public/a is down"):
        take(sql_log, body)
    assert sql_log.tail("public/b").seq == 1
    sql_log.__class__ = SqlLog
    assert take(sql_log, body) == [
        ("public/a", 1, False),
        ("public/b", 1, True),
        ("public/a", 2, False),
    ]


@given(body=json_values, source_id=st.none() | st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_garbage_is_refused_by_the_protocols_errors(
    sql_log: SqlLog, body: Any, source_id: str | None
) -> None:
    with pytest.raises((Malformed, TooLarge)):
        take(sql_log, body, source_id)
