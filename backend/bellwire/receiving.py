"""What a client does with envelopes and answers: receiver rules R1 to R5 of protocol §4.

One channel, one position, whatever road an update came by. Pure: when to ask, and how, is the
business of whoever holds the socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bellwire.answers import ChannelAnswer
from bellwire.updates import OPS, ORIGIN, Envelope, Position, Update, encode_envelope, fold
from bellwire.wire_json import Json, encode_json

MAX_HELD: Final = 64
MAX_HELD_BYTES: Final = 1_048_576
MAX_LEFT_EPOCHS: Final = 16


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a client knows of one channel; `position` is None until the first answer."""

    channel: str
    position: Position | None = None
    state: Mapping[str, Json] = field(default_factory=dict)
    held: tuple[Envelope, ...] = ()
    left_epochs: tuple[str, ...] = ()
    paged: ChannelAnswer | None = None
    """The pages of a state that have come; shown when it is whole."""


@dataclass(frozen=True, slots=True)
class Received:
    """What follows: the receiver as it is now, and what the application is told, in order."""

    receiver: Receiver
    is_reset: bool = False
    """Continuity was lost; told before `updates`, which then begin with the state's differences."""
    updates: tuple[Update, ...] = ()

    @property
    def wants_catch_up(self) -> bool:
        """Whether a poll from the receiver's position is needed."""
        return wants_catch_up(self.receiver)


def wants_catch_up(receiver: Receiver) -> bool:
    """Tell whether something is missing that only a poll can bring."""
    return receiver.position is None or bool(receiver.held) or receiver.paged is not None


def holds_another_epoch(receiver: Receiver) -> bool:
    """Tell whether an envelope is held that only a poll can make room for."""
    here = receiver.position
    return here is not None and any(held.epoch != here.epoch for held in receiver.held)


def receive_envelope(receiver: Receiver, envelope: Envelope) -> Received:
    """Apply, hold or drop an envelope (R1, R2, R3)."""
    return _release_held(_hold(receiver, envelope))


def receive_answer(receiver: Receiver, answer: ChannelAnswer, asked: Position | None) -> Received:
    """Apply an answer to the request that `asked` from a position, None for a first one."""
    if answer.is_recovered:
        receiver = replace(receiver, paged=None)
        is_first = asked == receiver.position == ORIGIN and answer.after == 0
        if is_first and answer.epoch not in receiver.left_epochs:
            receiver = _move(receiver, Position(answer.epoch, 0))
        piece = Envelope(receiver.channel, answer.epoch, answer.after, answer.last, answer.updates)
        return _release_held(_hold(receiver, piece))
    if not _counts(receiver, answer, asked):
        return _release_held(replace(receiver, paged=None))
    whole = _join(receiver.paged, answer)
    if whole.next_key is not None:
        return _release_held(replace(receiver, paged=whole))
    renewed = _renew(replace(receiver, paged=None), whole)
    released = _release_held(renewed.receiver)
    return replace(released, is_reset=renewed.is_reset, updates=renewed.updates + released.updates)


def _counts(receiver: Receiver, answer: ChannelAnswer, asked: Position | None) -> bool:
    """R4: an unrecovered answer is heard only by the receiver that asked for it."""
    here = receiver.position
    if here is None or asked is None:
        return here is asked
    if asked.epoch != here.epoch or answer.epoch in receiver.left_epochs:
        return False
    return answer.epoch != here.epoch or answer.last > here.seq


def _join(paged: ChannelAnswer | None, page: ChannelAnswer) -> ChannelAnswer:
    """Add a page to those before it; another epoch or number begins anew."""
    if paged is None or (paged.epoch, paged.last) != (page.epoch, page.last):
        return page
    state = {**(paged.state or {}), **(page.state or {})}
    return replace(page, state=state, updates=page.updates or paged.updates)


def _renew(receiver: Receiver, answer: ChannelAnswer) -> Received:
    here = receiver.position
    state = answer.state or {}
    at = here.seq if here is not None and here.epoch == answer.epoch else 0
    events = tuple(u for u in answer.updates if u.seq > at)
    moved = replace(_move(receiver, Position(answer.epoch, answer.last)), state=dict(state))
    return Received(moved, here is not None, _differences(receiver.state, state, answer) + events)


def _differences(
    old: Mapping[str, Json], new: Mapping[str, Json], answer: ChannelAnswer
) -> tuple[Update, ...]:
    deleted = (Update(answer.last, "delete", key) for key in sorted(old) if key not in new)
    changed = (
        Update(answer.last, "set", key, new[key])
        for key in sorted(new)
        if key not in old or encode_json(old[key]) != encode_json(new[key])
    )
    return (*deleted, *changed)


def _release_held(receiver: Receiver) -> Received:
    """R5: run whatever is held again, by number; what still does not fit stays held."""
    now, told, kept = receiver, list[Update](), list[Envelope]()
    for envelope in receiver.held:
        if _is_left_behind(now, envelope):
            continue
        if _is_next(now, envelope):
            now, fresh = _advance(now, envelope)
            told += fresh
        else:
            kept.append(envelope)
    return Received(replace(now, held=_newest(kept)), updates=tuple(told))


def _is_left_behind(receiver: Receiver, envelope: Envelope) -> bool:
    here = receiver.position
    if here is not None and envelope.epoch == here.epoch:
        return envelope.last <= here.seq
    return envelope.epoch in receiver.left_epochs


def _is_next(receiver: Receiver, envelope: Envelope) -> bool:
    here = receiver.position
    return here is not None and envelope.epoch == here.epoch and envelope.after <= here.seq


def _advance(receiver: Receiver, envelope: Envelope) -> tuple[Receiver, tuple[Update, ...]]:
    seq = receiver.position.seq if receiver.position is not None else 0
    fresh = tuple(u for u in envelope.updates if u.seq > seq and u.op in OPS)
    moved = _move(receiver, Position(envelope.epoch, envelope.last))
    return replace(moved, state=fold(receiver.state, fresh)), fresh


def _hold(receiver: Receiver, envelope: Envelope) -> Receiver:
    held = sorted((*receiver.held, envelope), key=lambda e: e.after)
    return replace(receiver, held=tuple(held))


def _newest(held: list[Envelope]) -> tuple[Envelope, ...]:
    """Keep what may be held; the lowest go first, since what they bring a poll brings as well."""
    kept = held[-MAX_HELD:]
    while len(kept) > 1 and sum(len(encode_envelope(e)) for e in kept) > MAX_HELD_BYTES:
        kept.pop(0)
    return tuple(kept)


def _move(receiver: Receiver, position: Position) -> Receiver:
    here = receiver.position
    left = receiver.left_epochs
    if here is not None and here.epoch != position.epoch:
        left = (*left, here.epoch)[-MAX_LEFT_EPOCHS:]
    return replace(receiver, position=position, left_epochs=left)
