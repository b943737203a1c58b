"""Push what was appended to whoever is listening now.

A push is a hint that carries the data: one that is lost costs a subscriber a poll and nothing
else, so a failed push is reported and never fails the publish behind it.
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise

from bellwire.channels import topic_of
from bellwire.conflation import conflate
from bellwire.errors import Upstream
from bellwire.ports import Broker, Receipt, UpdateLog
from bellwire.updates import (
    Draft,
    Envelope,
    Position,
    Update,
    encode_envelope,
    split_envelope,
    wire_id,
)

logger = logging.getLogger(__name__)


def push_appended(
    channel: str,
    drafts: Sequence[Draft],
    receipts: Sequence[Receipt],
    *,
    log: UpdateLog,
    broker: Broker,
    stage: str,
) -> None:
    """Push the updates of one append, and once more those that were duplicates.

    Whoever published a duplicate first may have died before pushing it.
    """
    fresh = [
        (receipt.position, _update(draft, receipt))
        for draft, receipt in zip(drafts, receipts, strict=True)
        if not receipt.is_duplicate
    ]
    repeated = (
        found
        for position in {receipt.position for receipt in receipts if receipt.is_duplicate}
        if position not in dict(fresh)
        for found in _read_one(log, channel, position)
    )
    try:
        for envelope in [*envelopes_of(channel, fresh), *envelopes_of(channel, repeated)]:
            broker.publish(topic_of(stage, channel), encode_envelope(envelope))
    except Upstream as error:
        logger.warning("pushing to %s failed, subscribers will poll: %s", channel, error.message)


def envelopes_of(channel: str, updates: Iterable[tuple[Position, Update]]) -> list[Envelope]:
    """Cover updates with envelopes: cut at every missing number, conflated, split to fit."""
    envelopes: list[Envelope] = []
    for run in _contiguous(list(updates)):
        epoch, first = run[0][0].epoch, run[0][0].seq
        survivors = conflate(update for _, update in run)
        whole = Envelope(channel, epoch, first - 1, run[-1][0].seq, survivors)
        envelopes += split_envelope(whole)
    return envelopes


def _contiguous(
    updates: list[tuple[Position, Update]],
) -> list[list[tuple[Position, Update]]]:
    if not updates:
        return []
    runs = [[updates[0]]]
    for (before, _), (position, update) in pairwise(updates):
        if position != Position(before.epoch, before.seq + 1):
            runs.append([])
        runs[-1].append((position, update))
    return runs


def _update(draft: Draft, receipt: Receipt) -> Update:
    seq, at_ms = receipt.position.seq, receipt.at_ms
    return Update(seq, draft.op, draft.key, draft.data, wire_id(draft.id), at_ms)


def _read_one(log: UpdateLog, channel: str, position: Position) -> list[tuple[Position, Update]]:
    before = Position(position.epoch, position.seq - 1)
    run = log.read_after(channel, before, max_updates=1, max_bytes=1, is_strong=True)
    return [] if run is None else [(position, u) for u in run.updates if u.seq == position.seq]
