"""Updates, positions and envelopes: what they are and how they look on the wire.

Pure values. Numbering them is the update log's work, joining them `conflation`'s.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bellwire.errors import Malformed, TooLarge
from bellwire.wire_json import Json, decode_json, encode_json, size_bytes

PROTOCOL_VERSION: Final = 1
MAX_UPDATE_BYTES: Final = 102_400  # protocol §1
MAX_PAYLOAD_BYTES: Final = 131_072  # AWS IoT Core quota "payload", 128 KB
MAX_KEY_BYTES: Final = 256
LIBRARY_ID_PREFIX: Final = "auto:"
"""Begins an id that a library made for its own retries: remembered briefly, not pushed."""
LIBRARY_ID_WINDOW_MS: Final = 600_000

Op = Literal["event", "set", "delete"]
OPS: Final[tuple[Op, ...]] = ("event", "set", "delete")

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_EPOCH = re.compile(r"0|[a-z0-9]{8,16}")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel's history: everything up to `seq` of `epoch` is behind it."""

    epoch: str
    seq: int


ORIGIN: Final = Position("0", 0)
"""Where a channel stands that was never written."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An update that has no number yet."""

    op: Op
    key: str | None = None
    data: Json = None
    id: str | None = None
    """Given by the caller, who may send it again later; None if nobody will."""


@dataclass(frozen=True, slots=True)
class Update:
    """One numbered update of one channel.

    `op` is `event`, `set`, `delete`, or a word of a later protocol, which moves the position only.
    `at_ms` is when it was first appended, in ms since the Unix epoch; it never orders anything.
    """

    seq: int
    op: str
    key: str | None = None
    data: Json = None
    id: str | None = None
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """The updates `after` + 1 … `last` of one epoch of one channel, in one MQTT payload."""

    channel: str
    epoch: str
    after: int
    last: int
    updates: tuple[Update, ...]


def check_draft(draft: Draft) -> Draft:
    """Return the draft if it can be published.

    Raises:
        Malformed: an unknown op, a key or data where none belongs, none where one does, or an id
            outside `[A-Za-z0-9_.:-]{1,128}`.
        TooLarge: more than 102,400 bytes as an update on the wire.
    """
    if draft.op not in OPS:
        raise Malformed(f"expected op to be event, set or delete, found {draft.op!r}")
    _check_key(draft.op, draft.key)
    if draft.op == "delete" and draft.data is not None:
        raise Malformed("expected no data with a delete")
    if draft.id is not None:
        _check_id(draft.id)
    largest = Update(2**53 - 1, draft.op, draft.key, draft.data, draft.id, 2**43)
    size = len(encode_json(encode_update(largest)))
    if size > MAX_UPDATE_BYTES:
        raise TooLarge(f"expected an update of at most {MAX_UPDATE_BYTES} bytes, found {size}")
    return draft


def wire_id(draft_id: str | None) -> str | None:
    """Tell the id that readers see: the caller's own, none that a library made for a retry."""
    return None if draft_id is None or draft_id.startswith(LIBRARY_ID_PREFIX) else draft_id


def id_window_ms(draft_id: str, callers_ms: int) -> int:
    """Tell how long an id is remembered: a library retries for minutes, a caller for hours."""
    return min(callers_ms, LIBRARY_ID_WINDOW_MS if wire_id(draft_id) is None else callers_ms)


def encode_update(update: Update) -> dict[str, Json]:
    """Shape an update as `{"s":43, "i": "a7", "t":1795417463828, "o": "set", "k": "x", "d": 7}`."""
    wire: dict[str, Json] = {"s": update.seq}
    if update.id is not None:
        wire["i"] = update.id
    wire["t"] = update.at_ms
    wire["o"] = update.op
    if update.key is not None:
        wire["k"] = update.key
    if update.op in ("event", "set"):
        wire["d"] = update.data
    return wire


def decode_update(wire: Json) -> Update:
    """Read what `encode_update` shaped; fields that are not known are ignored.

    Raises:
        Malformed: a field is missing, of the wrong kind, or not for this op.
    """
    fields = _object(wire, "an update")
    op = _text(fields, "o", "an update")
    key = fields.get("k")
    if op in OPS:
        _check_key(op, key)
        if (op == "delete") == ("d" in fields):
            raise Malformed(f"expected {'no d' if op == 'delete' else 'd'} in a {op}")
    update_id = fields.get("i")
    if update_id is not None:
        _check_id(update_id)
    return Update(
        seq=_count(fields, "s", "an update", least=1),
        op=op,
        key=key if isinstance(key, str) else None,
        data=fields.get("d"),
        id=update_id if isinstance(update_id, str) else None,
        at_ms=_count(fields, "t", "an update"),
    )


def encode_envelope(envelope: Envelope) -> bytes:
    """Write `{"v":1,"c":"public/host","e":"k3f9x0ab","f":40,"l":43,"u":[…]}`."""
    return encode_json(
        {
            "v": PROTOCOL_VERSION,
            "c": envelope.channel,
            "e": envelope.epoch,
            "f": envelope.after,
            "l": envelope.last,
            "u": [encode_update(update) for update in envelope.updates],
        }
    )


def decode_envelope(payload: bytes) -> Envelope:
    """Read an envelope and check that its updates cover what it says.

    Raises:
        Malformed: not an envelope of version 1, or one whose numbers do not agree.
    """
    fields = _object(decode_json(payload), "an envelope")
    if fields.get("v") != PROTOCOL_VERSION:
        raise Malformed(f"expected an envelope of version 1, found version {fields.get('v')!r}")
    wire = fields.get("u")
    if not isinstance(wire, list):
        raise Malformed(f"expected a list as u of an envelope, found {type(wire).__name__}")
    envelope = Envelope(
        channel=_text(fields, "c", "an envelope"),
        epoch=check_epoch(_text(fields, "e", "an envelope")),
        after=_count(fields, "f", "an envelope"),
        last=_count(fields, "l", "an envelope"),
        updates=tuple(decode_update(item) for item in wire),
    )
    _check_coverage(envelope)
    return envelope


def split_envelope(envelope: Envelope, max_bytes: int = MAX_PAYLOAD_BYTES) -> list[Envelope]:
    """Cut an envelope into pieces of at most `max_bytes` each, every one ending at a survivor.

    A single update is never cut: at most 102,400 bytes, it fits every payload.
    """
    if len(encode_envelope(envelope)) <= max_bytes:
        return [envelope]
    room = (
        max_bytes - len(encode_envelope(Envelope(envelope.channel, envelope.epoch, 0, 0, ()))) - 32
    )
    pieces: list[Envelope] = []
    after, held, used = envelope.after, list[Update](), 0
    for update in envelope.updates:
        size = size_bytes(encode_update(update)) + 1
        if held and used + size > room:
            last = held[-1].seq
            pieces.append(Envelope(envelope.channel, envelope.epoch, after, last, tuple(held)))
            after, held, used = last, [], 0
        held.append(update)
        used += size
    pieces.append(Envelope(envelope.channel, envelope.epoch, after, envelope.last, tuple(held)))
    return pieces


def fold(state: Mapping[str, Json], updates: Sequence[Update]) -> dict[str, Json]:
    """Carry keyed state forward over updates; events and unknown ops leave it as it is."""
    carried = dict(state)
    for update in updates:
        if update.key is None:
            continue
        if update.op == "set":
            carried[update.key] = update.data
        elif update.op == "delete":
            carried.pop(update.key, None)
    return carried


def check_epoch(epoch: str) -> str:
    """Return the epoch if it is `"0"` or 8 to 16 of `a-z 0-9`.

    Raises:
        Malformed: it is not.
    """
    if not _EPOCH.fullmatch(epoch):
        raise Malformed(f"expected an epoch of 8 to 16 of a-z 0-9, or 0, found {epoch[:40]!r}")
    return epoch


def _check_coverage(envelope: Envelope) -> None:
    seqs = [update.seq for update in envelope.updates]
    if envelope.after > envelope.last:
        raise Malformed(f"expected f ≤ l, found f {envelope.after} and l {envelope.last}")
    if any(a >= b for a, b in zip([envelope.after, *seqs], seqs, strict=False)):
        raise Malformed(f"expected ascending numbers after {envelope.after}, found {seqs[:20]}")
    if (seqs[-1] if seqs else envelope.after) != envelope.last:
        raise Malformed(f"expected the last update to be number {envelope.last}, found {seqs[-1:]}")


def _check_key(op: str, key: object) -> None:
    if op == "event":
        if key is not None:
            raise Malformed(f"expected no key with an event, found {key!r}")
        return
    if not isinstance(key, str):
        raise Malformed(f"expected a key with a {op}, found {key!r}")
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY_BYTES:
        raise Malformed(f"expected a key of at most {MAX_KEY_BYTES} bytes, found {size}")


def _check_id(update_id: object) -> None:
    if not isinstance(update_id, str) or not _ID.fullmatch(update_id):
        raise Malformed(
            f"expected an id of 1 to 128 of A-Z a-z 0-9 _ . : -, found {update_id!r:.140}"
        )


def _object(wire: Json, what: str) -> dict[str, Json]:
    if not isinstance(wire, dict):
        raise Malformed(f"expected a JSON object as {what}, found {type(wire).__name__}")
    return wire


def _text(fields: Mapping[str, Json], name: str, what: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Malformed(f"expected a string as {name} of {what}, found {value!r:.80}")
    return value


def _count(fields: Mapping[str, Json], name: str, what: str, least: int = 0) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Malformed(
            f"expected a whole number from {least} as {name} of {what}, found {value!r:.80}"
        )
    return value
