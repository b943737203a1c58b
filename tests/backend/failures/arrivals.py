"""What arrives from outside in a test, and what must have become of it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from backend.failures.deployed import Deployed
from bellwire.errors import Malformed
from bellwire.letters import Addressees, Message, Replay, read_message
from infra.aws.sample_events import bus_event, dynamodb_record, kinesis_record

CHANNELS = ("public/a", "public/b", "public/c")
SOURCES = ("jobs", "fifo", "bus", "table", "clicks")
ORDERED = ("fifo", "table", "clicks")


@dataclass(frozen=True)
class Arrival:
    """Something that arrives a while after what came before.

    `what` is `good`; or `bug`, which works once the code is mended; or `garbage`, which never will.
    """

    source: str
    channel: str
    what: str
    gap_s: float


def arrivals(
    *what: str, sources: Sequence[str] = SOURCES, channels: Sequence[str] = CHANNELS
) -> st.SearchStrategy[list[Arrival]]:
    one = st.builds(
        Arrival,
        source=st.sampled_from(sources),
        channel=st.sampled_from(channels),
        what=st.sampled_from(what),
        gap_s=st.sampled_from([0, 0, 0.1, 45.0]),
    )
    return st.lists(one, min_size=1, max_size=20)


class Feed:
    """Hands arrivals over when they are due; a source of the world, and the first to act."""

    def __init__(self, deployed: Deployed, arriving: list[Arrival]) -> None:
        self._deployed = deployed
        self._arriving = list(enumerate(arriving))
        self._due_s = deployed.world.now_s
        deployed.world.sources.insert(0, self)

    def due_s(self) -> float | None:
        return self._due_s + self._arriving[0][1].gap_s if self._arriving else None

    def turn(self) -> None:
        n, one = self._arriving.pop(0)
        self._due_s += one.gap_s
        hand_over(self._deployed, n, one)


def hand_over(to: Deployed, n: int, one: Arrival) -> None:
    body = {"updates": updates_of(n, one)}
    match one.source:
        case "jobs":
            to.queue.send(json.dumps(body))
        case "fifo":
            to.fifo.send(json.dumps(body), group=one.channel)
        case "bus":
            to.bus.send(bus_event(f"event-{n}", body))
        case "table":
            row = {"n": {"N": str(n)}, "updates": {"S": json.dumps(body["updates"])}}
            to.table.put(dynamodb_record(n + 1, {"n": {"N": str(n)}}, new=row))
        case "clicks":
            content = {"updates": json.dumps(body["updates"])}
            to.clicks.put(kinesis_record(n + 1, content))


def updates_of(n: int, one: Arrival) -> list[dict[str, Any]]:
    """Make one or two updates, e.g. `good-3.0`; of garbage only the first is fine."""
    update = {"channel": one.channel, "op": "event"}
    if one.what == "garbage":
        return [{**update, "data": f"garbage-{n}.0"}, {**update, "channel": "nowhere"}]
    return [{**update, "data": f"{one.what}-{n}.{part}"} for part in range(1 + n % 2)]


def expected(arriving: list[Arrival], what: str, source: str | None = None) -> dict[str, list[Any]]:
    """List by channel what has to be in the log, in the order in which it arrived."""
    found: dict[str, list[Any]] = {channel: [] for channel in CHANNELS}
    for n, one in enumerate(arriving):
        if one.what == what and source in (None, one.source):
            found[one.channel] += [update["data"] for update in updates_of(n, one)]
    return found


def found_in_log(deployed: Deployed, channel: str) -> list[Any]:
    return [update.data for update in deployed.logged(channel)]


def check_once(deployed: Deployed, arriving: list[Arrival], *what: str) -> None:
    """Everything of these kinds is in the log exactly once, and nothing else is."""
    for channel in CHANNELS:
        wanted = Counter(data for kind in what for data in expected(arriving, kind)[channel])
        assert Counter(found_in_log(deployed, channel)) == wanted


def check_order(deployed: Deployed, arriving: list[Arrival]) -> None:
    """What is good came in the order of its group or shard."""
    for source in ORDERED:
        for channel, wanted in expected(arriving, "good", source).items():
            logged = found_in_log(deployed, channel)
            assert [data for data in logged if data in wanted] == wanted


def check_all_pushed(deployed: Deployed) -> None:
    """Envelopes cover every number of every channel, and the state is folded up to the newest."""
    for channel in CHANNELS:
        envelopes = [e for _, e in deployed.broker.sent if e.channel == channel]
        covered = {seq for e in envelopes for seq in range(e.after + 1, e.last + 1)}
        assert covered == {update.seq for update in deployed.logged(channel)}


def check_at_rest(deployed: Deployed) -> None:
    """Nothing is left undone in any queue."""
    queues = (deployed.queue, deployed.fifo, deployed.retries)
    assert [len(queue.messages) for queue in queues] == [0, 0, 0]
    assert [source.due_s() for source in deployed.world.sources] == [None] * len(
        deployed.world.sources
    )


def letters_of(deployed: Deployed) -> set[tuple[str, str]]:
    """Name what lies among the dead letters: the function, and the record's or event's own id."""
    named: set[tuple[str, str]] = set()
    for held in (*deployed.dead.messages, *deployed.dead_fifo.messages):
        found = read_message(Message(held.id, held.body), Addressees("jobs", "events", "lifecycle"))
        if not isinstance(found, Replay) or not isinstance(found.payload, dict):
            raise Malformed(f"expected a call to replay, found {found}")
        match found.payload:
            case {"Records": [{"messageId": name} | {"eventID": name}]} | {"id": name}:
                named.add((found.function, name))
    return named


def redrive_until_done(deployed: Deployed) -> None:
    """Redrive until nothing is left but what fails in good weather too."""
    for _ in range(300):
        asked, was_over = deployed.weather.asked, deployed.weather.is_over
        done = deployed.redrive()
        deployed.world.run()
        is_certain = was_over or asked == deployed.weather.asked
        if done["replayed"] == 0 and done["failed"] == done["left"] and is_certain:
            return
    raise AssertionError(f"letters keep coming: {deployed.letters()}")
