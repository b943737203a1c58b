"""Handlers of queues, events, streams and redrive: answers, letters, and whatever else may come."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest

from backend.conftest import RETENTION_S, Clock
from backend.doubles import KeepingBroker
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.changes import Change
from bellwire.errors import BadChannel, BellwireError, Malformed, TooLarge, Upstream
from bellwire.fanout import InlineFanOut, PushableLog
from bellwire.handlers.changes import handle_changes
from bellwire.handlers.doorbells import handle_doorbells
from bellwire.handlers.events import handle_events
from bellwire.handlers.invoke import handle_invoke
from bellwire.handlers.jobs import handle_jobs
from bellwire.handlers.records import LastResort
from bellwire.handlers.redrive import handle_redrive
from bellwire.letters import Addressees, DeadLetter, encode_letter
from bellwire.mappings import rows_as_state
from bellwire.replaying import Replays
from bellwire.sql.log import SqlLog
from bellwire.updates import ORIGIN, Draft
from infra.aws.sample_events import (
    Event,
    bus_event,
    dynamodb_record,
    log_record,
    sqs_record,
)

A = {"channel": "public/a", "op": "event", "data": 1}
GOOD = json.dumps({"updates": [A]})
BAD = json.dumps({"updates": [A, {**A, "channel": "nowhere"}]})
NONE_FAILED: dict[str, Any] = {"batchItemFailures": []}


def failed(*items: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": item} for item in items]}


@dataclass
class Kept:
    """Queues of letters that keep them, or fail."""

    letters: list[DeadLetter] = field(default_factory=list)
    failure: BellwireError | None = None

    def send(self, letter: DeadLetter) -> None:
        if self.failure is not None:
            raise self.failure
        self.letters.append(letter)

    ring_later = send


@dataclass
class Functions:
    """The handlers on one log, as the functions call them."""

    log: PushableLog
    broker: KeepingBroker = field(default_factory=KeepingBroker)
    dead: Kept = field(default_factory=Kept)
    later: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        self.fan_out = InlineFanOut(self.log, self.broker, "dev")

    def resort(self, function: str) -> LastResort:
        return LastResort(function, self.dead)

    def jobs(self, event: object) -> Any:
        return handle_jobs(
            event, log=self.log, fan_out=self.fan_out, last_resort=self.resort("jobs")
        )

    def events(self, event: object, request_id: str = "r-1") -> None:
        handle_events(
            event,
            request_id=request_id,
            log=self.log,
            fan_out=self.fan_out,
            last_resort=self.resort("events"),
        )

    def changes(self, event: object, mapping: Any = rows_as_state) -> Any:
        return handle_changes(
            event,
            mapping=mapping,
            log=self.log,
            fan_out=self.fan_out,
            last_resort=self.resort("changes"),
        )

    def doorbells(self, event: object, **more: Any) -> Any:
        return handle_doorbells(
            event,
            log=self.log,
            broker=self.broker,
            stage="dev",
            later=self.later,
            last_resort=self.resort("doorbells"),
            **more,
        )

    def invoke(self, event: object) -> Any:
        return handle_invoke(event, request_id="a-call", log=self.log, fan_out=self.fan_out)

    def redrive(self, event: object) -> Any:
        nothing: Any = None
        replays = Replays(
            [], nothing, nothing, Addressees("jobs", "events", "lifecycle"), (), lambda: 0
        )
        return handle_redrive(event, replays=replays)

    def last_letter(self) -> tuple[str, object, type[BellwireError]]:
        letter = self.dead.letters[-1]
        return letter.function, letter.payload, type(letter.error)


@pytest.fixture
def functions(sql_log: SqlLog) -> Functions:
    return Functions(sql_log)


class DownLog(SqlLog):
    """A log that cannot be written."""

    def append(self, channel: str, drafts: Any) -> Any:
        raise Upstream(f"{channel} is down: {len(drafts)}")


def test_poison_becomes_a_letter_and_counts_as_done(functions: Functions) -> None:
    records = [sqs_record("m-1", BAD), sqs_record("m-2", GOOD), sqs_record("m-3", "{")]
    assert functions.jobs({"Records": records}) == NONE_FAILED
    assert functions.log.tail("public/a").seq == 1
    (first, second) = functions.dead.letters
    assert (first.function, first.payload) == ("jobs", {"Records": [records[0]]})
    assert isinstance(first.error, BadChannel)
    assert first.error.message.startswith("update 1: ")
    assert second.payload == {"Records": [records[2]]}


def test_what_may_pass_is_reported_with_the_rest_of_its_group(functions: Functions) -> None:
    functions.log.__class__ = DownLog
    records = [sqs_record("a1", GOOD, group="a"), sqs_record("b1", BAD, group="b")]
    records += [sqs_record("a2", BAD, group="a"), sqs_record("b2", GOOD, group="b")]
    assert functions.jobs({"Records": records}) == failed("a1", "a2", "b2")
    assert [letter.payload for letter in functions.dead.letters] == [{"Records": [records[1]]}]


@pytest.mark.parametrize("failure", [Upstream("the queue is away"), TooLarge("too much")])
def test_poison_that_cannot_be_sent_is_reported(functions: Functions, failure: Any) -> None:
    functions.dead.failure = failure
    batch = {"Records": [sqs_record("m-1", BAD), sqs_record("m-2", GOOD)]}
    assert functions.jobs(batch) == failed("m-1")
    assert functions.log.tail("public/a").seq == 1
    with pytest.raises(type(failure)):
        functions.events(bus_event("e-1", {"updates": []}))
    row = dynamodb_record(1, {"n": {"N": "1"}})
    good = dynamodb_record(2, {"n": {"N": "2"}}, new={"n": {"N": "2"}})
    assert functions.changes({"Records": [row, good]}) == failed("1")
    assert functions.log.tail("public/orders") == ORIGIN
    broken = {**log_record(1, "public/a", 1), "eventName": "?"}
    assert functions.doorbells({"Records": [broken, log_record(2, "public/a", 2)]}) == failed("1")


def test_in_a_replay_poison_fails_and_no_second_letter_is_sent(functions: Functions) -> None:
    replay: Event = {"replay": {"request_id": None}}
    assert functions.jobs({"Records": [sqs_record("m", BAD)], **replay}) == failed("m")
    with pytest.raises(Malformed):
        functions.events({**bus_event("e-1", {"updates": []}), **replay})
    row = dynamodb_record(7, {"n": {"N": "1"}})
    assert functions.changes({"Records": [row], **replay}) == failed("7")
    functions.broker.is_down = True
    functions.log.append("public/a", [Draft("event", data=1)])
    ring = log_record(8, "public/a", 1)
    assert functions.doorbells({"Records": [ring], **replay}) == failed("8")
    assert (functions.dead.letters, functions.later.letters) == ([], [])


def test_an_event_is_published_once_however_often_it_comes(functions: Functions) -> None:
    for event_id in ("e-1", "e-1", "e-2"):
        functions.events(bus_event(event_id, A))
    assert functions.log.tail("public/a").seq == 2


def test_a_schedules_constant_input_is_published_once_a_call(functions: Functions) -> None:
    for request_id in ("r-1", "r-1", "r-2"):
        functions.events({"updates": [A]}, request_id)
    assert functions.log.tail("public/a").seq == 2
    functions.events({"updates": [A], "replay": {"request_id": "r-2"}}, "r-3")
    assert functions.log.tail("public/a").seq == 2
    functions.events({"updates": [{**A, "op": "?"}]}, "r-4")
    assert functions.last_letter() == (
        "events",
        {"id": "r-4", "detail": {"updates": [{**A, "op": "?"}]}},
        Malformed,
    )


def test_a_scheduled_event_that_carries_nothing_is_a_dead_letter(functions: Functions) -> None:
    tick = {**bus_event("e-1", {}), "detail-type": "Scheduled Event", "source": "aws.events"}
    functions.events(tick)
    assert functions.last_letter() == ("events", {"id": "e-1", "detail": {}}, BadChannel)


def test_an_event_that_may_pass_is_raised(functions: Functions) -> None:
    functions.log.__class__ = DownLog
    with pytest.raises(Upstream):
        functions.events(bus_event("e-1", A))
    assert functions.dead.letters == []


def row(number: int, **attributes: Any) -> Event:
    keys = {"n": {"N": str(number)}}
    return dynamodb_record(number, keys, new={**keys, **attributes})


def test_rows_are_published_in_order_and_overlapping_batches_do_no_harm(
    functions: Functions,
) -> None:
    rows = [row(n) for n in range(1, 6)]
    for batch in (rows[:3], rows[1:4], rows[:5], rows):
        assert functions.changes({"Records": batch}) == NONE_FAILED
    assert functions.log.tail("public/orders").seq == 5
    assert functions.log.snapshot("public/orders").state == {str(n): {"n": n} for n in range(1, 6)}


def test_a_change_that_may_pass_is_reported_and_nothing_behind_it_is_touched(
    functions: Functions,
) -> None:
    seen: list[str] = []

    def mapping(change: Change) -> list[Any]:
        seen.append(change.id)
        if len(seen) == 2:
            raise Upstream("the mapping asks somebody who is away")
        return []

    assert functions.changes({"Records": [row(n) for n in (11, 12, 13)]}, mapping) == failed("12")
    assert len(seen) == 2


@pytest.mark.parametrize(
    "made", [None, 7, "text", {"channel": "public/a"}, [7], [{**A, "data": {1, 2}}], [A] * 101]
)
def test_what_a_mapping_returns_is_checked(functions: Functions, made: Any) -> None:
    records = [row(1)]
    assert functions.changes({"Records": records}, lambda _: made) == NONE_FAILED
    assert functions.last_letter() == ("changes", {"Records": records}, Malformed)
    assert functions.log.tail("public/a") == ORIGIN


def test_a_mapping_that_makes_nothing_publishes_nothing(functions: Functions) -> None:
    assert functions.changes({"Records": [row(1)]}, lambda _: iter(())) == NONE_FAILED
    assert functions.dead.letters == []


def test_a_doorbell_is_answered_once_a_channel_and_useless_records_are_not(
    functions: Functions,
) -> None:
    asked: list[str] = []
    functions.log.append("public/a", [Draft("event", data=1)])

    def counting(answer: Callable[[str], Any], channels: Any) -> list[Any]:
        asked.extend(channels)
        return [answer(channel) for channel in channels]

    records = [
        log_record(1, "public/a", 10**12 + 1),
        log_record(2, "public/a", 10**30),  # the first head, in the same transaction
        log_record(3, "public/a", 10**30, name="MODIFY"),
        log_record(4, "public/b", 10**12 + 7, name="REMOVE"),
        log_record(5, "public/c", 10**30, name="MODIFY"),
    ]
    assert functions.doorbells({"Records": records}, side_by_side=counting) == NONE_FAILED
    assert asked == ["public/a"]
    assert len(functions.broker.sent) == 1


def test_every_item_of_the_log_on_dynamodb_rings_its_channel(
    dynamodb_log: DynamoDbLog, dynamodb: Any, clock: Clock
) -> None:
    """Blocks, the head, and the fence between two epochs, as their keys come in the stream."""
    for data in range(2):
        dynamodb_log.append("public/a", [Draft("event", data=data), Draft("set", "k", data)])
        clock.advance(RETENTION_S)
    items = dynamodb.scan(TableName="bellwire-log")["Items"]
    assert len(items) == 4
    records = [
        log_record(number, item["channel"]["S"], int(item["n"]["N"]))
        for number, item in enumerate(items, 1)
    ]
    functions = Functions(dynamodb_log)
    for record in records:
        assert functions.doorbells({"Records": [record]}) == NONE_FAILED
    assert [envelope.last for envelope in functions.broker.envelopes()] == [2, 2]
    assert dynamodb_log.snapshot("public/a").state == {"k": 1}


def test_a_doorbell_that_fails_is_put_aside_once(functions: Functions) -> None:
    functions.log.append("public/a", [Draft("event", data=1)])
    functions.broker.is_down = True
    records = [log_record(n, "public/a", 10**12 + n) for n in (1, 2)]
    assert functions.doorbells({"Records": records}) == NONE_FAILED
    (letter,) = functions.later.letters
    assert (letter.function, letter.payload) == ("doorbells", {"Records": records[:1]})
    functions.later.failure = Upstream("the queue is away")
    assert functions.doorbells({"Records": records}) == failed("1")


def queued(received: int) -> Event:
    letter = DeadLetter(
        "doorbells", {"Records": [log_record(1, "public/a", 10**12 + 1)]}, Upstream("x")
    )
    return {"Records": [sqs_record("m-1", encode_letter(letter, 7), received=received)]}


def test_a_doorbell_of_the_queue_is_tried_twenty_times(functions: Functions) -> None:
    functions.log.append("public/a", [Draft("event", data=1)])
    functions.broker.is_down = True
    assert functions.doorbells(queued(19)) == failed("m-1")
    assert functions.dead.letters == []
    assert functions.doorbells(queued(20)) == NONE_FAILED
    record = log_record(1, "public/a", 10**12 + 1)
    assert functions.last_letter() == ("doorbells", {"Records": [record]}, Upstream)
    functions.broker.is_down = False
    assert functions.doorbells(queued(2)) == NONE_FAILED
    assert len(functions.broker.sent) == 1


@pytest.mark.parametrize("body", ["{", "{}", '{"function":"f","requestPayload":{"Records":[]}}'])
def test_a_message_that_holds_no_doorbell_is_a_dead_letter(functions: Functions, body: str) -> None:
    records = [sqs_record("m-1", body)]
    assert functions.doorbells({"Records": records}) == NONE_FAILED
    assert functions.last_letter() == ("doorbells", {"Records": records}, Malformed)


def test_channels_that_no_time_was_left_for_are_put_aside(functions: Functions) -> None:
    for channel in ("public/a", "public/b"):
        functions.log.append(channel, [Draft("event", data=1)])
    times = iter([True, False])
    records = [log_record(1, "public/a", 1), log_record(2, "public/b", 1)]
    answer = functions.doorbells({"Records": records}, has_time=lambda: next(times))
    assert answer == NONE_FAILED
    assert len(functions.broker.sent) == 1
    assert [letter.payload for letter in functions.later.letters] == [{"Records": records[1:]}]


def test_channels_are_answered_side_by_side(functions: Functions) -> None:
    both = Barrier(2)

    class Waiting(KeepingBroker):
        def publish(self, topic: str, payload: bytes) -> None:
            both.wait(timeout=30)  # for the other channel: one after the other would never end
            super().publish(topic, payload)

    functions.broker = Waiting()
    for channel in ("public/a", "public/b"):
        functions.log.append(channel, [Draft("event", data=1)])
    records = [log_record(1, "public/a", 1), log_record(2, "public/b", 1)]
    with ThreadPoolExecutor(2) as pool:
        answer = functions.doorbells({"Records": records}, side_by_side=pool.map)
    assert answer == NONE_FAILED
    assert len(functions.broker.sent) == 2


@pytest.mark.parametrize("most", [0, 1_001, -1, 1.5, "7", True, None, [], {}])
def test_redrive_refuses_a_number_that_is_none(functions: Functions, most: Any) -> None:
    with pytest.raises(Malformed, match="expected max to be 1 to 1000"):
        functions.redrive({"max": most})


def test_redrive_of_nothing(functions: Functions) -> None:
    assert functions.redrive({}) == {"replayed": 0, "failed": 0, "left": 0}
