"""One upgraded socket as the broker knows it, and what is remembered once it is gone."""

from dataclasses import dataclass
from typing import Protocol

from bellwire_local.identity.principals import Principal
from bellwire_local.iot.effects import DisconnectReason, Rules, Session
from bellwire_local.iot.limits import Limits
from bellwire_local.iot.mqtt import Decoder
from bellwire_local.iot.outbound import Outbound
from bellwire_local.iot.rates import RateLimiter


class Outlet(Protocol):
    """A client's socket, as far as the broker sees it."""

    def send(self, encoded: bytes) -> None:
        """Write soon; order is kept."""

    @property
    def is_stalled(self) -> bool:
        """Whether so much waits to be written already that messages are to be dropped."""

    @property
    def is_unread(self) -> bool:
        """Whether the client leaves so much unread that answers would pile up as well."""

    def close(self) -> None:
        """Write what waits, then end the connection; `Broker.lose` need not follow."""

    def pause_reading(self) -> None:
        """Leave in the network what the client sends."""

    def resume_reading(self) -> None:
        """Take in again what the client sends."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a socket comes from and whose credentials signed its upgrade."""

    principal: Principal
    source_ip: str
    source_port: int


class Connection:
    """One upgraded socket; the broker alone changes it."""

    __slots__ = (
        "alive_s",
        "connected_at_ms",
        "decoder",
        "discarded",
        "dropped",
        "expires_at",
        "is_open",
        "is_read",
        "opened_s",
        "outbound",
        "outlet",
        "principal",
        "publishes",
        "receive_decisions",
        "rules",
        "session",
        "session_identifier",
        "source_ip",
        "source_port",
        "throughput",
        "version_number",
    )

    rules: Rules

    def __init__(
        self, outlet: Outlet, peer: Peer, opened_s: float, limits: Limits, session_identifier: str
    ) -> None:
        self.outlet = outlet
        self.principal = peer.principal
        self.source_ip = peer.source_ip
        self.source_port = peer.source_port
        self.opened_s = opened_s
        self.alive_s = opened_s
        self.expires_at: float | None = None
        self.connected_at_ms = 0
        self.session_identifier = session_identifier
        self.version_number = 0
        self.session = Session()
        self.decoder = Decoder(limits.packet_bytes, max_connect_bytes=limits.payload_bytes)
        self.is_open = True
        self.is_read = True
        self.dropped = 0
        self.discarded = 0
        self.receive_decisions: dict[str, bool] = {}
        self.publishes = RateLimiter(limits.publishes_per_s)
        self.throughput = RateLimiter(limits.throughput_bytes_per_s)
        self.outbound: Outbound | None = None

    @property
    def clean_session(self) -> bool:
        """Whether nothing outlives the connection; always so, sessions are not kept here."""
        return True

    @property
    def keep_alive_s(self) -> int:
        """The keep-alive in force."""
        return self.session.keep_alive_s

    def __str__(self) -> str:
        client_id = self.session.client_id  # quoted: a line feed in it could forge a line of log
        name = "a client before CONNECT" if client_id is None else repr(client_id)
        return f"{name} ({self.principal})"


@dataclass(frozen=True, slots=True)
class PastConnection:
    """A connection that has ended; moments are in milliseconds since 1970."""

    client_id: str
    reason: DisconnectReason
    connected_at_ms: int
    disconnected_at_ms: int
    keep_alive_s: int
    source_ip: str
    source_port: int
    clean_session: bool = True
