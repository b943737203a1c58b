"""The use case of redrive: what lies in the queues of dead letters is done once more."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bellwire.errors import BellwireError, NotAllowed
from bellwire.letters import Addressees, LostBatch, Message, Replay, read_message

logger = logging.getLogger(__name__)

MAX_RECEIVE: Final = 10  # Amazon SQS quota of ReceiveMessage


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a call: the function's result, or that it failed."""

    result: object
    has_failed: bool = False


class Functions(Protocol):
    """Calls functions and waits for their answers."""

    def call(self, function: str, payload: object) -> Answered:
        """Call one.

        Raises:
            Upstream: it was not called.
        """
        ...


class Streams(Protocol):
    """Reads streams again."""

    def read(self, batch: LostBatch) -> list[dict[str, object]]:
        """Read the records of a batch as Lambda hands them to functions.

        Raises:
            NotFound: the stream no longer holds them all.
            Upstream: it could not be read.
        """
        ...


class LetterBox(Protocol):
    """A queue of dead letters, to be emptied. Every method raises `Upstream` if it cannot."""

    def receive(self, most: int) -> list[Message]:
        """Take up to 10 messages that nobody else gets meanwhile; none if there are none."""
        ...

    def delete(self, message: Message) -> None:
        """Take a message away for good."""
        ...

    def release(self, message: Message) -> None:
        """Put a message back, to be received again at once."""
        ...

    def count(self) -> int:
        """Count, about, the messages that are there, those that somebody has taken included."""
        ...


@dataclass(frozen=True, slots=True)
class Replays:
    """What replaying works with.

    `replayable` are the names of the functions that may be called: whoever can write to the queues
    can otherwise call any.
    """

    boxes: Sequence[LetterBox]
    functions: Functions
    streams: Streams
    addressees: Addressees
    replayable: Collection[str]
    now_ms: Callable[[], int]
    has_time: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many letters were replayed, how many failed and stay, how many lie there now, about."""

    replayed: int
    failed: int
    left: int


def replay_letters(replays: Replays, most: int) -> Replayed:
    """Replay up to `most` letters; each is taken away once its call has succeeded.

    A letter that was sent after this began is left for the next time.

    Raises:
        Upstream: a queue cannot be reached; what was replayed before is done.
    """
    began_ms = replays.now_ms()
    kept: list[tuple[LetterBox, Message]] = []
    replayed = failed = 0
    try:
        for box, message in _received(replays, most):
            if message.sent_ms >= began_ms or not replays.has_time():
                kept.append((box, message))
            elif _is_replayed(message, replays):
                box.delete(message)
                replayed += 1
            else:
                kept.append((box, message))
                failed += 1
    finally:
        for box, message in kept:
            box.release(message)
    return Replayed(replayed, failed, sum(box.count() for box in replays.boxes))


def _received(replays: Replays, most: int) -> Iterator[tuple[LetterBox, Message]]:
    for box in replays.boxes:
        while most > 0 and replays.has_time():
            messages = box.receive(min(most, MAX_RECEIVE))
            if not messages:
                break
            most -= len(messages)
            for message in messages:
                yield box, message


def _is_replayed(message: Message, replays: Replays) -> bool:
    try:
        found = read_message(message, replays.addressees)
        if found.function not in replays.replayable:
            raise NotAllowed(f"expected a letter of {sorted(replays.replayable)}")
        if isinstance(found, Replay):
            return _is_done(found.function, _marked(found), replays)
        return _is_batch_done(found.function, replays.streams.read(found), replays)
    except BellwireError as error:
        logger.error("letter %s stays: %s", message.id, error.message)  # noqa: TRY400 - expected
        return False


def _is_batch_done(function: str, records: Sequence[dict[str, object]], replays: Replays) -> bool:
    """Replay a batch, by halves where it fails, so that what is bad in it holds up nothing else.

    Not marked as a replay: what can never be done gets a letter of its own.
    """
    if _is_done(function, {"Records": list(records)}, replays):
        return True
    if len(records) < 2:
        return False
    middle = len(records) // 2
    return all(  # a list, so that the second half has its turn whatever became of the first
        [
            _is_batch_done(function, records[:middle], replays),
            _is_batch_done(function, records[middle:], replays),
        ]
    )


def _is_done(function: str, payload: object, replays: Replays) -> bool:
    answered = replays.functions.call(function, payload)
    match answered.result:
        case {"batchItemFailures": [_, *_]}:
            is_done = False
        case _:
            is_done = not answered.has_failed
    if not is_done:
        logger.error("%s failed again: %s", function, str(answered.result)[:500])
    return is_done


def _marked(found: Replay) -> object:
    """Tell the function that this is a replay: what fails then fails, and its letter stays."""
    if not isinstance(found.payload, dict):
        return found.payload
    return {**found.payload, "replay": {"request_id": found.request_id}}
