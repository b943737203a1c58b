"""What the handlers of queues, events and streams share: records, and where failures go."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bellwire.errors import BellwireError, Internal, Malformed
from bellwire.letters import DeadLetter, DeadLetters

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]
BatchAnswer = dict[str, list[dict[str, str]]]

REPLAY: Final = "replay"
"""Marks an event that `redrive` repeats: what fails in it fails, and its letter stays."""


@dataclass(frozen=True, slots=True)
class LastResort:
    """Where a function puts what it can never do; `function` is its own name, to be replayed."""

    function: str
    dead_letters: DeadLetters

    def put(self, payload: object, error: BellwireError) -> None:
        """Send the event of one record to the dead letters. Raises as `DeadLetters.send`."""
        self.dead_letters.send(DeadLetter(self.function, payload, error))
        logger.warning("%s gave up a record: %s", self.function, error.message)


def attempt(
    work: Callable[[], object], payload: object, last_resort: LastResort, *, is_replay: bool
) -> None:
    """Do the work of one record; what can never succeed goes to the dead letters and is done.

    Args:
        payload: the event that holds this record alone.

    Raises:
        BellwireError: it may succeed later, or the dead letters do not take it. In a replay, any
            failure: the letter is there already.
    """
    try:
        work()
    except Exception as error:
        failure = as_failure(error)
        if failure.is_retryable or is_replay:
            raise failure from error
        last_resort.put(payload, failure)


def as_failure(error: Exception) -> BellwireError:
    """Make a `BellwireError` of an error that nobody foresaw; it is logged with its traceback."""
    if isinstance(error, BellwireError):
        return error
    logger.error("an error that nobody foresaw", exc_info=error)
    return Internal(f"{type(error).__name__}: {error}")


def records_of(event: object) -> list[Record]:
    """Read the records of a batch.

    Raises:
        Malformed: it is no batch of records.
    """
    match event:
        case {"Records": list(records)} if all(isinstance(record, dict) for record in records):
            return records
    raise Malformed(f'expected {{"Records": [{{…}}, …]}}, found {str(event)[:80]!r}')


def replay_of(event: object) -> Record | None:
    """Tell whether an event is a replay: `{"request_id": …}` of the first call, or None."""
    mark = event.get(REPLAY) if isinstance(event, dict) else None
    return mark if isinstance(mark, dict) else None


def first_request_id(event: object, request_id: str) -> str:
    """Tell the id of the call that a replay repeats; of any other, its own."""
    match replay_of(event):
        case {"request_id": str(first_id)}:
            return first_id
    return request_id


def failed_items(identifiers: list[str]) -> BatchAnswer:
    """Report what is to be delivered again: `{"batchItemFailures":[{"itemIdentifier":"…"}]}`."""
    return {"batchItemFailures": [{"itemIdentifier": item} for item in identifiers]}
