"""The use case of every client that asks: what is new since here, on all of my channels.

Access is asked first and for every channel: one that may not be read refuses the whole request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bellwire.answers import Answer, ChannelAnswer, encode_channel_answer
from bellwire.channels import resolve_me
from bellwire.conflation import conflate
from bellwire.cursors import encode_cursor
from bellwire.errors import NotAllowed, TooLarge
from bellwire.ports import UpdateLog
from bellwire.updates import Position, Update, encode_update
from bellwire.wire_json import size_bytes

MAX_ANSWER_BYTES = 1_048_576  # protocol §1
MAX_CONTENT_BYTES = MAX_ANSWER_BYTES - 8_192  # the rest is for the cursor and the frame
DEFAULT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks for.

    Args:
        positions: by channel name as the client writes it; None where it has no position yet.
        rewind: how many of the newest kept events come with a first answer.
        limit: how many updates of one channel come at most.
    """

    positions: Mapping[str, Position | None]
    rewind: int = 0
    limit: int = DEFAULT_LIMIT


def poll(
    ask: Ask,
    *,
    log: UpdateLog,
    may_read: Callable[[str], bool],
    identity_id: str | None,
    poll_after_ms: int,
) -> Answer:
    """Answer from the log.

    Raises:
        NotAllowed: naming the first channel that the caller may not read.
        TooLarge: a channel's state does not fit one answer.
    """
    channels = {name: resolve_me(name, identity_id) for name in ask.positions}
    for name, channel in channels.items():
        if not may_read(channel):
            raise NotAllowed(f"you may not read {name}")
    share_bytes = MAX_CONTENT_BYTES // len(channels)
    parts = {
        name: _read(log, channel, ask.positions[name], ask, share_bytes)
        for name, channel in channels.items()
    }
    fitted = _fit(parts, ask.positions)
    return Answer(
        cursor=encode_cursor(
            {n: Position(p.answer.epoch, p.answer.last) for n, p in fitted.items()}
        ),
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


def _read(
    log: UpdateLog, channel: str, position: Position | None, ask: Ask, share_bytes: int
) -> _Part:
    if position is None:
        return _Part(_renew(log, channel, None, ask.rewind))
    run = log.read_after(channel, position, max_updates=ask.limit, max_bytes=share_bytes)
    if run is None:  # a suspicion until a strong read has confirmed it
        run = log.read_after(
            channel, position, max_updates=ask.limit, max_bytes=share_bytes, is_strong=True
        )
    if run is None:
        return _Part(_renew(log, channel, position, 0))
    survivors = conflate(run.updates)
    if len(survivors) > ask.limit:
        run = replace(run, last=survivors[ask.limit - 1].seq, is_end=False)
        survivors = survivors[: ask.limit]
    answer = ChannelAnswer(run.epoch, run.after, run.last, is_recovered=True, updates=survivors)
    return _Part(answer, has_more=not run.is_end)


def _renew(log: UpdateLog, channel: str, position: Position | None, rewind: int) -> ChannelAnswer:
    """Answer with the whole state, and the kept events that the client cannot have had."""
    snapshot = log.snapshot(channel)
    here = snapshot.position
    if position is None:
        events = log.kept_events(channel, here, newest=rewind) if rewind else ()
    else:
        after = position.seq if position.epoch == here.epoch else 0
        events = log.kept_events(channel, here, after=after)
    room_bytes = MAX_CONTENT_BYTES - size_bytes(dict(snapshot.state))
    if room_bytes < 0:
        raise TooLarge(
            f"expected a state of at most {MAX_CONTENT_BYTES} bytes,"
            f" found {MAX_CONTENT_BYTES - room_bytes} in {channel}"
        )
    return ChannelAnswer(
        here.epoch,
        here.seq,
        here.seq,
        is_recovered=False,
        updates=_newest_within(events, room_bytes),
        state=snapshot.state,
    )


def _newest_within(events: tuple[Update, ...], room_bytes: int) -> tuple[Update, ...]:
    kept: list[Update] = []
    for event in reversed(events):
        room_bytes -= size_bytes(encode_update(event)) + 1
        if room_bytes < 0:
            break
        kept.append(event)
    return tuple(reversed(kept))


def _fit(parts: Mapping[str, _Part], positions: Mapping[str, Position | None]) -> dict[str, _Part]:
    """Keep the answer within its size: what does not fit waits, the smallest come first."""
    room_bytes = MAX_CONTENT_BYTES
    fitted: dict[str, _Part] = {}
    for name in sorted(parts, key=lambda name: parts[name].size_bytes):
        part, here = parts[name], positions[name]
        room_bytes -= part.size_bytes
        if room_bytes < 0 and fitted:
            if here is None:
                raise TooLarge(
                    "the first answer does not fit 1 MiB: ask for fewer channels at once"
                )
            wait = ChannelAnswer(here.epoch, here.seq, here.seq, is_recovered=True)
            part = _Part(wait, has_more=True)
        fitted[name] = part
    return {name: fitted[name] for name in parts}
