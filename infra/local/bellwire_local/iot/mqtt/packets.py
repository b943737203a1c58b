"""The control packets of MQTT 3.1.1 as frozen values; `decoding` checks what may stand in them."""

from dataclasses import dataclass

PROTOCOL_NAME = "MQTT"
PROTOCOL_LEVEL = 4

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

ACCEPTED = 0
UNACCEPTABLE_PROTOCOL = 1
IDENTIFIER_REJECTED = 2
SUBSCRIPTION_FAILED = 0x80


class MalformedPacket(ValueError):
    """The bytes are no MQTT 3.1.1 packet; their connection cannot be read any further."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker is asked to publish when the connection ends badly."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """The client's first packet."""

    client_id: str
    clean_session: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None


@dataclass(frozen=True, slots=True)
class UnsupportedConnect:
    """A CONNECT of another protocol version, of which nothing after the level was read."""

    protocol_name: str
    protocol_level: int


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The broker's answer to CONNECT."""

    return_code: int = ACCEPTED
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """A message; `packet_id` is 0 exactly when `qos` is 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0


@dataclass(frozen=True, slots=True)
class PubAck:
    """The receipt for a PUBLISH of QoS 1."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Topic filters with the highest QoS wanted, for example `(("prod/public/#", 0),)`."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SubAck:
    """One code per filter asked for: the QoS granted, or 0x80."""

    packet_id: int
    return_codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Topic filters to give up."""

    packet_id: int
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """The receipt for UNSUBSCRIBE."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class PingReq:
    """The client's sign of life."""


@dataclass(frozen=True, slots=True)
class PingResp:
    """The broker's answer to it."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The client's farewell."""


Packet = (
    Connect
    | UnsupportedConnect
    | ConnAck
    | Publish
    | PubAck
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
)
