"""The model of AWS's event sources keeps AWS's rules, one by one."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.aws.event_sources import (
    AsynchronousSource,
    Killed,
    Queue,
    QueueSource,
    StreamSource,
    World,
    reported_items,
)
from infra.aws.sample_events import TABLE_ARN, dynamodb_record

WHOLE = None


class Scripted:
    """A function that answers as it is told, call by call; afterwards it succeeds."""

    def __init__(self, world: World, *answers: Any) -> None:
        self._world = world
        self._began_s = world.now_s
        self._answers = list(answers)
        self.calls: list[tuple[float, list[str]]] = []

    def __call__(self, event: Any, request_id: str) -> Any:
        records = event.get("Records", [])
        names = [one["body"] if "body" in one else _number(one) for one in records]
        self.calls.append((self._world.now_s - self._began_s, names or [request_id]))
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, type):
            raise answer
        return answer


def _number(record: Any) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def failed(*items: object) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": item} for item in items]}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, set()),
        ({}, set()),
        ({"other": 1}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        (failed("b"), {"b"}),
        (failed("a", "b"), {"a", "b"}),
        (failed(""), WHOLE),
        (failed(None), WHOLE),
        (failed("unknown"), WHOLE),
        (failed("a", "unknown"), WHOLE),
        (failed(["a"]), WHOLE),
        ({"batchItemFailures": [{"itemId": "a"}]}, WHOLE),
        ({"batchItemFailures": ["a"]}, WHOLE),
        ({"batchItemFailures": "a"}, WHOLE),
        ("no object", WHOLE),
        ([], WHOLE),
    ],
)
def test_what_an_answer_reports(answer: object, expected: object) -> None:
    assert reported_items(answer, ["a", "b"]) == expected


def of_queue(*answers: Any, is_fifo: bool = False, dead_after: int = 5) -> tuple[Any, ...]:
    world = World()
    dead = Queue(world, "dead", is_fifo=is_fifo)
    queue = Queue(world, "q", is_fifo=is_fifo, visibility_s=30, max_received=dead_after, dead=dead)
    function = Scripted(world, *answers)
    QueueSource(world, queue, function, 10)
    return world, queue, dead, function


@pytest.mark.parametrize("failure", [RuntimeError, Killed, failed("unknown"), "no object"])
def test_a_batch_that_fails_comes_again_when_its_messages_are_visible(failure: Any) -> None:
    world, queue, _, function = of_queue(failure)
    queue.send("1")
    queue.send("2")
    world.run()
    assert function.calls == [(0, ["1", "2"]), (30, ["1", "2"])]
    assert queue.messages == []


def test_only_what_is_reported_comes_again() -> None:
    world, queue, _, function = of_queue(failed("q-2"))
    for body in "123":
        queue.send(body)
    world.run()
    assert function.calls == [(0, ["1", "2", "3"]), (30, ["2"])]


def test_a_message_that_was_received_too_often_moves_on() -> None:
    world, queue, dead, function = of_queue(*[RuntimeError] * 9, dead_after=3)
    queue.send("1")
    world.run()
    assert [at for at, _ in function.calls] == [0, 30, 60]
    assert [(held.id, held.body) for held in dead.messages] == [("q-1", "1")]


def test_a_message_may_be_delayed() -> None:
    world, queue, _, function = of_queue()
    queue.send("later", delay_s=5)
    queue.send("now")
    world.run()
    assert function.calls == [(0, ["now"]), (5, ["later"])]


def test_a_deletion_that_is_lost_brings_a_message_again() -> None:
    world = World()
    losses = iter([True])
    queue = Queue(world, "q", visibility_s=30, loses_deletion=lambda: next(losses, False))
    function = Scripted(world)
    QueueSource(world, queue, function, 10)
    queue.send("1")
    world.run()
    assert function.calls == [(0, ["1"]), (30, ["1"])]


def test_a_fifo_group_waits_for_its_failed_message_and_no_other_does() -> None:
    world, queue, _, function = of_queue(failed("q-1"), is_fifo=True)
    queue.send("a1", group="a")
    queue.send("b1", group="b")
    world.run(for_s=1)
    queue.send("a2", group="a")
    queue.send("b2", group="b")
    world.run()
    assert function.calls == [(0, ["a1", "b1"]), (1, ["b2"]), (30, ["a1", "a2"])]


def asynchronous(*answers: Any, **limits: Any) -> tuple[Any, ...]:
    world = World()
    dead = Queue(world, "dead")
    function = Scripted(world, *answers)
    return (
        world,
        AsynchronousSource(world, "f", function, on_failure=dead, **limits),
        dead,
        function,
    )


def test_an_asynchronous_call_is_tried_three_times_under_one_id() -> None:
    world, source, dead, function = asynchronous(RuntimeError, Killed, RuntimeError)
    source.send({"id": "e"})
    world.run()
    assert function.calls == [(0, ["f-request-1"]), (60, ["f-request-1"]), (180, ["f-request-1"])]
    record = json.loads(dead.messages[0].body)
    assert record["requestPayload"] == {"id": "e"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_an_asynchronous_call_that_is_too_old_is_given_up() -> None:
    world, source, dead, function = asynchronous(RuntimeError, max_age_s=30)
    source.send({})
    world.run()
    assert len(function.calls) == 1
    assert json.loads(dead.messages[0].body)["requestContext"]["condition"] == "EventAgeExceeded"


def of_stream(*answers: Any, **limits: Any) -> tuple[World, Callable[[int], None], Queue, Scripted]:
    world = World()
    dead = Queue(world, "dead")
    function = Scripted(world, *answers)
    source = StreamSource(world, "f", TABLE_ARN, function, on_failure=dead, **limits)

    def put(count: int) -> None:
        for _ in range(count):
            number = len(source.records) + 1
            source.put(dynamodb_record(number, {"n": {"N": str(number)}}))

    return world, put, dead, function


def batches(function: Scripted) -> list[str]:
    return ["".join(names) for _, names in function.calls]


def test_a_shard_is_read_in_order_in_batches() -> None:
    world, put, _, function = of_stream(batch_size=2)
    put(5)
    world.run()
    assert batches(function) == ["12", "34", "5"]


def test_a_batch_that_fails_holds_up_what_is_behind_it() -> None:
    world, put, _, function = of_stream(RuntimeError, RuntimeError, batch_size=2, bisects=False)
    put(4)
    world.run()
    assert batches(function) == ["12", "12", "12", "34"]


def test_a_batch_is_tried_again_from_the_lowest_number_reported() -> None:
    world, put, _, function = of_stream(failed("4", "3"))
    put(5)
    world.run()
    assert batches(function) == ["12345", "345"]


@pytest.mark.parametrize("answer", [RuntimeError, Killed, "no object", failed("unknown")])
def test_a_call_that_fails_is_halved_and_that_uses_up_no_retry(answer: Any) -> None:
    world, put, dead, function = of_stream(answer, answer, max_retries=0)
    put(4)
    world.run()
    assert batches(function) == ["1234", "12", "1", "2", "34"]
    assert dead.messages == []


def test_a_batch_that_has_been_tried_too_often_is_told_without_its_records() -> None:
    world, put, dead, function = of_stream(*[failed("2")] * 4, max_retries=2)
    put(3)
    world.run()
    put(1)
    world.run()
    assert batches(function) == ["123", "23", "23", "23", "4"]
    batch = json.loads(dead.messages[0].body)["DDBStreamBatchInfo"]
    assert (batch["startSequenceNumber"], batch["endSequenceNumber"]) == ("2", "3")
    assert batch["batchSize"] == 2


def test_whether_progress_gives_retries_back_is_open() -> None:
    answers = [failed("2"), failed("3"), failed("4")]
    for forgives, expected in ((True, 0), (False, 1)):
        world, put, dead, _ = of_stream(*answers, max_retries=2, forgives_progress=forgives)
        put(4)
        world.run()
        assert len(dead.messages) == expected


def test_records_that_are_too_old_are_given_up() -> None:
    world, put, dead, function = of_stream(*[RuntimeError] * 99, max_age_s=3)
    put(1)
    world.run()
    assert len(function.calls) < 9
    assert len(dead.messages) == 1


def test_a_world_that_never_rests_is_noticed() -> None:
    world, queue, _, _ = of_queue(*[RuntimeError] * 99, dead_after=99)
    queue.send("1")
    with pytest.raises(AssertionError, match="not at rest"):
        world.run(most_turns=50)
