"""All connections together: fan-out, takeover, keep-alive. No socket and no clock: both are given.

What one client may say and hears in answer is `session`'s; whether it may is `authorization`'s.
"""

import logging
import uuid
from collections.abc import Callable, Iterable

from bellwire_local.identity.principals import Principal
from bellwire_local.iot import limits as numbers
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.connections import Connection, Outlet, PastConnection, Peer
from bellwire_local.iot.effects import (
    Acknowledged,
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    RefuseConnect,
    Rules,
    Send,
    SendRetained,
    StartDelivery,
    StopDelivery,
    TakeOver,
    TellSubscribed,
    TellUnsubscribed,
)
from bellwire_local.iot.farewells import farewell_for, find_overdue
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.messages import Message, packet_of, receive_message
from bellwire_local.iot.mqtt import MalformedPacket, Packet, encode
from bellwire_local.iot.outbound import Delivery, Outbound, Times
from bellwire_local.iot.rates import KeyedRates
from bellwire_local.iot.registry import Registry
from bellwire_local.iot.retained import RetainedMessages, retained_in_memory
from bellwire_local.iot.routing import Audience, Router
from bellwire_local.iot.session import restarts_keep_alive, step

__all__ = ["Broker", "Connection", "Outlet", "PastConnection"]

logger = logging.getLogger(__name__)

_RECEIVE_DECISIONS_KEPT = 1024


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
        self._router = Router(choices.overlapping)
        self._connects = KeyedRates(limits.connects_per_s)
        self._registry = Registry(wall_clock_s)
        self._generation = authorizer.generation
        self._bulky_bytes = limits.throughput_bytes_per_s // limits.publishes_per_s
        self.retained = retained or retained_in_memory(wall_clock_s)
        self.announcer: Callable[[Message], object] = self.publish
        """Who publishes lifecycle events; to be replaced by who doubles or swaps them."""

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
        self._count_inbound(connection, len(received))
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
            self._forget(connection, reason, detail, is_client_initiated=is_initiated)

    def lose(self, connection: Connection) -> None:
        """Forget a connection whose socket has ended without a word."""
        if connection.is_open:
            self._forget(connection, DisconnectReason.CONNECTION_LOST, "the socket ended")

    def publish(self, message: Message, *, publisher: Connection | None = None) -> int:
        """Deliver a message to whoever subscribes to its topic and may receive it.

        Returns: to how many subscriptions it was handed.
        """
        if self._generation != self._authorizer.generation:
            self._forget_decisions()
        if message.retain:
            self.retained.keep(message)
        now_s = self._monotonic_s()
        delivered = 0
        for audience, members in self._router.route(message.topic):
            readers: Iterable[Connection] = members
            if audience.no_local and publisher is not None:  # [MQTT-3.8.3-3] of MQTT 5
                readers = [reader for reader in members if reader is not publisher]
            delivered += self._deliver(message, audience, readers, now_s)
        return delivered

    def expire(self) -> None:
        """End what is overdue, send what had to wait; to be called about once a second."""
        now_s = self._monotonic_s()
        for connection in self.connections:
            overdue = find_overdue(connection, now_s)
            if overdue is not None:
                self._hang_up(connection, overdue)
                continue
            if not connection.is_read and not connection.throughput.is_overdrawn(now_s):
                connection.is_read = True
                connection.outlet.resume_reading()
            if connection.outbound is not None:
                self._redeliver(connection, connection.outbound)
        self._connects.forget(now_s)
        self._registry.forget()
        self.retained.forget_expired()

    def close(self) -> None:
        """End every connection."""
        for connection in self.connections:
            self.end(connection, DisconnectReason.SERVER_INITIATED_DISCONNECT, "the stand-in stops")

    @property
    def _may_pipeline(self) -> bool:
        return self._choices.packets_before_connack == "answer"

    def _rules_for(self, connection: Connection) -> Rules:
        def may_do(action: str, resource: str) -> bool:
            return self._may_do(connection, action, resource)

        def may_connect_now(client_id: str) -> bool:
            return self._connects.admit(client_id, self._monotonic_s())

        def may_publish_now() -> bool:
            is_admitted = connection.publishes.admit(self._monotonic_s())
            if not is_admitted:
                self._discard(connection)
            return is_admitted

        return Rules(
            may_do=may_do,
            assigned_id=f"$GEN/{self._new_uuid()}",
            limits=self._limits,
            choices=self._choices,
            may_connect_now=may_connect_now,
            may_publish_now=may_publish_now,
        )

    def _count_inbound(self, connection: Connection, size_bytes: int) -> None:
        """Slow down a client that sends more than its throughput; nothing of it is lost."""
        now_s = self._monotonic_s()
        connection.throughput.overdraw(now_s, size_bytes)
        if connection.is_read and connection.throughput.is_overdrawn(now_s):
            connection.is_read = False
            connection.outlet.pause_reading()

    def _handle(self, connection: Connection, packet: Packet) -> None:
        if restarts_keep_alive(packet):
            connection.alive_s = self._monotonic_s()
        connection.session, effects = step(connection.session, packet, connection.rules)
        for effect in effects:
            self._perform(connection, effect)

    def _may_do(self, connection: Connection, action: str, resource: str) -> bool:
        client_id = connection.session.client_id
        if client_id is None and action == "iot:Connect":
            client_id = resource.removeprefix("client/")
        decision = self._authorizer.decide(
            connection.principal,
            action,
            resource,
            source_ip=connection.source_ip,
            client_id=client_id,
        )
        return decision.is_allowed

    def _perform(self, connection: Connection, effect: Effect) -> None:  # noqa: C901 - one flat line per effect
        match effect:
            case FanOut(packet):
                message = receive_message(packet, self._wall_clock_s(), self._limits)
                self.publish(message, publisher=connection)
            case Send(answer):
                self._answer(connection, answer)
            case Acknowledged(packet_id):
                self._take_receipt(connection, packet_id)
            case TakeOver(client_id):
                self._take_over(connection, client_id)
            case RefuseConnect(client_id):
                self._announce(self._registry.refuse(connection, client_id))
            case StartDelivery(wish):
                self._router.add(connection, wish)
            case StopDelivery(topic_filter):
                self._router.remove(connection, topic_filter)
            case SendRetained(wish):
                self._send_retained(connection, wish.topic_filter, wish.qos)
            case TellSubscribed(filters):
                self._announce(self._registry.tell_subscribed(connection, filters))
            case TellUnsubscribed(filters):
                self._announce(self._registry.tell_unsubscribed(connection, filters))
            case HangUp():
                self._hang_up(connection, effect)

    def _announce(self, event: Message | None) -> None:
        if event is not None:
            self.announcer(event)

    def _answer(self, connection: Connection, packet: Packet) -> None:
        if connection.outlet.is_stalled():  # answers cannot be dropped, nor may they pile up
            detail = "it asks on without reading the answers"
            self.end(connection, DisconnectReason.CLIENT_ERROR, detail)
        elif connection.is_open:
            connection.outlet.send(encode(packet, connection.session.version))

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
        if farewell is not None and not connection.outlet.is_stalled():
            connection.outlet.send(encode(farewell, connection.session.version))
        self._forget(connection, effect.reason, effect.detail, is_client_initiated=is_initiated)
        connection.outlet.close()

    def _forget(
        self,
        connection: Connection,
        reason: DisconnectReason,
        detail: str,
        *,
        is_client_initiated: bool = False,
    ) -> None:
        connection.is_open = False
        self._connections.pop(connection, None)
        for topic_filter in connection.session.filters:
            self._router.remove(connection, topic_filter)
        logger.info("disconnected: %s: %s, %s", connection, reason, detail)
        event = self._registry.leave(connection, reason, is_client_initiated=is_client_initiated)
        self._announce(event)

    def _deliver(
        self, message: Message, audience: Audience, readers: Iterable[Connection], now_s: float
    ) -> int:
        qos, retain = min(message.qos, audience.qos), message.retain and audience.keeps_retain
        encoded = encode(packet_of(message, self._wall_clock_s(), retain=retain), audience.version)
        if len(encoded) > (audience.maximum_packet_bytes or len(encoded)):  # [MQTT-3.1.2-24], v5
            return 0
        if qos or len(encoded) > self._bulky_bytes:
            delivery = Delivery(message, qos, retain)
            return sum(self._enqueue(reader, delivery, now_s) for reader in readers)
        topic, delivered = message.topic, 0
        for connection in readers:
            may_receive = connection.receive_decisions.get(topic)
            if may_receive is None:
                may_receive = self._decide_receive(connection, topic)
            if not may_receive:
                continue
            if connection.outlet.is_stalled():
                self._drop(connection)
            elif connection.publishes.admit(now_s):
                connection.outlet.send(encoded)
                delivered += 1
            else:
                self._discard(connection)
        return delivered

    def _enqueue(self, connection: Connection, delivery: Delivery, now_s: float) -> bool:
        """Deliver what may have to wait: QoS 1, and what counts against the throughput."""
        if not self._may_receive(connection, delivery.message.topic):
            return False
        if not connection.publishes.admit(now_s):
            self._discard(connection)
            return False
        if connection.outbound is None:
            connection.outbound = Outbound(connection.session.receive_maximum)
        if not connection.outbound.offer(delivery):
            self._drop(connection)
            return False
        self._pump(connection, connection.outbound)
        return True

    def _pump(self, connection: Connection, outbound: Outbound) -> None:
        times = self._times()
        while not connection.outlet.is_stalled():
            if connection.throughput.is_overdrawn(times.monotonic_s):
                return
            packet = outbound.take(times)
            if packet is None:
                return
            self._write(connection, packet)

    def _write(self, connection: Connection, packet: Packet) -> None:
        encoded = encode(packet, connection.session.version)
        connection.throughput.overdraw(self._monotonic_s(), len(encoded))
        connection.outlet.send(encoded)

    def _redeliver(self, connection: Connection, outbound: Outbound) -> None:
        times = self._times()
        outbound.give_up(times.monotonic_s, self._limits.redelivery_s)
        may_repeat = self._choices.redelivers_to_v5 or not connection.session.is_v5
        if may_repeat and not connection.outlet.is_stalled():
            for packet in outbound.redeliver(times):
                self._write(connection, packet)
        self._pump(connection, outbound)

    def _take_receipt(self, connection: Connection, packet_id: int) -> None:
        if connection.outbound is not None:
            connection.outbound.acknowledge(packet_id)
            self._pump(connection, connection.outbound)

    def _send_retained(self, connection: Connection, topic: str, granted_qos: int) -> None:
        retained = self.retained.get(topic)
        if retained is not None and connection.is_open:
            qos = min(retained.message.qos, granted_qos)
            delivery = Delivery(retained.message, qos, retain=True)
            self._enqueue(connection, delivery, self._monotonic_s())

    def _times(self) -> Times:
        return Times(self._monotonic_s(), self._wall_clock_s())

    def _may_receive(self, connection: Connection, topic: str) -> bool:
        if self._generation != self._authorizer.generation:
            self._forget_decisions()
        may_receive = connection.receive_decisions.get(topic)
        return self._decide_receive(connection, topic) if may_receive is None else may_receive

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
                "%s does not read or acknowledge: more than %d bytes or %d messages wait for it, "
                "messages for it are dropped",
                connection,
                numbers.STALLED_SUBSCRIBER_BYTES,
                numbers.WAITING_MESSAGES,
            )
        connection.dropped += 1

    def _discard(self, connection: Connection) -> None:
        if connection.discarded == 0:
            logger.warning(
                "%s has more than %d publishes a second, in and out: the excess is discarded",
                connection,
                self._limits.publishes_per_s,
            )
        connection.discarded += 1
