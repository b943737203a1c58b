"""What a conversation remembers and what it asks the broker to do; the rules are in `session`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from bellwire_local.iot import limits
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.mqtt import packets as p


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who is asking with its CONNECT; `attributes` are values of `iot:ConnectAttributes`.

    Source: https://docs.aws.amazon.com/iot/latest/developerguide/connect-policy.html
    """

    client_id: str
    attributes: tuple[str, ...]


class MayDo(Protocol):
    """What a client's policies say."""

    def __call__(self, action: str, resource: str, newcomer: Newcomer | None = None) -> bool:
        """Answer for example `("iot:Publish", "topic/prod/public/host")`; log a refusal."""
        ...


class DisconnectReason(StrEnum):
    """Why a connection ended, in AWS's words.

    FORBIDDEN_ACCESS arises only if a fault asks for it, SERVER_ERROR also if our storage fails.
    Missing are AWS's CUSTOMAUTH_TTL_EXPIRATION, since there are no custom authorizers here, and
    UNKNOWN.
    Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    """

    API_INITIATED_DISCONNECT = "API_INITIATED_DISCONNECT"
    AUTH_ERROR = "AUTH_ERROR"
    CLIENT_INITIATED_DISCONNECT = "CLIENT_INITIATED_DISCONNECT"
    CLIENT_ERROR = "CLIENT_ERROR"
    CONNECTION_LOST = "CONNECTION_LOST"
    DUPLICATE_CLIENTID = "DUPLICATE_CLIENTID"
    FORBIDDEN_ACCESS = "FORBIDDEN_ACCESS"
    MQTT_KEEP_ALIVE_TIMEOUT = "MQTT_KEEP_ALIVE_TIMEOUT"
    SERVER_ERROR = "SERVER_ERROR"
    SERVER_INITIATED_DISCONNECT = "SERVER_INITIATED_DISCONNECT"
    THROTTLED = "THROTTLED"
    WEBSOCKET_TTL_EXPIRATION = "WEBSOCKET_TTL_EXPIRATION"


@dataclass(frozen=True, slots=True)
class Session:
    """What is remembered of one connection; `client_id` is None until CONNECT was accepted.

    `filters` hold each wish with the QoS that was granted; `receive_maximum` and
    `maximum_packet_bytes` are what the client can take.
    """

    client_id: str | None = None
    keep_alive_s: int = limits.KEEP_ALIVE_MAX_S
    filters: MappingProxyType[str, p.Wish] = field(default_factory=lambda: MappingProxyType({}))
    version: p.Version = p.Version.V3_1_1
    aliases: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    receive_maximum: int = STRICT.unacknowledged
    maximum_packet_bytes: int | None = None

    @property
    def is_v5(self) -> bool:
        """Whether refusals can be put into words."""
        return self.version is p.Version.V5

    def can_take(self, encoded: bytes) -> bool:
        """Whether the client accepts a packet of that size. Source: MQTT 5 [MQTT-3.1.2-24]."""
        most = self.maximum_packet_bytes
        return most is None or len(encoded) <= most


@dataclass(frozen=True, slots=True)
class Rules:
    """What a conversation is held to.

    `may_do`: what the client's policies say; a CONNECT tells who is asking.
    `assigned_id`: the id for a client that sends none, for example `$GEN/<uuid>`.
    `may_connect_now`, `may_publish_now`: whether the rates leave room; asking takes the room.
    """

    may_do: MayDo
    assigned_id: str
    limits: Limits = STRICT
    choices: Choices = DEFAULT_CHOICES
    may_connect_now: Callable[[str], bool] = lambda _client_id: True
    may_publish_now: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Send:
    """Write this packet to the client."""

    packet: p.Packet


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The connection now owns this client id; whoever owned it is disconnected."""

    client_id: str


@dataclass(frozen=True, slots=True)
class RefuseConnect:
    """Tell subscribers of lifecycle events that this client may not connect."""

    client_id: str


@dataclass(frozen=True, slots=True)
class StartDelivery:
    """Deliver what matches this wish from now on, in place of an earlier one of its filter."""

    wish: p.Wish


@dataclass(frozen=True, slots=True)
class StopDelivery:
    """Deliver what matches this filter no more."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class SendRetained:
    """Deliver what is retained under the wish's filter, which has no wildcard."""

    wish: p.Wish


@dataclass(frozen=True, slots=True)
class TellSubscribed:
    """Tell subscribers of lifecycle events what was granted."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TellUnsubscribed:
    """Tell subscribers of lifecycle events what was given up."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FanOut:
    """Hand this message to every subscriber; aliases are resolved."""

    packet: p.Publish


@dataclass(frozen=True, slots=True)
class TakeReceipt:
    """Keep this message of QoS 1 no longer; the client has it."""

    packet_id: int


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the connection, after what was sent before has been written.

    `code` is what a client of MQTT 5 is told in DISCONNECT; None leaves it to the reason.
    """

    reason: DisconnectReason
    detail: str
    code: p.Reason | None = None


Effect = (
    Send
    | TakeOver
    | RefuseConnect
    | StartDelivery
    | StopDelivery
    | SendRetained
    | TellSubscribed
    | TellUnsubscribed
    | FanOut
    | TakeReceipt
    | HangUp
)
Step = tuple[Session, tuple[Effect, ...]]


def client_error(detail: str, code: p.Reason = p.Reason.PROTOCOL_ERROR) -> tuple[Effect, ...]:
    """End the connection because of what its client did."""
    return (HangUp(DisconnectReason.CLIENT_ERROR, detail, code),)
