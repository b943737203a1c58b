"""Bellwire's functions behind the model of AWS's event sources, on a real log, in all weathers."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.histories.choices import Choices
from bellwire.changes import Change
from bellwire.errors import NotFound, Upstream
from bellwire.handlers.changes import handle_changes
from bellwire.handlers.doorbells import handle_doorbells
from bellwire.handlers.events import handle_events
from bellwire.handlers.jobs import handle_jobs
from bellwire.handlers.records import LastResort
from bellwire.handlers.redrive import handle_redrive
from bellwire.letters import Addressees, DeadLetter, LostBatch, Message, encode_letter
from bellwire.payloads import decode_payload
from bellwire.ports import Receipt
from bellwire.replaying import Answered, Replays
from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft, Envelope, Position, Update
from infra.aws.event_sources import (
    FAILED,
    AsynchronousSource,
    Function,
    Killed,
    Queue,
    QueueSource,
    StreamSource,
    World,
    call,
    number_of,
)
from infra.aws.sample_events import KINESIS_ARN, LOG_ARN, TABLE_ARN, Event, log_record, sqs_record

DAY_S = 86_400


class Weather:
    """Decides what fails: before its work or after it, by an error or by the end of the process.

    Behind the end of its schedule everything is calm.
    """

    def __init__(self, schedule: bytes = b"", percent: int = 20) -> None:
        self._choices = Choices(schedule)
        self._percent = percent
        self.asked = 0

    def strike(self, work: Callable[[], Any]) -> Any:
        if not self.is_bad():
            return work()
        kind = self._choices.pick(4)
        if kind >= 2:  # it is done, and nobody is told
            work()
        raise Upstream("struck by the weather") if kind % 2 == 0 else Killed

    @property
    def is_over(self) -> bool:
        return self._choices.is_spent

    def is_bad(self) -> bool:
        self.asked += 1
        return self._choices.chance(self._percent)


class StruckLog(SqlLog):
    """A real log, reached through the weather; what it takes in rings on its stream."""

    weather: Weather
    ring: Callable[[str, int], None]
    is_broken: bool = True
    down: Callable[[str], bool] = staticmethod(lambda _: False)

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        def work() -> list[Receipt]:
            if self.down(channel):
                raise Upstream(f"{channel} is down")
            if self.is_broken and any(str(draft.data).startswith("bug") for draft in drafts):
                raise ZeroDivisionError("a bug, to be mended")
            receipts = super(StruckLog, self).append(channel, drafts)
            for receipt in receipts:
                if not receipt.is_duplicate:
                    self.ring(channel, receipt.position.seq)
            return receipts

        found: list[Receipt] = self.weather.strike(work)
        return found

    def unpushed(self, channel: str, *, max_updates: int, max_bytes: int) -> Any:
        read = super().unpushed
        return self.weather.strike(
            lambda: read(channel, max_updates=max_updates, max_bytes=max_bytes)
        )

    def mark_pushed(self, pushed: Any) -> Any:
        mark = super().mark_pushed
        return self.weather.strike(lambda: mark(pushed))


class Silent:
    """The fan-out of publishers where the log's stream rings."""

    def push(self, channel: str, drafts: Sequence[Draft], receipts: Sequence[Receipt]) -> None:
        pass


class TimedBroker:
    """Notes when it is given what; topics that are down fail, those that are mad break."""

    def __init__(self, world: World, weather: Weather) -> None:
        self._world = world
        self._weather = weather
        self.sent: list[tuple[float, Envelope]] = []
        self.down_until_s: dict[str, float] = {}
        self.mad: set[str] = set()

    def publish(self, topic: str, payload: bytes) -> None:
        channel = topic.removeprefix("dev/")
        if self._world.now_s < self.down_until_s.get(channel, 0):
            raise Upstream(f"{channel} is down")
        if channel in self.mad:
            raise ZeroDivisionError("a bug, to be mended")
        self._weather.strike(lambda: self.sent.append((self._world.now_s, decode_payload(payload))))


class Letters:
    """Sends letters to a queue of the model: the dead ones, and doorbells for later."""

    def __init__(self, world: World, queue: Queue, weather: Weather, delay_s: float = 0) -> None:
        self._world = world
        self._queue = queue
        self._weather = weather
        self._delay_s = delay_s

    def send(self, letter: DeadLetter) -> None:
        body = encode_letter(letter, self._world.now_ms())
        self._weather.strike(lambda: self._queue.send(body, delay_s=self._delay_s))

    ring_later = send


class Box:
    """A queue of the model as redrive empties it."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def receive(self, most: int) -> list[Message]:
        return [
            Message(
                held.id,
                held.body,
                held.id,
                sqs_record(held.id, held.body, sent_s=held.sent_s, group=held.group)["attributes"],
            )
            for held in self._queue.take(most)
        ]

    def delete(self, message: Message) -> None:
        self._queue.messages = [one for one in self._queue.messages if one.id != message.id]

    def release(self, message: Message) -> None:
        for held in self._queue.messages:
            if held.id == message.id:
                held.visible_s = 0

    def count(self) -> int:
        return len(self._queue.messages)


class Calls:
    """Calls functions for redrive, and reads the model's shards again."""

    def __init__(self, functions: Mapping[str, Function], shards: Sequence[StreamSource]) -> None:
        self._functions = functions
        self._shards = shards

    def call(self, function: str, payload: object) -> Answered:
        answer = call(self._functions[function], payload, "redrive")
        return Answered("it raised", has_failed=True) if answer is FAILED else Answered(answer)

    def read(self, batch: LostBatch) -> list[Event]:
        for shard in self._shards:
            if shard.arn == batch.stream_arn:
                numbers = range(int(batch.first), int(batch.last) + 1)
                return [one for _, one in shard.records if int(number_of(one)) in numbers]
        raise NotFound(batch.stream_arn)


def mapping(change: Change) -> list[dict[str, Any]]:
    """Make updates of a row or a click: `{"updates": […]}`, or garbage, at which it raises."""
    assert isinstance(change.new, dict)
    text = change.new["updates"]
    assert isinstance(text, str)
    return list(json.loads(text))


class Deployed:
    """Everything on one clock.

    Args:
        path: where the log lies.
        weather: what fails of the ports and the calls.
        is_patient: limits so wide that nothing ends among the dead letters by AWS's own doing.
        wrong: a wrapper around each function by its name, for tests of the tests.
    """

    def __init__(
        self,
        path: Path,
        weather: Weather,
        *,
        is_patient: bool,
        forgives_progress: bool = True,
        wrong: Callable[[str, Function], Function] = lambda _, function: function,
    ) -> None:
        world = self.world = World()
        self.weather = weather
        self._engine = open_sqlite(path, busy_timeout_ms=500)
        self.log = StruckLog(
            self._engine,
            retention_ms=30 * DAY_S * 1000,
            id_window_ms=30 * DAY_S * 1000,
            now_ms=world.now_ms,
            noise=os.urandom,
        )
        self.log.weather, self.log.ring = weather, self._ring
        self.broker = TimedBroker(world, weather)
        self.dead = Queue(world, "dead", visibility_s=900)
        self.dead_fifo = Queue(world, "dead-fifo", visibility_s=900, is_fifo=True)
        functions = {name: wrong(name, function) for name, function in self._functions().items()}
        self.functions = functions
        most = 10_000 if is_patient else 3
        queues: dict[str, Any] = {"max_received": most, "loses_deletion": weather.is_bad}
        self.queue = Queue(world, "jobs", dead=self.dead, **queues)
        self.fifo = Queue(world, "fifo", dead=self.dead_fifo, is_fifo=True, **queues)
        self.retries = Queue(
            world, "retries", dead=self.dead, max_received=30, loses_deletion=weather.is_bad
        )
        self.polled = {
            "jobs": QueueSource(world, self.queue, functions["jobs"], 10),
            "fifo": QueueSource(world, self.fifo, functions["jobs"], 10),
            "retries": QueueSource(world, self.retries, functions["doorbells"], 10),
        }
        self.bus = AsynchronousSource(
            world,
            "events",
            functions["events"],
            on_failure=self.dead,
            doubles=weather.is_bad,
            max_retries=2,
        )
        streams: dict[str, Any] = {
            "on_failure": self.dead,
            "max_retries": most,
            "forgives_progress": forgives_progress,
        }
        changes, doorbells = functions["changes"], functions["doorbells"]
        self.table = StreamSource(world, "changes", TABLE_ARN, changes, **streams)
        self.clicks = StreamSource(world, "changes", KINESIS_ARN, changes, **streams)
        self.doorbells = StreamSource(world, "doorbells", LOG_ARN, doorbells, **streams)

    def close(self) -> None:
        self._engine.dispose()

    def redrive(self) -> dict[str, int]:
        """Empty the dead letters once, a second later."""
        self.world.now_s += 1
        calls = Calls(self.functions, [self.table, self.clicks, self.doorbells])
        replays = Replays(
            boxes=[Box(self.dead), Box(self.dead_fifo)],
            functions=calls,
            streams=calls,
            addressees=Addressees(jobs="jobs", events="events", lifecycle="lifecycle"),
            replayable=set(self.functions),
            now_ms=self.world.now_ms,
        )
        return handle_redrive({"max": 1_000}, replays=replays)

    def letters(self) -> list[str]:
        return [held.body for held in (*self.dead.messages, *self.dead_fifo.messages)]

    def logged(self, channel: str) -> list[Update]:
        """Read everything a channel has had, in order."""
        start = Position(self.log.tail(channel).epoch, 0)
        run = self.log.read_after(
            channel, start, max_updates=100_000, max_bytes=2**30, is_strong=True
        )
        return [] if run is None else list(run.updates)

    def _ring(self, channel: str, seq: int) -> None:
        number = len(self.doorbells.records) + 1
        self.doorbells.put(log_record(number, channel, 10**12 + seq))

    def _functions(self) -> dict[str, Function]:
        def last_resort(name: str) -> LastResort:
            return LastResort(name, Letters(self.world, self.dead, self.weather))

        def jobs(event: Any, _: str) -> Any:
            return handle_jobs(
                event, log=self.log, fan_out=Silent(), last_resort=last_resort("jobs")
            )

        def events(event: Any, request_id: str) -> Any:
            return handle_events(
                event,
                request_id=request_id,
                log=self.log,
                fan_out=Silent(),
                last_resort=last_resort("events"),
            )

        def changes(event: Any, _: str) -> Any:
            return handle_changes(
                event,
                mapping=mapping,
                log=self.log,
                fan_out=Silent(),
                last_resort=last_resort("changes"),
            )

        def doorbells(event: Any, _: str) -> Any:
            return handle_doorbells(
                event,
                log=self.log,
                broker=self.broker,
                stage="dev",
                later=Letters(self.world, self.retries, self.weather, delay_s=5),
                last_resort=last_resort("doorbells"),
            )

        return {"jobs": jobs, "events": events, "changes": changes, "doorbells": doorbells}
