"""Who is on a channel, as `GET /v1/presence` tells it: protocol §8."""

from collections.abc import Sequence
from dataclasses import dataclass

from bellwire.errors import Malformed
from bellwire.wire_json import Json, decode_json


@dataclass(frozen=True, slots=True)
class PresentPerson:
    """An identity that is on a channel.

    Attributes:
        identity_id: of the identity pool.
        user: as the application knows them, None for somebody who never logged in.
        connections: how many of their clients are on the channel.
        since_ms: since when the first of them is connected, in ms since 1970.
    """

    identity_id: str
    user: str | None
    connections: int
    since_ms: int


def encode_present(channel: str, present: Sequence[PresentPerson]) -> dict[str, Json]:
    """Shape `{"v":1,"channel":"group/red/room","present":[{"identity_id",…}, …]}`."""
    return {"v": 1, "channel": channel, "present": [encode_person(one) for one in present]}


def decode_present(body: bytes) -> list[PresentPerson]:
    """Read what `encode_present` shaped.

    Raises:
        Malformed: it is something else.
    """
    match decode_json(body):
        case {"present": list(present)}:
            return [_decode(one) for one in present]
        case other:
            raise Malformed(f"expected who is present, found {str(other)[:80]!r}")


def encode_person(one: PresentPerson) -> dict[str, Json]:
    """Shape `{"identity_id":"us-east-1:…","user":"alice","connections":2,"since":1795881911}`."""
    return {
        "identity_id": one.identity_id,
        "user": one.user,
        "connections": one.connections,
        "since": one.since_ms,
    }


def _decode(one: Json) -> PresentPerson:
    match one:
        case {
            "identity_id": str(identity_id),
            "user": str() | None as user,
            "connections": int(connections),
            "since": int(since_ms),
        }:
            return PresentPerson(identity_id, user, connections, since_ms)
        case _:
            raise Malformed(f"expected somebody present, found {str(one)[:80]!r}")
