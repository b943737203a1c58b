"""All connections together: fan-out, takeover, keep-alive. No socket and no clock: both are given.

What one client may say and hears in answer is `session`'s; whether it may is `authorization`'s.
"""

import logging
import uuid
from collections.abc import Callable

from bellwire_local.iam.conditions import CONNECT_ATTRIBUTES
from bellwire_local.identity.principals import Principal
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.connections import Connection, Outlet, PastConnection, Peer
from bellwire_local.iot.dispatching import Dispatcher
from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    Newcomer,
    RefuseConnect,
    Rules,
    Send,
    SendRetained,
    StartDelivery,
    StopDelivery,
    TakeOver,
    TakeReceipt,
    TellSubscribed,
    TellUnsubscribed,
)
from bellwire_local.iot.farewells import farewell_for, find_overdue
from bellwire_local.iot.lifecycle import subscribed_event, unsubscribed_event
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.messages import Message, receive_message
from bellwire_local.iot.mqtt import MalformedPacket, Packet, Publish, Reason, Wish, encode
from bellwire_local.iot.outbound import Times
from bellwire_local.iot.rates import KeyedRates
from bellwire_local.iot.registry import Registry
from bellwire_local.iot.retained import NotKept, RetainedMessages, retained_in_memory
from bellwire_local.iot.session import restarts_keep_alive, step

__all__ = ["Broker", "Connection", "Outlet", "PastConnection"]

logger = logging.getLogger(__name__)

_EXPLAINED_REASONS = frozenset(
    {
        DisconnectReason.CLIENT_ERROR,
        DisconnectReason.DUPLICATE_CLIENTID,
        DisconnectReason.MQTT_KEEP_ALIVE_TIMEOUT,
        DisconnectReason.SERVER_ERROR,
        DisconnectReason.THROTTLED,
    }
)
"""Ends that puzzle who sees a closed socket alone; for a missing right its decision has a line."""


class Broker:
    """The message broker of one account in one region."""

    def __init__(
        self,
        authorizer: Authorizer,
        *,
        monotonic_s: Callable[[], float],
        wall_clock_s: Callable[[], float],
        limits: Limits = STRICT,
        choices: Choices = DEFAULT_CHOICES,
        retained: RetainedMessages | None = None,
        new_uuid: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """Begin without connections.

        Args:
            retained: what was retained before; without it nothing is kept beyond the process.
        """
        self._authorizer = authorizer
        self._monotonic_s = monotonic_s
        self._wall_clock_s = wall_clock_s
        self._limits = limits
        self._choices = choices
        self._new_uuid = new_uuid
        self._connections: dict[Connection, None] = {}
        self._dispatcher = Dispatcher(self._may_receive, limits, choices, self._times)
        self._connects = KeyedRates(limits.connects_per_s)
        self._registry = Registry(wall_clock_s)
        self._generation = authorizer.generation
        self.retained = retained or retained_in_memory(wall_clock_s)
        self.announcer: Callable[[Message], object] = self.publish
        """Who publishes lifecycle events; to be replaced by who doubles or swaps them."""
        self.on_publish: Callable[[Message], None] | None = None
        """Who hears every message beside its subscribers: topic rules."""

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every open connection, also those that have not sent CONNECT."""
        return tuple(self._connections)

    def find_connection(self, client_id: str) -> Connection | None:
        """Return the connection that owns a client id."""
        return self._registry.find(client_id)

    def find_past(self, client_id: str) -> PastConnection | None:
        """Return the last connection of a client that is offline, for 30 minutes."""
        return self._registry.find_past(client_id)

    def open(
        self, outlet: Outlet, principal: Principal, source_ip: str, source_port: int = 0
    ) -> Connection:
        """Take a socket on whose upgrade request `principal` has signed."""
        peer, now_s = Peer(principal, source_ip, source_port), self._monotonic_s()
        connection = Connection(outlet, peer, now_s, self._limits, self._new_uuid())
        connection.rules = self._rules_for(connection)
        self._connections[connection] = None
        return connection

    def receive(self, connection: Connection, received: bytes) -> None:
        """Act on bytes from a client; whatever they are, only that client can be hurt."""
        if not connection.is_open:
            return
        self.count_inbound(connection, len(received))
        may_go_on = connection.session.client_id is not None or self._may_pipeline
        try:
            for packet in connection.decoder.feed(received):
                if not connection.is_open:
                    return
                if not may_go_on and connection.session.client_id is not None:
                    detail = f"{type(packet).__name__} was sent before CONNACK was there"
                    self.end(connection, DisconnectReason.CLIENT_ERROR, detail)
                    return
                self._handle(connection, packet)
        except MalformedPacket as fault:
            hang_up = HangUp(DisconnectReason.CLIENT_ERROR, str(fault), fault.reason)
            self._hang_up(connection, hang_up)

    def count_inbound(self, connection: Connection, size_bytes: int) -> None:
        """Slow down a client that sends more than its throughput; nothing of it is lost."""
        now_s = self._monotonic_s()
        connection.throughput.overdraw(now_s, size_bytes)
        if connection.is_read and connection.throughput.is_overdrawn(now_s):
            connection.is_read = False
            connection.outlet.pause_reading()

    def reject(self, connection: Connection, detail: str) -> None:
        """End a connection whose client sent something that is not MQTT at all."""
        self.end(connection, DisconnectReason.CLIENT_ERROR, detail)

    def end(self, connection: Connection, reason: DisconnectReason, detail: str) -> None:
        """End a connection, giving a reason."""
        self._hang_up(connection, HangUp(reason, detail))

    def disconnect(
        self,
        client_id: str,
        reason: DisconnectReason = DisconnectReason.API_INITIATED_DISCONNECT,
    ) -> bool:
        """End the connection that owns a client id; False if none does."""
        connection = self.find_connection(client_id)
        if connection is None:
            return False
        self.end(connection, reason, "it was asked for")
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection whose client has sent a WebSocket Close frame."""
        if connection.is_open:
            reason = DisconnectReason.CLIENT_INITIATED_DISCONNECT
            is_initiated = self._choices.close_frame_is_initiated
            detail = "the client closed the WebSocket"
            ended = self._forget(connection, reason, detail, is_client_initiated=is_initiated)
            self._announce(ended)

    def lose(self, connection: Connection) -> None:
        """Forget a connection whose socket has ended without a word."""
        if connection.is_open:
            reason = DisconnectReason.CONNECTION_LOST
            self._announce(self._forget(connection, reason, "the socket ended"))

    def publish(self, message: Message, *, publisher: Connection | None = None) -> int:
        """Deliver a message to whoever subscribes to its topic and may receive it.

        Returns: to how many subscriptions it was handed.

        Raises:
            NotKept: it was to be retained and cannot be; nobody has got it.
        """
        if message.retain:
            self.retained.keep(message)
        if self.on_publish is not None:
            self.on_publish(message)
        self._forget_stale_decisions()
        return self._dispatcher.publish(message, publisher)

    def expire(self) -> None:
        """End what is overdue, send what had to wait; to be called about once a second."""
        now_s = self._monotonic_s()
        self._forget_stale_decisions()
        for connection in self.connections:
            try:
                self._expire(connection, now_s)
            except Exception:  # one connection's trouble is not that of those behind it
                logger.exception("%s: expiry met what nobody foresaw", connection)
        self._connects.forget(now_s)
        self._registry.forget()
        self.retained.forget_expired()

    def _expire(self, connection: Connection, now_s: float) -> None:
        overdue = find_overdue(connection, now_s)
        if overdue is not None:
            self._hang_up(connection, overdue)
            return
        if not connection.is_read and not connection.throughput.is_overdrawn(now_s):
            connection.is_read = True
            connection.outlet.resume_reading()
        self._dispatcher.catch_up(connection)

    def close(self) -> None:
        """End every connection."""
        for connection in self.connections:
            self.end(connection, DisconnectReason.SERVER_INITIATED_DISCONNECT, "the stand-in stops")

    @property
    def _may_pipeline(self) -> bool:
        return self._choices.packets_before_connack == "answer"

    def _rules_for(self, connection: Connection) -> Rules:
        def may_do(action: str, resource: str, newcomer: Newcomer | None = None) -> bool:
            return self._may_do(connection, action, resource, newcomer)

        def may_connect_now(client_id: str) -> bool:
            return self._connects.admit(client_id, self._monotonic_s())

        def may_publish_now() -> bool:
            is_admitted = connection.publishes.admit(self._monotonic_s())
            if not is_admitted:
                self._dispatcher.discard(connection)
            return is_admitted

        return Rules(
            may_do=may_do,
            assigned_id=f"$GEN/{self._new_uuid()}",
            limits=self._limits,
            choices=self._choices,
            may_connect_now=may_connect_now,
            may_publish_now=may_publish_now,
        )

    def _handle(self, connection: Connection, packet: Packet) -> None:
        if restarts_keep_alive(packet):
            connection.alive_s = self._monotonic_s()
        connection.session, effects = step(connection.session, packet, connection.rules)
        for effect in effects:
            self._perform(connection, effect)
            if not connection.is_open:  # the end has been told; nothing may be told after it
                return

    def _may_do(
        self,
        connection: Connection,
        action: str,
        resource: str,
        newcomer: Newcomer | None = None,
    ) -> bool:
        client_id, context = connection.session.client_id, None
        if newcomer is not None:
            client_id, context = newcomer.client_id, {CONNECT_ATTRIBUTES: newcomer.attributes}
        decision = self._authorizer.decide(
            connection.principal,
            action,
            resource,
            source_ip=connection.source_ip,
            client_id=client_id,
            context=context,
        )
        return decision.is_allowed

    def _may_receive(self, connection: Connection, topic: str) -> bool:
        return self._may_do(connection, "iot:Receive", f"topic/{topic}")

    def _perform(self, connection: Connection, effect: Effect) -> None:  # noqa: C901 - one flat line per effect
        match effect:
            case FanOut(packet):
                self._take_in(connection, packet)
            case Send(answer):
                self._answer(connection, answer)
            case TakeReceipt(packet_id):
                self._forget_stale_decisions()  # what it makes room for is decided anew
                self._dispatcher.take_receipt(connection, packet_id)
            case TakeOver(client_id):
                self._take_over(connection, client_id)
            case RefuseConnect(client_id):
                self._announce(self._registry.refuse(connection, client_id))
            case StartDelivery(wish):
                self._dispatcher.router.add(connection, wish)
            case StopDelivery(topic_filter):
                self._dispatcher.router.remove(connection, topic_filter)
            case SendRetained(wish):
                self._send_retained(connection, wish)
            case TellSubscribed(filters):
                self._announce(subscribed_event(self._registry.subject(connection), filters))
            case TellUnsubscribed(filters):
                self._announce(unsubscribed_event(self._registry.subject(connection), filters))
            case HangUp():
                self._hang_up(connection, effect)

    def _take_in(self, connection: Connection, packet: Publish) -> None:
        message = receive_message(packet, self._wall_clock_s(), self._limits)
        try:
            self.publish(message, publisher=connection)
        except NotKept as fault:
            self.end(connection, DisconnectReason.SERVER_ERROR, str(fault))

    def _announce(self, event: Message | None) -> None:
        if event is not None:
            self.announcer(event)

    def _answer(self, connection: Connection, packet: Packet) -> None:
        if connection.outlet.is_unread:  # answers cannot be dropped, nor may they pile up
            detail = "it asks on without reading the answers"
            self.end(connection, DisconnectReason.CLIENT_ERROR, detail)
        elif connection.is_open:
            self._write(connection, packet)

    def _write(self, connection: Connection, packet: Packet) -> None:
        """Write an answer, or end the connection of a client that cannot take it."""
        encoded = encode(packet, connection.session.version)
        if connection.session.can_take(encoded):
            connection.outlet.send(encoded)
            return
        most = connection.session.maximum_packet_bytes
        found = f"{type(packet).__name__} has {len(encoded)} bytes; it takes at most {most}"
        hang_up = HangUp(DisconnectReason.CLIENT_ERROR, found, Reason.PACKET_TOO_LARGE)
        self._hang_up(connection, hang_up)

    def _take_over(self, connection: Connection, client_id: str) -> None:
        older = self._registry.find(client_id)
        if older is not None:  # [MQTT-3.1.4-2]
            detail = "another connection has the same client id"
            self.end(older, DisconnectReason.DUPLICATE_CLIENTID, detail)
        logger.info("connected: %s from %s", connection, connection.source_ip)
        self._announce(self._registry.enter(connection, client_id))

    def _hang_up(self, connection: Connection, effect: HangUp) -> None:
        if not connection.is_open:
            return
        is_initiated = effect.reason is DisconnectReason.CLIENT_INITIATED_DISCONNECT
        farewell = farewell_for(connection.session, effect)
        if farewell is not None and not connection.outlet.is_unread:
            encoded = encode(farewell, connection.session.version)
            if connection.session.can_take(encoded):
                connection.outlet.send(encoded)
        ended = self._forget(
            connection, effect.reason, effect.detail, is_client_initiated=is_initiated
        )
        connection.outlet.close()  # first: whatever comes of the event, the socket is closed
        self._announce(ended)

    def _forget(
        self,
        connection: Connection,
        reason: DisconnectReason,
        detail: str,
        *,
        is_client_initiated: bool = False,
    ) -> Message | None:
        """Take a connection out of everything; return the event that tells of its end."""
        connection.is_open = False
        self._connections.pop(connection, None)
        for topic_filter in connection.session.filters:
            self._dispatcher.router.remove(connection, topic_filter)
        level = logging.WARNING if reason in _EXPLAINED_REASONS else logging.INFO
        logger.log(level, "disconnected: %s: %s, %s", connection, reason, detail)
        return self._registry.leave(connection, reason, is_client_initiated=is_client_initiated)

    def _send_retained(self, connection: Connection, wish: Wish) -> None:
        retained = self.retained.get(wish.topic_filter)
        if retained is not None and connection.is_open:
            self._forget_stale_decisions()
            self._dispatcher.send_retained(connection, retained.message, wish.qos)

    def _forget_stale_decisions(self) -> None:
        """Let policies that have changed act on the next packet and the next delivery."""
        if self._generation == self._authorizer.generation:
            return
        self._generation = self._authorizer.generation
        for connection in self._connections:
            connection.receive_decisions.clear()
        self._dispatcher.forget_decisions()

    def _times(self) -> Times:
        return Times(self._monotonic_s(), self._wall_clock_s())
