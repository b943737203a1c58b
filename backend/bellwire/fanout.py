"""Push updates to whoever is listening now.

A push is a hint that carries the data. `InlineFanOut` pushes right after an append; a failure there
is reported and never fails the publish behind it. `answer_doorbell` pushes whatever is in the log
beyond the channel's mark: it heals what a crash or a failure left, in order.
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import pairwise
from threading import Lock
from typing import Final, Protocol

from bellwire.channels import topic_of
from bellwire.conflation import conflate
from bellwire.errors import Upstream
from bellwire.payloads import encode_payload
from bellwire.ports import Broker, Outbox, Pushed, Receipt, UpdateLog
from bellwire.updates import (
    Draft,
    Envelope,
    Position,
    Update,
    split_envelope,
    wire_id,
)

logger = logging.getLogger(__name__)

MAX_UPDATES: Final = 1_000
MAX_BYTES: Final = 1_048_576
MAX_TRIES: Final = 5  # turns that a mark is kept for a gap to close


class PushableLog(UpdateLog, Outbox, Protocol):
    """A log that remembers how far it has been pushed."""


class FanOut(Protocol):
    """What happens to updates right after their append."""

    def push(self, channel: str, drafts: Sequence[Draft], receipts: Sequence[Receipt]) -> None:
        """Take note of an append; never fails it."""
        ...


class StreamFanOut:
    """Leaves pushing to the log's stream, which rings a doorbell for each append."""

    def push(self, channel: str, drafts: Sequence[Draft], receipts: Sequence[Receipt]) -> None:
        """See `FanOut.push`."""


class InlineFanOut:
    """Pushes in the publisher's own process, and collects how far, for `flush` to write down.

    Marks are written together and not with every push: after a crash, what was pushed in the last
    moment is pushed once more, and receivers drop it by its number.
    """

    def __init__(self, log: PushableLog, broker: Broker, stage: str) -> None:
        self._log = log
        self._broker = broker
        self._stage = stage
        self._lock = Lock()
        self._pushed: dict[tuple[str, str], list[Pushed]] = {}
        self._tries: dict[tuple[str, str], int] = {}

    def push(self, channel: str, drafts: Sequence[Draft], receipts: Sequence[Receipt]) -> None:
        """Push the updates of one append, and once more those that were duplicates.

        Whoever published a duplicate first may have died before pushing it.
        """
        fresh = [
            (receipt.position, _update(draft, receipt))
            for draft, receipt in zip(drafts, receipts, strict=True)
            if not receipt.is_duplicate
        ]
        appended = {position for position, _ in fresh}
        doubles = {r.position for r in receipts if r.is_duplicate} - appended
        try:
            envelopes = envelopes_of(channel, fresh)
            for envelope in envelopes:
                self._hand_over(envelope)
            self._note(envelopes)
            for position in doubles:
                for envelope in envelopes_of(channel, _read_one(self._log, channel, position)):
                    self._hand_over(envelope)
        except Upstream as error:
            logger.warning("pushing to %s failed, the outbox will: %s", channel, error.message)

    def flush(self) -> None:
        """Write down how far channels have been pushed.

        A push that overtook another waits here for it, some turns long: a mark cannot pass a gap.
        What is never closed is the doorbell's.
        """
        with self._lock:
            collected, self._pushed = self._pushed, {}
        merged = {key: merge(pushed) for key, pushed in collected.items()}
        if not merged:
            return
        try:
            refused = set(self._log.mark_pushed([pushed[0] for pushed in merged.values()]))
        except Upstream:
            with self._lock:
                for key, pushed in merged.items():
                    self._pushed.setdefault(key, []).extend(pushed)
            raise
        with self._lock:
            for key, pushed in merged.items():
                tries = self._tries.pop(key, 0) + 1 if pushed[0] in refused else 0
                waiting = pushed if 0 < tries < MAX_TRIES else pushed[1:]
                if waiting:
                    self._pushed.setdefault(key, []).extend(waiting)
                    self._tries[key] = tries

    def _hand_over(self, envelope: Envelope) -> None:
        hand_over(envelope, self._broker, self._stage)

    def _note(self, envelopes: Sequence[Envelope]) -> None:
        with self._lock:
            for envelope in envelopes:
                key = (envelope.channel, envelope.epoch)
                one = Pushed(*key, envelope.after, envelope.last)
                self._pushed.setdefault(key, []).append(one)


def merge(pushed: Sequence[Pushed]) -> list[Pushed]:
    """Join what adjoins or overlaps, in ascending order; one channel and epoch."""
    merged: list[Pushed] = []
    for one in sorted(pushed, key=lambda one: (one.after or 0, one.last)):
        before = merged[-1] if merged else None
        if before is not None and (one.after or 0) <= before.last:
            last = max(before.last, one.last)
            merged[-1] = Pushed(one.channel, one.epoch, before.after, last)
        else:
            merged.append(one)
    return merged


def answer_doorbell(channel: str, *, log: PushableLog, broker: Broker, stage: str) -> int:
    """Push what the log holds by now beyond the channel's mark, fold its state; return how much.

    Order, redelivery and replays need no other care: it reads the log, not the doorbell.

    Raises:
        Upstream: the log or the broker failed; ring again.
    """
    goal, count = log.tail(channel), 0
    while (run := log.unpushed(channel, max_updates=MAX_UPDATES, max_bytes=MAX_BYTES)) is not None:
        updates = [(Position(run.epoch, update.seq), update) for update in run.updates]
        for envelope in envelopes_of(channel, updates):
            hand_over(envelope, broker, stage)
        log.mark_pushed([Pushed(channel, run.epoch, None, run.last)])
        count += len(updates)
        if run.epoch == goal.epoch and run.last >= goal.seq:
            break  # what has come meanwhile is for whoever rings next: others wait
    log.settle_state(channel)
    return count


def hand_over(envelope: Envelope, broker: Broker, stage: str) -> None:
    """Hand one envelope to the broker."""
    broker.publish(topic_of(stage, envelope.channel), encode_payload(envelope))


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
