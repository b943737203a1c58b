"""How presence lies in DynamoDB: items to values and back. Pure.

One table (partition key `belongs_to`, sort key `client_id`), TTL attribute `expires_at` in s:

- a *client*: `belongs_to` = `identity us-east-1:…`:
  `{revision, attendance: JSON, confirmed_at: ms, expires_at, listed?: channels, due?: shard}`;
- its *places*, one for each channel that it is on: `belongs_to` = `channel public/host`:
  `{since: ms, expires_at}`. `listed` names them: they are written in one transaction with it.

Index `due` (partition key `due`, sort key `confirmed_at`, keys only) holds the clients that may be
there; the shards spread the writes of many clients that come at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zlib import crc32

from bellwire.attendance import Attendance
from bellwire.attendance_json import decode_attendance, encode_attendance
from bellwire.identity_ports import Present
from bellwire.lifecycle import identity_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]
    Key = dict[str, AttributeValueTypeDef]

SHARDS: Final = 8


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is stored, and the channels at which it is listed."""

    attendance: Attendance
    listed: frozenset[str] = frozenset()


def identity_key(identity_id: str) -> str:
    """Name the partition of an identity's clients."""
    return f"identity {identity_id}"


def channel_key(channel: str) -> str:
    """Name the partition of those who are on a channel."""
    return f"channel {channel}"


def key_of_client(client_id: str) -> "Key":
    """Return the key of a client's own item."""
    identity_id = identity_of(client_id) or ""
    return {"belongs_to": {"S": identity_key(identity_id)}, "client_id": {"S": client_id}}


def key_of_place(client_id: str, channel: str) -> "Key":
    """Return the key of a client's item at a channel."""
    return {"belongs_to": {"S": channel_key(channel)}, "client_id": {"S": client_id}}


def encode_client(client: Client) -> "dict[str, AttributeValueTypeDef]":
    """Shape a client's own item."""
    attendance = client.attendance
    item: dict[str, AttributeValueTypeDef] = {
        **key_of_client(attendance.client_id),
        "revision": {"N": str(attendance.revision)},
        "attendance": {"S": encode_attendance(attendance)},
        "confirmed_at": {"N": str(attendance.confirmed_at_ms)},
        "expires_at": {"N": str(_expiry_s(attendance))},
    }
    if client.listed:
        item["listed"] = {"SS": sorted(client.listed)}
    if attendance.may_be_there:
        item["due"] = {"S": shard_of(attendance.client_id)}
    return item


def decode_client(item: "Item") -> Client:
    """Read a client's own item."""
    text, revision = item["attendance"]["S"], int(item["revision"]["N"])
    listed: Iterable[str] = item["listed"]["SS"] if "listed" in item else ()
    attendance = decode_attendance(item["client_id"]["S"], text, revision)
    return Client(attendance, frozenset(listed))


def encode_place(attendance: Attendance, channel: str) -> "dict[str, AttributeValueTypeDef]":
    """Shape a client's item at a channel."""
    return {
        **key_of_place(attendance.client_id, channel),
        "since": {"N": str(since_ms(attendance))},
        "expires_at": {"N": str(_expiry_s(attendance))},
    }


def decode_place(item: "Item") -> Present:
    """Read a client's item at a channel."""
    client_id = item["client_id"]["S"]
    return Present(client_id, identity_of(client_id) or "", int(item["since"]["N"]))


def channels_of(attendance: Attendance) -> frozenset[str]:
    """Name the channels at which a client is to be listed."""
    presence = attendance.presence
    return frozenset() if presence is None else presence.channels


def since_ms(attendance: Attendance) -> int:
    """Tell since when a client is there, 0 if it is not."""
    presence = attendance.presence
    return 0 if presence is None else presence.since_ms


def shard_of(client_id: str) -> str:
    """Name the part of the index that a client is in."""
    return str(crc32(client_id.encode()) % SHARDS)


def _expiry_s(attendance: Attendance) -> int:
    return attendance.expires_at_ms // 1000
