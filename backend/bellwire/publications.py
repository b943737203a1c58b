"""A publication: an update on its way to a channel, as `POST /v1/publish` carries it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from bellwire.errors import BadChannel, BellwireError, Malformed, from_wire, to_wire
from bellwire.updates import OPS, Draft, check_epoch
from bellwire.wire_json import Json

MAX_PUBLICATIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Publication:
    """An update on its way to a channel; `draft` is an error if it could not be read."""

    channel: str
    draft: Draft | Malformed


@dataclass(frozen=True, slots=True)
class Published:
    """An update in the log: where it stands, and whether its id stood there before."""

    channel: str
    epoch: str
    seq: int
    duplicate: bool = False


Result = Published | BellwireError


def encode_publication(channel: str, draft: Draft) -> dict[str, Json]:
    """Shape `{"channel": "public/host", "op": "set", "key": "cpu", "data": 7, "id": "a7"}`."""
    wire: dict[str, Json] = {"channel": channel, "op": draft.op}
    if draft.key is not None:
        wire["key"] = draft.key
    if draft.op != "delete":
        wire["data"] = draft.data
    if draft.id is not None:
        wire["id"] = draft.id
    return wire


def decode_publications(wire: Json) -> list[Publication]:
    """Read `{"updates": [{"channel", "op", "key"?, "data"?, "id"?}, …]}`.

    Raises:
        Malformed: something else, or not 1 to 100 of them.
    """
    match wire:
        case {"updates": list(updates)} if 1 <= len(updates) <= MAX_PUBLICATIONS:
            return [decode_publication(update) for update in updates]
        case {"updates": list(updates)}:
            raise Malformed(f"expected 1 to {MAX_PUBLICATIONS} updates, found {len(updates)}")
        case other:
            raise Malformed(f'expected {{"updates": […]}}, found {str(other)[:80]!r}')


def decode_publication(wire: Json) -> Publication:
    """Read what `encode_publication` shaped; what is wrong with it stands in its draft."""
    channel = wire.get("channel") if isinstance(wire, dict) else None
    try:
        return Publication(str(channel), _decode_draft(wire))
    except Malformed as error:
        return Publication(str(channel), error)


def _decode_draft(wire: Json) -> Draft:
    if not isinstance(wire, dict):
        raise Malformed(f"expected a JSON object as an update, found {wire!r:.80}")
    op = wire.get("op")
    if not isinstance(wire.get("channel"), str):
        raise BadChannel(f"expected a channel, found {wire.get('channel')!r:.80}")
    if op not in OPS:
        raise Malformed(f"expected op to be event, set or delete, found {op!r:.80}")
    if (op == "delete") == ("data" in wire):
        raise Malformed(f"expected {'no data' if op == 'delete' else 'data'} with op {op}")
    return Draft(op, _text_or_none(wire, "key"), wire.get("data"), _text_or_none(wire, "id"))


def encode_result(result: Result) -> dict[str, Json]:
    """Shape `{"channel", "epoch", "seq", "duplicate"}`, or `{"error": {…}}`."""
    if isinstance(result, BellwireError):
        return cast("dict[str, Json]", to_wire(result))
    return {
        "channel": result.channel,
        "epoch": result.epoch,
        "seq": result.seq,
        "duplicate": result.duplicate,
    }


def decode_result(wire: Json) -> Result:
    """Read what `encode_result` shaped.

    Raises:
        Malformed: it is neither.
    """
    match wire:
        case {
            "channel": str(channel),
            "epoch": str(epoch),
            "seq": int(seq),
            "duplicate": bool(twice),
        }:
            return Published(channel, check_epoch(epoch), seq, twice)
        case {"error": {"code": code, "message": message}}:
            return from_wire(code, message)
        case _:
            raise Malformed(f"expected the result of a publish, found {wire!r:.80}")


def _text_or_none(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"expected a string as {name}, found {value!r:.80}")
    return value
