"""Updates made of changes: the user's own DynamoDB stream or Kinesis stream, through a mapping."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from bellwire.changes import Mapper, decode_change, sequence_number_of
from bellwire.errors import BellwireError, Malformed
from bellwire.fanout import FanOut
from bellwire.handlers.records import (
    BatchAnswer,
    LastResort,
    Record,
    attempt,
    failed_items,
    records_of,
    replay_of,
)
from bellwire.intake import take_in
from bellwire.ports import Appends

logger = logging.getLogger(__name__)


def handle_changes(
    event: object, *, mapping: Mapper, log: Appends, fan_out: FanOut, last_resort: LastResort
) -> BatchAnswer:
    """Publish what the mapping makes of each record, in the order of the shard.

    A record that can never be published goes to the dead letters and the next one is taken. What
    may succeed later is reported and nothing behind it is touched: Lambda goes on from there.

    Raises:
        Malformed: it is no batch of a stream; nothing has been published.
    """
    is_replay = replay_of(event) is not None
    numbered = [(sequence_number_of(record), record) for record in records_of(event)]
    for number, record in numbered:
        try:
            attempt(
                partial(_publish, record, mapping, log, fan_out),
                {"Records": [record]},
                last_resort,
                is_replay=is_replay,
            )
        except BellwireError as error:
            logger.warning("a change waits at %s: %s", number, error.message)
            return failed_items([number])
    return failed_items([])


def _publish(record: Record, mapping: Mapper, log: Appends, fan_out: FanOut) -> None:
    change = decode_change(record)
    updates = _updates_of(mapping(change))
    if updates:
        take_in({"updates": updates}, source_id=change.id, log=log, fan_out=fan_out)


def _updates_of(made: object) -> list[Mapping[str, Any]]:
    """Check what a mapping returned; a text or an object iterates too, but is no list."""
    if isinstance(made, str | bytes | Mapping):
        raise Malformed(f"expected a mapping to return a list of updates, found {made!r:.80}")
    try:
        return list(made)  # type: ignore[call-overload,no-any-return]  # tried, whatever it is
    except TypeError as error:
        raise Malformed(
            f"expected a mapping to return a list of updates, found {made!r:.80}"
        ) from error
