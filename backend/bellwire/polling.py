"""The use case of every client that asks: what is new since here, on all of my channels.

Access is asked first and for every channel: one that may not be read refuses the whole request.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bellwire.answers import Answer, ChannelAnswer, encode_channel_answer
from bellwire.channels import resolve_me
from bellwire.conflation import conflate
from bellwire.cursors import Cursor, encode_cursor
from bellwire.errors import NotAllowed, TooLarge
from bellwire.ports import Reads, Snapshot
from bellwire.updates import Position, Update, encode_update
from bellwire.wire_json import Json, size_bytes

MAX_ANSWER_BYTES = 1_048_576  # protocol §1
MAX_CONTENT_BYTES = MAX_ANSWER_BYTES - 8_192  # the rest is for the cursor and the frame
FRAME_BYTES = 1_024  # of one channel: its name, its fields, the key that its page ends at
DEFAULT_LIMIT = 500


class InParallel(Protocol):
    """Calls a function with each of some names and gives the results in their order."""

    def __call__(
        self, function: Callable[[str], "_Part"], names: Sequence[str], /
    ) -> Iterable["_Part"]: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks for.

    Args:
        positions: by channel name as the client writes it; None where it has no position yet.
        pages: the last key that came where a state is coming in pages.
        rewind: how many of the newest kept events come with a first answer.
        limit: how many updates of one channel come at most.
    """

    positions: Mapping[str, Position | None]
    rewind: int = 0
    limit: int = DEFAULT_LIMIT
    pages: Mapping[str, str] = field(default_factory=dict)


def poll(
    ask: Ask,
    *,
    log: Reads,
    may_read: Callable[[str], bool],
    identity_id: str | None,
    poll_after_ms: int,
    in_parallel: InParallel = map,
) -> Answer:
    """Answer from the log.

    Args:
        ask: the channels, and how far the client is.
        log: read once per channel.
        may_read: asked of every channel, with `me` put in its place.
        identity_id: who asks, None for a guest.
        poll_after_ms: when the client is to ask again.
        in_parallel: reads the channels, e.g. an executor's `map` where a read is a round trip.

    Raises:
        NotAllowed: naming the first channel that the caller may not read.
        TooLarge: single values are so large that the first answer cannot hold one per channel.
    """
    channels = {name: resolve_me(name, identity_id) for name in ask.positions}
    for name, channel in channels.items():
        if not may_read(channel):
            raise NotAllowed(f"you may not read {name}", name)
    share_bytes = MAX_CONTENT_BYTES // len(channels) - FRAME_BYTES
    read = in_parallel(
        lambda name: _read(log, channels[name], name, ask, share_bytes), list(channels)
    )
    parts = dict(zip(channels, read, strict=True))
    fitted = _fit(parts, ask)
    return Answer(
        cursor=encode_cursor(_cursor_of(fitted)),
        poll_after_ms=poll_after_ms,
        has_more=any(part.has_more for part in fitted.values()),
        channels={name: part.answer for name, part in fitted.items()},
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One channel's answer, and whether there was more than it holds."""

    answer: ChannelAnswer
    has_more: bool = False

    @property
    def size_bytes(self) -> int:
        return size_bytes(encode_channel_answer(self.answer)) + 256  # and its name


def _cursor_of(parts: Mapping[str, _Part]) -> Cursor:
    answers = {name: part.answer for name, part in parts.items()}
    return Cursor(
        {name: Position(a.epoch, a.last) for name, a in answers.items()},
        {name: a.next_key for name, a in answers.items() if a.next_key is not None},
    )


def _read(log: Reads, channel: str, name: str, ask: Ask, share_bytes: int) -> _Part:
    position, page = ask.positions[name], ask.pages.get(name)
    if position is None:
        return _renew(log, channel, None, ask.rewind, share_bytes)
    if page is not None:
        return _turn_page(log, channel, position, page, share_bytes)
    run = log.read_after(channel, position, max_updates=ask.limit, max_bytes=share_bytes)
    if run is None:  # a suspicion until a strong read has confirmed it
        run = log.read_after(
            channel, position, max_updates=ask.limit, max_bytes=share_bytes, is_strong=True
        )
    if run is None:
        return _renew(log, channel, position, 0, share_bytes)
    survivors = conflate(run.updates)
    if len(survivors) > ask.limit:
        run = replace(run, last=survivors[ask.limit - 1].seq, is_end=False)
        survivors = survivors[: ask.limit]
    answer = ChannelAnswer(run.epoch, run.after, run.last, is_recovered=True, updates=survivors)
    return _Part(answer, has_more=not run.is_end)


def _renew(
    log: Reads, channel: str, position: Position | None, rewind: int, share_bytes: int
) -> _Part:
    """Answer with the state, and the kept events that the client cannot have had."""
    snapshot = log.snapshot(channel)
    here = snapshot.position
    if position is None:
        events = (
            log.kept_events(channel, here, max_bytes=share_bytes, newest=rewind) if rewind else ()
        )
    else:
        after = position.seq if position.epoch == here.epoch else 0
        events = log.kept_events(channel, here, max_bytes=share_bytes, after=after)
    part = _page(snapshot, here, None, share_bytes // 2 if events else share_bytes)
    room_bytes = share_bytes - part.size_bytes
    answer = replace(part.answer, updates=_newest_within(events, room_bytes))
    return replace(part, answer=answer)


def _turn_page(log: Reads, channel: str, first: Position, page: str, share_bytes: int) -> _Part:
    """Go on with a state after the key `page`; what changed since the first page comes by number.

    In another epoch by now, it begins again, with the events since.
    """
    snapshot = log.snapshot(channel)
    if snapshot.position.epoch != first.epoch:
        return _renew(log, channel, first, 0, share_bytes)
    return _page(snapshot, first, page, share_bytes)


def _page(snapshot: Snapshot, at: Position, after_key: str | None, room_bytes: int) -> _Part:
    """Cut a state to a page, in ascending order of keys; at least one key is on it."""
    page: dict[str, Json] = {}
    next_key: str | None = None
    for key in sorted(snapshot.state, key=str.encode):
        if after_key is not None and key.encode() <= after_key.encode():
            continue
        room_bytes -= size_bytes({key: snapshot.state[key]})
        if room_bytes < 0 and page:
            next_key = max(page, key=str.encode)
            break
        page[key] = snapshot.state[key]
    answer = ChannelAnswer(
        at.epoch, at.seq, at.seq, is_recovered=False, state=page, next_key=next_key
    )
    return _Part(answer, has_more=next_key is not None)


def _newest_within(events: tuple[Update, ...], room_bytes: int) -> tuple[Update, ...]:
    kept: list[Update] = []
    for event in reversed(events):
        room_bytes -= size_bytes(encode_update(event)) + 1
        if room_bytes < 0:
            break
        kept.append(event)
    return tuple(reversed(kept))


def _fit(parts: Mapping[str, _Part], ask: Ask) -> dict[str, _Part]:
    """Keep the answer within its size: what does not fit waits, the smallest come first."""
    room_bytes = MAX_CONTENT_BYTES
    fitted: dict[str, _Part] = {}
    for name in sorted(parts, key=lambda name: parts[name].size_bytes):
        part = parts[name]
        room_bytes -= part.size_bytes
        if room_bytes < 0 and fitted:
            part = _wait(ask.positions[name], ask.pages.get(name))
        fitted[name] = part
    return {name: fitted[name] for name in parts}


def _wait(here: Position | None, page: str | None) -> _Part:
    """Answer that a channel stands where it stood, in the middle of its pages if it was there."""
    if here is None:
        raise TooLarge("the first answer does not fit 1 MiB: ask for fewer channels at once")
    is_paging = page is not None
    answer = ChannelAnswer(
        here.epoch,
        here.seq,
        here.seq,
        is_recovered=not is_paging,
        state={} if is_paging else None,
        next_key=page,
    )
    return _Part(answer, has_more=True)
