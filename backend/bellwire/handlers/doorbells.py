"""Doorbells of the log: its own stream, and the queue of those that could not be answered yet.

A record only tells which channel to look at. A channel that fails is put aside into the queue, so
that neither the shard nor another channel waits for it.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bellwire.changes import sequence_number_of
from bellwire.doorbells import channel_rung
from bellwire.errors import BellwireError, Malformed, Upstream
from bellwire.fanout import PushableLog, answer_doorbell
from bellwire.handlers.records import (
    BatchAnswer,
    LastResort,
    Record,
    as_failure,
    failed_items,
    records_of,
    replay_of,
)
from bellwire.letters import DeadLetter, Doorbells, Replay, decode_letter
from bellwire.ports import Broker

logger = logging.getLogger(__name__)

MAX_TRIES: Final = 20
"""How often a message of the queue is delivered before its channel is given up. Ours."""

Outcome = BellwireError | None


@dataclass(frozen=True, slots=True)
class Ring:
    """One doorbell of a batch.

    Attributes:
        item: what a failure is reported by.
        payload: the event that holds its record of the stream alone.
        channel: which channel to look at; the error if that could not be read.
        tries: how often the queue has delivered it; 0 for one of the stream.
    """

    item: str
    payload: object
    channel: str | BellwireError
    tries: int = 0


class SideBySide(Protocol):
    """Calls a function with each of some channels and gives the results in their order."""

    def __call__(
        self, function: Callable[[str], Outcome], channels: Sequence[str], /
    ) -> Iterable[Outcome]: ...


def handle_doorbells(
    event: object,
    *,
    log: PushableLog,
    broker: Broker,
    stage: str,
    later: Doorbells,
    last_resort: LastResort,
    side_by_side: SideBySide = map,
    has_time: Callable[[], bool] = lambda: True,
) -> BatchAnswer:
    """Answer the doorbell of each channel of a batch once.

    What may succeed later waits in the queue, at most `MAX_TRIES` deliveries; what can never, goes
    to the dead letters. A record is reported only if neither queue can be reached.

    Args:
        side_by_side: answers several channels at once, e.g. an executor's `map`: a broker that is
            slow about one channel then holds up no other of the batch.
        has_time: tells whether the call may go on; channels that are left are rung later.

    Raises:
        Malformed: it is no batch; nothing has been pushed.
    """

    def outcome_of(channel: str) -> Outcome:
        try:
            if not has_time():
                return Upstream(f"no time was left for {channel}")
            answer_doorbell(channel, log=log, broker=broker, stage=stage)
        except Exception as error:
            return as_failure(error)
        return None

    rings = _rings_of(event)
    channels = list(dict.fromkeys(ring.channel for ring in rings if isinstance(ring.channel, str)))
    outcomes = dict(zip(channels, side_by_side(outcome_of, channels), strict=True))
    left: list[str] = []
    for ring in rings:
        failure = outcomes[ring.channel] if isinstance(ring.channel, str) else ring.channel
        is_settled = failure is None or (
            replay_of(event) is None and _is_put_aside(ring, failure, later, last_resort)
        )
        if not is_settled:
            left.append(ring.item)
    return failed_items(left)


def _is_put_aside(
    ring: Ring, failure: BellwireError, later: Doorbells, last_resort: LastResort
) -> bool:
    """Put a failure where it belongs; False if it has to be delivered again."""
    try:
        if not failure.is_retryable or ring.tries >= MAX_TRIES:
            last_resort.put(ring.payload, failure)
        elif ring.tries:
            return False
        else:
            later.ring_later(DeadLetter(last_resort.function, ring.payload, failure))
            logger.warning("%s waits: %s", ring.channel, failure.message)
    except BellwireError as error:
        logger.warning("%s could not be put aside: %s", ring.channel, error.message)
        return False
    return True


def _rings_of(event: object) -> list[Ring]:
    """Read a batch; of several records of the stream for one channel the first stands for all."""
    rings: dict[object, Ring] = {}
    for record in records_of(event):
        is_of_queue = record.get("eventSource") == "aws:sqs"
        ring = _ring_of_queue(record) if is_of_queue else _ring_of_stream(record)
        if ring is not None:
            rings.setdefault(ring.item if is_of_queue else ring.channel, ring)
    return list(rings.values())


def _ring_of_stream(record: Record) -> Ring | None:
    item, payload = sequence_number_of(record), {"Records": [record]}
    try:
        channel = channel_rung(record)
    except BellwireError as error:
        return Ring(item, payload, error)
    return None if channel is None else Ring(item, payload, channel)


def _ring_of_queue(message: Record) -> Ring | None:
    match message:
        case {"messageId": str(item), "body": str(body)}:
            tries = _tries_of(message)
        case _:
            raise Malformed(f"expected a message of SQS, found {str(message)[:80]!r}")
    try:
        payload, record = _held_by(body)
        channel = channel_rung(record)
    except BellwireError as error:
        return Ring(item, {"Records": [message]}, error, tries)
    return None if channel is None else Ring(item, payload, channel, tries)


def _held_by(body: str) -> tuple[object, Record]:
    letter = decode_letter(body)
    if isinstance(letter, Replay) and len(records := records_of(letter.payload)) == 1:
        return letter.payload, records[0]
    raise Malformed(f"expected a letter with one record, found {body[:80]!r}")


def _tries_of(message: Record) -> int:
    match message:
        case {"attributes": {"ApproximateReceiveCount": str(count)}} if count.isdecimal():
            return max(1, int(count))
    return 1
