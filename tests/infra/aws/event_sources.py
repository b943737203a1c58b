"""What calls Lambda functions, by AWS's rules, on a clock that jumps to whatever is due next.

Asynchronous calls, queues of SQS (standard and FIFO) and shards of streams, with their retries,
limits and destinations. Nothing here knows Bellwire. Source: Lambda guide, invocation-async,
with-sqs, with-ddb, with-kinesis; SQS guide, FIFO queues, visibility timeout, dead-letter queues.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol

from infra.aws.sample_events import (
    Event,
    asynchronous_failure,
    batch_failure,
    sqs_record,
)

Function = Callable[[Any, str], Any]
"""A Lambda function: of an event and the id of the request."""

STREAM_KEEPS_S: Final = 86_400  # DynamoDB streams
ASYNCHRONOUS_WAITS_S: Final = (60, 120)


class Killed(BaseException):
    """The process of a function ended: out of memory, or of time."""


class _Failed:
    """What is answered by a function that raised or was killed."""


FAILED: Final = _Failed()


def call(function: Function, event: object, request_id: str) -> Any:
    """Call a function as Lambda does: whatever passes is JSON, whatever is raised is a failure."""
    try:
        return json.loads(json.dumps(function(json.loads(json.dumps(event)), request_id)))
    except (Exception, Killed):
        return FAILED


def reported_items(answer: object, items: Sequence[str]) -> set[str] | None:
    """Tell what ReportBatchItemFailures makes of an answer; None where the whole batch has failed.

    Source: Lambda guide, services-sqs-errorhandling and with-ddb partial batch, "success and
    failure conditions".
    """
    if answer is None:
        return set()
    if not isinstance(answer, dict):
        return None
    reported = answer.get("batchItemFailures") or []
    if not isinstance(reported, list):
        return None
    found = [one.get("itemIdentifier") if isinstance(one, dict) else None for one in reported]
    return {str(one) for one in found} if all(one in items for one in found) else None


class Source(Protocol):
    """Something that calls a function when it is due."""

    def due_s(self) -> float | None:
        """When it has something to do next; None if it is at rest."""
        ...

    def turn(self) -> None:
        """Do it."""
        ...


@dataclass
class World:
    """The clock, and everything that acts by it."""

    now_s: float = 1_795_417_463.0
    sources: list[Source] = field(default_factory=list)
    turns: int = 0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def run(self, for_s: float = 10 * 86_400, most_turns: int = 5_000) -> None:
        """Let everything happen that is due within a time; at rest it ends sooner."""
        end_s = self.now_s + for_s
        for _ in range(most_turns):
            due = [(at, n) for n, one in enumerate(self.sources) if (at := one.due_s()) is not None]
            if not due:
                return
            if min(due)[0] > end_s:
                self.now_s = end_s
                return
            at, n = min(due)
            self.now_s = max(self.now_s, at)
            self.turns += 1
            self.sources[n].turn()
        raise AssertionError(f"still not at rest after {most_turns} turns")


@dataclass
class Held:
    """A message in a queue."""

    id: str
    body: str
    group: str | None
    sent_s: float
    visible_s: float
    received: int = 0


class Queue:
    """A queue of SQS.

    A message taken is invisible for a while and then there again, unless deleted; taken too often
    it moves on. In a FIFO queue a group gives nothing while one of its messages is out.
    """

    def __init__(
        self,
        world: World,
        name: str,
        *,
        is_fifo: bool = False,
        visibility_s: float = 60,
        max_received: int = 20,
        dead: "Queue | None" = None,
        loses_deletion: Callable[[], bool] = lambda: False,
    ) -> None:
        self._world = world
        self.name = name
        self.is_fifo = is_fifo
        self.visibility_s = visibility_s
        self._max_received = max_received
        self._dead = dead
        self._loses_deletion = loses_deletion
        self._ids = count(1)
        self.messages: list[Held] = []

    def send(self, body: str, *, group: str | None = None, delay_s: float = 0) -> str:
        now_s = self._world.now_s
        message_id = f"{self.name}-{next(self._ids)}"
        self.messages.append(Held(message_id, body, group, now_s, now_s + delay_s))
        return message_id

    def due_s(self) -> float | None:
        return min((self._due_s(message) for message in self.messages), default=None)

    def take(self, most: int) -> list[Held]:
        """Receive messages; those received too often already go to the dead ones instead."""
        taken = [one for one in self.messages if self._due_s(one) <= self._world.now_s]
        given: list[Held] = []
        for message in taken[:most]:
            if self._dead is not None and message.received >= self._max_received:
                self.messages.remove(message)
                self._dead.messages.append(
                    Held(message.id, message.body, message.group, message.sent_s, 0)
                )
                continue
            message.received += 1
            message.visible_s = self._world.now_s + self.visibility_s
            given.append(message)
        return given

    def delete(self, message: Held) -> None:
        if not self._loses_deletion():
            self.messages.remove(message)

    def _due_s(self, message: Held) -> float:
        if not self.is_fifo:
            return message.visible_s
        group = [one for one in self.messages if one.group == message.group]
        return max(one.visible_s for one in group if one is message or one.received)


class QueueSource:
    """Lambda's poller of a queue, with ReportBatchItemFailures."""

    def __init__(self, world: World, queue: Queue, function: Function, batch_size: int) -> None:
        self._world = world
        self._queue = queue
        self._function = function
        self._batch_size = batch_size
        self.calls = 0
        world.sources.append(self)

    def due_s(self) -> float | None:
        return self._queue.due_s()

    def turn(self) -> None:
        batch = self._queue.take(self._batch_size)
        if not batch:
            return
        self.calls += 1
        records = [
            sqs_record(one.id, one.body, received=one.received, sent_s=one.sent_s, group=one.group)
            for one in batch
        ]
        answer = call(self._function, {"Records": records}, f"{self._queue.name}-{self.calls}")
        failed = reported_items(answer, [one.id for one in batch])
        for message in batch:
            if failed is not None and message.id not in failed:
                self._queue.delete(message)


@dataclass
class _Called:
    event: object
    request_id: str
    due_s: float
    sent_s: float
    failures: int = 0


class AsynchronousSource:
    """Lambda's queue of asynchronous calls to one function: two more tries, then a destination."""

    def __init__(
        self,
        world: World,
        name: str,
        function: Function,
        *,
        on_failure: Queue,
        max_retries: int = 2,
        max_age_s: float = 21_600,
        doubles: Callable[[], bool] = lambda: False,
    ) -> None:
        self._world = world
        self._name = name
        self._function = function
        self._on_failure = on_failure
        self._max_retries = max_retries
        self._max_age_s = max_age_s
        self._doubles = doubles
        self._waiting: list[_Called] = []
        self._ids = count(1)
        self.calls = 0
        world.sources.append(self)

    def send(self, event: object) -> None:
        now_s = self._world.now_s
        request_id = f"{self._name}-request-{next(self._ids)}"
        self._waiting.append(_Called(event, request_id, now_s, now_s))

    def due_s(self) -> float | None:
        return min((one.due_s for one in self._waiting), default=None)

    def turn(self) -> None:
        one = min(self._waiting, key=lambda one: one.due_s)
        self._waiting.remove(one)
        if self._world.now_s - one.sent_s > self._max_age_s:
            self._give_up(one, "EventAgeExceeded")
            return
        self.calls += 1
        if call(self._function, one.event, one.request_id) is not FAILED:
            if self._doubles():
                self._waiting.append(one)
        elif one.failures >= self._max_retries:
            self._give_up(one, "RetriesExhausted")
        else:
            one.due_s = self._world.now_s + ASYNCHRONOUS_WAITS_S[one.failures]
            one.failures += 1
            self._waiting.append(one)

    def _give_up(self, one: _Called, condition: str) -> None:
        record = asynchronous_failure(self._name, one.event, one.request_id, condition)
        self._on_failure.send(json.dumps(record))


class StreamSource:
    """Lambda's poller of one shard, with ReportBatchItemFailures.

    A batch that fails holds up what is behind it until it succeeds or a limit is reached. From the
    lowest item reported on it is tried again; where the call itself failed it may be halved, which
    uses up no retry. Whether progress gives retries back AWS does not say: `forgives_progress`.
    """

    def __init__(
        self,
        world: World,
        name: str,
        arn: str,
        function: Function,
        *,
        on_failure: Queue,
        batch_size: int = 100,
        max_retries: int = 10_000,
        max_age_s: float = STREAM_KEEPS_S,
        bisects: bool = True,
        forgives_progress: bool = True,
    ) -> None:
        self._world = world
        self._name = name
        self.arn = arn
        self._function = function
        self._on_failure = on_failure
        self._batch_size = batch_size
        self._max_retries = max_retries
        self._max_age_s = max_age_s
        self._bisects = bisects
        self._forgives_progress = forgives_progress
        self.records: list[tuple[float, Event]] = []
        self._next = 0
        self._batches: list[list[tuple[float, Event]]] = []
        self._retries = 0
        self._due_s = 0.0
        self.calls = 0
        world.sources.append(self)

    def put(self, record: Event) -> None:
        self.records.append((self._world.now_s, record))

    def due_s(self) -> float | None:
        if self._batches:
            return self._due_s
        return self.records[self._next][0] if self._next < len(self.records) else None

    def turn(self) -> None:
        if not self._batches:
            batch = self.records[self._next : self._next + self._batch_size]
            self._next += len(batch)
            self._batches, self._retries = [batch], 0
        batch = self._batches[0]
        if self._world.now_s - batch[0][0] > self._max_age_s:
            self._give_up()
            return
        self.calls += 1
        items = [number_of(record) for _, record in batch]
        answer = call(
            self._function,
            {"Records": [record for _, record in batch]},
            f"{self._name}-{self.calls}",
        )
        failed = reported_items(answer, items)
        if failed == set():
            self._batches.pop(0)
            self._retries, self._due_s = 0, self._world.now_s
            return
        if failed is None and self._bisects and len(batch) > 1:
            middle = len(batch) // 2
            self._batches[0:1] = [batch[:middle], batch[middle:]]
        else:
            self._retry_from(items.index(min(failed, key=int)) if failed else 0)
        self._due_s = self._world.now_s + min(60.0, 0.5 * 2 ** min(self._retries, 10))

    def _retry_from(self, lowest: int) -> None:
        self._batches[0] = self._batches[0][lowest:]
        self._retries = 0 if lowest and self._forgives_progress else self._retries + 1
        if self._retries > self._max_retries:
            self._give_up()

    def _give_up(self) -> None:
        batch = [number_of(record) for _, record in self._batches.pop(0)]
        told = batch_failure(self._name, self.arn, batch[0], batch[-1], len(batch))
        self._on_failure.send(json.dumps(told))
        self._retries = 0


def number_of(record: Event) -> str:
    held = record["dynamodb"] if "dynamodb" in record else record["kinesis"]
    return str(held["SequenceNumber"] if "dynamodb" in record else held["sequenceNumber"])
