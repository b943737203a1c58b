"""The answer to a poll: what it says of each channel, and how it looks on the wire.

Pure values, for the side that answers and the side that asks. What to answer is `polling`'s work.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bellwire.errors import Malformed
from bellwire.updates import PROTOCOL_VERSION, Update, check_epoch, decode_update, encode_update
from bellwire.wire_json import Json, decode_json


@dataclass(frozen=True, slots=True)
class ChannelAnswer:
    """What one channel has for a client.

    Recovered: `updates` are the survivors of `after` + 1 … `last`. Not recovered: `state` is the
    whole truth at `last`, and `updates` are the kept events that the client cannot have had. A
    large state comes in pages, in ascending order of keys: it goes on after `next_key` unless that
    is None, and only its first page has `updates`.
    """

    epoch: str
    after: int
    last: int
    is_recovered: bool
    updates: tuple[Update, ...] = ()
    state: Mapping[str, Json] | None = None
    next_key: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a poll is answered: each channel under the name it was asked by."""

    cursor: str
    poll_after_ms: int
    has_more: bool
    channels: Mapping[str, ChannelAnswer]


def encode_answer(answer: Answer) -> dict[str, Json]:
    """Shape an answer as protocol §5 shows it.

    `{"v":1,"cursor":"…","poll_after_ms":2000,"more":false,"channels":{"public/host":
    {"e":"k3f9x0ab","f":40,"l":43,"recovered":true,"u":[…]}}}`
    """
    return {
        "v": PROTOCOL_VERSION,
        "cursor": answer.cursor,
        "poll_after_ms": answer.poll_after_ms,
        "more": answer.has_more,
        "channels": {
            name: encode_channel_answer(channel) for name, channel in answer.channels.items()
        },
    }


def encode_channel_answer(channel: ChannelAnswer) -> dict[str, Json]:
    """Shape one channel's part of an answer; `state` is there only if it was not recovered."""
    wire: dict[str, Json] = {
        "e": channel.epoch,
        "f": channel.after,
        "l": channel.last,
        "recovered": channel.is_recovered,
    }
    if channel.state is not None:
        wire["state"] = dict(channel.state)
    if channel.next_key is not None:
        wire["next"] = channel.next_key
    wire["u"] = [encode_update(update) for update in channel.updates]
    return wire


def decode_answer(body: bytes) -> Answer:
    """Read an answer.

    Raises:
        Malformed: not an answer of version 1.
    """
    match decode_json(body):
        case {
            "v": 1,
            "cursor": str(cursor),
            "poll_after_ms": int(poll_after_ms),
            "more": bool(more),
            "channels": dict(channels),
        }:
            parts = {name: decode_channel_answer(part) for name, part in channels.items()}
            return Answer(cursor, poll_after_ms, more, parts)
        case other:
            raise Malformed(f"expected an answer to a poll, found {str(other)[:80]!r}")


def decode_channel_answer(wire: Json) -> ChannelAnswer:
    """Read one channel's part of an answer.

    Raises:
        Malformed: a field is missing or of the wrong kind.
    """
    match wire:
        case {"e": str(epoch), "f": int(after), "l": int(last), "u": list(updates)}:
            run = tuple(decode_update(update) for update in updates)
        case _:
            raise Malformed(f"expected a channel's answer, found {str(wire)[:80]!r}")
    match wire:
        case {"recovered": True}:
            return ChannelAnswer(check_epoch(epoch), after, last, is_recovered=True, updates=run)
        case {"recovered": False, "state": dict(state), **rest}:
            next_key = rest.get("next")
            if next_key is not None and not isinstance(next_key, str):
                raise Malformed(f"expected a key as next, found {next_key!r:.80}")
            return ChannelAnswer(
                check_epoch(epoch),
                after,
                last,
                is_recovered=False,
                updates=run,
                state=state,
                next_key=next_key,
            )
        case _:
            raise Malformed("expected recovered: true, or recovered: false with a state")
