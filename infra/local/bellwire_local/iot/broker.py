"""All connections together: fan-out, takeover, keep-alive. No socket and no clock: both are given.

What one client may say and hears in answer is `session`'s; whether it may is `authorization`'s.
"""

import logging
import uuid
from collections.abc import Callable
from typing import Protocol

from bellwire_local.identity.principals import Principal
from bellwire_local.iot import limits
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.mqtt import Decoder, MalformedPacket, Packet, Publish, encode
from bellwire_local.iot.session import (
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    Send,
    Session,
    StartDelivery,
    StopDelivery,
    TakeOver,
    restarts_keep_alive,
    step,
)
from bellwire_local.iot.topics import SubscriptionIndex

logger = logging.getLogger(__name__)

_RECEIVE_DECISIONS_KEPT = 1024


class Outlet(Protocol):
    """A client's socket, as far as the broker sees it."""

    def send(self, encoded: bytes) -> None:
        """Write soon; order is kept."""

    def is_stalled(self) -> bool:
        """Whether so much waits to be written already that messages are to be dropped."""

    def close(self) -> None:
        """Write what waits, then end the connection; `Broker.lose` need not follow."""


class Connection:
    """One upgraded socket and what the broker knows of it."""

    def __init__(
        self, outlet: Outlet, principal: Principal, source_ip: str, opened_s: float
    ) -> None:
        self.outlet = outlet
        self.principal = principal
        self.expires_at: float | None = None
        self.source_ip = source_ip
        self.opened_s = opened_s
        self.alive_s = opened_s
        self.session = Session()
        self.decoder = Decoder(limits.STRICT.packet_bytes)
        self.is_open = True
        self.dropped = 0
        self.receive_decisions: dict[str, bool] = {}

    def __str__(self) -> str:
        return f"{self.session.client_id or 'a client before CONNECT'} ({self.principal})"


class Broker:
    """The message broker of one account in one region."""

    def __init__(self, authorizer: Authorizer, monotonic_s: Callable[[], float]) -> None:
        self._authorizer = authorizer
        self._monotonic_s = monotonic_s
        self._connections: dict[Connection, None] = {}
        self._by_client_id: dict[str, Connection] = {}
        self._subscriptions: SubscriptionIndex[Connection] = SubscriptionIndex()
        self._generation = authorizer.generation

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every open connection, also those that have not sent CONNECT."""
        return tuple(self._connections)

    def open(self, outlet: Outlet, principal: Principal, source_ip: str) -> Connection:
        """Take a socket on whose upgrade request `principal` has signed."""
        connection = Connection(outlet, principal, source_ip, self._monotonic_s())
        self._connections[connection] = None
        return connection

    def receive(self, connection: Connection, received: bytes) -> None:
        """Act on bytes from a client; whatever they are, only that client can be hurt."""
        try:
            for packet in connection.decoder.feed(received):
                if not connection.is_open:
                    return
                self._handle(connection, packet)
        except MalformedPacket as fault:
            self._hang_up(connection, HangUp(DisconnectReason.CLIENT_ERROR, str(fault)))

    def reject(self, connection: Connection, detail: str) -> None:
        """End a connection whose client sent something that is not MQTT at all."""
        self._hang_up(connection, HangUp(DisconnectReason.CLIENT_ERROR, detail))

    def end(self, connection: Connection, reason: DisconnectReason, detail: str) -> None:
        """End a connection for a reason that neither its client nor MQTT has given."""
        self._hang_up(connection, HangUp(reason, detail))

    def leave(self, connection: Connection) -> None:
        """Forget a connection whose client has sent a WebSocket Close frame."""
        if connection.is_open:
            reason = DisconnectReason.CLIENT_INITIATED_DISCONNECT
            self._forget(connection, reason, "the client closed the WebSocket")

    def lose(self, connection: Connection) -> None:
        """Forget a connection whose socket has ended without a word."""
        if connection.is_open:
            self._forget(connection, DisconnectReason.CONNECTION_LOST, "the socket ended")

    def publish(self, topic: str, payload: bytes) -> int:
        """Deliver a message to whoever subscribes to its topic and may receive it.

        Returns: how many connections it was handed to.
        """
        if self._generation != self._authorizer.generation:
            self._forget_decisions()
        encoded: bytes | None = None
        delivered = 0
        for connection in self._subscriptions.subscribers_of(topic):
            may_receive = connection.receive_decisions.get(topic)
            if may_receive is None:
                may_receive = self._decide_receive(connection, topic)
            if not may_receive:
                continue
            if connection.outlet.is_stalled():
                self._drop(connection)
                continue
            if encoded is None:
                encoded = encode(Publish(topic, payload))
            connection.outlet.send(encoded)
            delivered += 1
        return delivered

    def expire(self) -> None:
        """End what has been silent or open for too long; to be called about once a second."""
        now_s = self._monotonic_s()
        for connection in self.connections:
            overdue = _find_overdue(connection, now_s)
            if overdue is not None:
                self._hang_up(connection, overdue)

    def close(self) -> None:
        """End every connection."""
        for connection in self.connections:
            reason = DisconnectReason.SERVER_INITIATED_DISCONNECT
            self._hang_up(connection, HangUp(reason, "the stand-in stops"))

    def _handle(self, connection: Connection, packet: Packet) -> None:
        if restarts_keep_alive(packet):
            connection.alive_s = self._monotonic_s()

        def may_do(action: str, resource: str) -> bool:
            return self._may_do(connection, action, resource)

        assigned_id = f"$GEN/{uuid.uuid4()}" if connection.session.client_id is None else ""
        connection.session, effects = step(connection.session, packet, may_do, assigned_id)
        for effect in effects:
            self._perform(connection, effect)

    def _may_do(self, connection: Connection, action: str, resource: str) -> bool:
        client_id = connection.session.client_id
        if action == "iot:Connect":
            client_id = resource.removeprefix("client/")
        decision = self._authorizer.decide(
            connection.principal,
            action,
            resource,
            source_ip=connection.source_ip,
            client_id=client_id,
        )
        return decision.is_allowed

    def _perform(self, connection: Connection, effect: Effect) -> None:
        match effect:
            case FanOut(topic, payload):
                self.publish(topic, payload)
            case Send(packet):
                self._answer(connection, packet)
            case TakeOver(client_id):
                self._take_over(connection, client_id)
            case StartDelivery(topic_filter):
                self._subscriptions.add(topic_filter, connection)
            case StopDelivery(topic_filter):
                self._subscriptions.remove(topic_filter, connection)
            case HangUp():
                self._hang_up(connection, effect)

    def _answer(self, connection: Connection, packet: Packet) -> None:
        if connection.outlet.is_stalled():  # answers cannot be dropped, nor may they pile up
            reason = DisconnectReason.CLIENT_ERROR
            self._hang_up(connection, HangUp(reason, "it asks on without reading the answers"))
        elif connection.is_open:
            connection.outlet.send(encode(packet))

    def _take_over(self, connection: Connection, client_id: str) -> None:
        older = self._by_client_id.get(client_id)
        if older is not None:  # [MQTT-3.1.4-2]
            reason = DisconnectReason.DUPLICATE_CLIENTID
            self._hang_up(older, HangUp(reason, "another connection has the same client id"))
        self._by_client_id[client_id] = connection
        logger.info("connected: %s from %s", connection, connection.source_ip)

    def _hang_up(self, connection: Connection, effect: HangUp) -> None:
        if connection.is_open:
            self._forget(connection, effect.reason, effect.detail)
            connection.outlet.close()

    def _forget(self, connection: Connection, reason: DisconnectReason, detail: str) -> None:
        connection.is_open = False
        self._connections.pop(connection, None)
        for topic_filter in connection.session.filters:
            self._subscriptions.remove(topic_filter, connection)
        client_id = connection.session.client_id
        if client_id is not None and self._by_client_id.get(client_id) is connection:
            del self._by_client_id[client_id]
        logger.info("disconnected: %s: %s, %s", connection, reason, detail)

    def _decide_receive(self, connection: Connection, topic: str) -> bool:
        decisions = connection.receive_decisions
        if len(decisions) >= _RECEIVE_DECISIONS_KEPT:
            decisions.clear()
        decisions[topic] = self._may_do(connection, "iot:Receive", f"topic/{topic}")
        return decisions[topic]

    def _forget_decisions(self) -> None:
        self._generation = self._authorizer.generation
        for connection in self._connections:
            connection.receive_decisions.clear()

    def _drop(self, connection: Connection) -> None:
        if connection.dropped == 0:
            logger.warning(
                "%s does not read: more than %d bytes wait for it, messages for it are dropped",
                connection,
                limits.STALLED_SUBSCRIBER_BYTES,
            )
        connection.dropped += 1


def _find_overdue(connection: Connection, now_s: float) -> HangUp | None:
    silent_s = now_s - connection.alive_s
    if connection.session.client_id is None:
        if silent_s > limits.CONNECT_PACKET_WAIT_S:
            return HangUp(DisconnectReason.CLIENT_ERROR, "no CONNECT came")
        return None
    if now_s - connection.opened_s > limits.CONNECTION_LIFETIME_S:
        return HangUp(DisconnectReason.WEBSOCKET_TTL_EXPIRATION, "open for 24 hours")
    if silent_s > limits.KEEP_ALIVE_GRACE * connection.session.keep_alive_s:
        detail = (
            f"silent for {silent_s:.0f} s with a keep-alive of {connection.session.keep_alive_s} s"
        )
        return HangUp(DisconnectReason.MQTT_KEEP_ALIVE_TIMEOUT, detail)
    return None
