"""From the broker to the readers of a message: rights, rates, qualities and what has to wait.

The way of QoS 0 is the hot one: for each reader a look at its socket and its rate, and a send of
bytes that are the same for all. Who may receive is decided once, until a policy or a subscription
changes.
"""

import logging
from collections.abc import Callable, Iterable

from bellwire_local.iot import limits as numbers
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.connections import Connection
from bellwire_local.iot.limits import Limits
from bellwire_local.iot.messages import Message, packet_of
from bellwire_local.iot.mqtt import encode
from bellwire_local.iot.outbound import Delivery, Outbound, Times
from bellwire_local.iot.routing import ROUTES_KEPT, Audience, Route, Router

logger = logging.getLogger(__name__)

_RECEIVE_DECISIONS_KEPT = 1024

MayDo = Callable[[Connection, str, str], bool]
"""Connection, action and resource → allowed; a refusal has been logged."""


class Dispatcher:
    """Hands messages to the connections that subscribe to them."""

    def __init__(
        self, may_do: MayDo, limits: Limits, choices: Choices, now: Callable[[], Times]
    ) -> None:
        self._may_do = may_do
        self._limits = limits
        self._choices = choices
        self._now = now
        # A smaller message cannot exceed the throughput before the rate ends it.
        self._bulky_bytes = limits.throughput_bytes_per_s // limits.publishes_per_s
        self.router = Router(choices.overlapping)
        self._permitted: dict[str, tuple[Route, Route]] = {}

    def publish(self, message: Message, publisher: Connection | None) -> int:
        """See `Broker.publish`."""
        times = self._now()
        delivered = 0
        for audience, members in self._permitted_route(message.topic):
            readers: Iterable[Connection] = members
            if audience.hears != "all":  # MQTT 5 [MQTT-3.8.3-3]
                is_own = audience.hears == "own"
                readers = [reader for reader in members if (reader is publisher) is is_own]
            delivered += self._deliver(message, audience, readers, times)
        return delivered

    def forget_decisions(self) -> None:
        """Ask anew who may receive; to be called when policies have changed."""
        self._permitted.clear()

    def _permitted_route(self, topic: str) -> Route:
        """Return the topic's route without those who may not receive from it."""
        route = self.router.route(topic)
        known = self._permitted.get(topic)
        if known is not None and known[0] is route:
            return known[1]
        permitted = tuple(
            (audience, tuple(each for each in members if self._may_receive(each, topic)))
            for audience, members in route
        )
        if len(self._permitted) >= ROUTES_KEPT:
            self._permitted.clear()
        self._permitted[topic] = route, permitted
        return permitted

    def _deliver(
        self, message: Message, audience: Audience, readers: Iterable[Connection], times: Times
    ) -> int:
        qos, retain = min(message.qos, audience.qos), message.retain and audience.keeps_retain
        encoded = encode(packet_of(message, times.wall_s, retain=retain), audience.version)
        if len(encoded) > (audience.maximum_packet_bytes or len(encoded)):  # [MQTT-3.1.2-24], v5
            return 0
        if qos or len(encoded) > self._bulky_bytes:
            delivery = Delivery(message, qos, retain)
            return sum(self._enqueue(reader, delivery, times) for reader in readers)
        now_s, delivered = times.monotonic_s, 0
        for connection in readers:
            outlet = connection.outlet
            if outlet.is_stalled:
                self._drop(connection)
            elif connection.publishes.admit(now_s):
                outlet.send(encoded)
                delivered += 1
            else:
                self.discard(connection)
        return delivered

    def _enqueue(self, connection: Connection, delivery: Delivery, times: Times) -> bool:
        """Deliver what may have to wait: QoS 1, and what counts against the throughput."""
        if not connection.publishes.admit(times.monotonic_s):
            self.discard(connection)
            return False
        if connection.outbound is None:
            connection.outbound = Outbound(
                connection.session.receive_maximum,
                lambda topic: self._may_receive(connection, topic),
            )
        if not connection.outbound.offer(delivery):
            self._drop(connection)
            return False
        self._pump(connection, connection.outbound, times)
        return True

    def _pump(self, connection: Connection, outbound: Outbound, times: Times) -> None:
        while not connection.outlet.is_stalled:
            if connection.throughput.is_overdrawn(times.monotonic_s):
                return
            packet = outbound.take(times)
            if packet is None:
                return
            encoded = encode(packet, connection.session.version)
            if connection.session.can_take(encoded):
                self._write(connection, encoded, times)
            else:  # MQTT 5, 3.1.2.11.4: "behave as if it had completed sending that" message
                outbound.acknowledge(packet.packet_id)

    def _write(self, connection: Connection, encoded: bytes, times: Times) -> None:
        connection.throughput.overdraw(times.monotonic_s, len(encoded))
        connection.outlet.send(encoded)

    def catch_up(self, connection: Connection) -> None:
        """Send what was not acknowledged, and what has waited; to be called about once a second."""
        outbound = connection.outbound
        if outbound is None:
            return
        times = self._now()
        outbound.give_up(times.monotonic_s, self._limits.redelivery_s)
        if self._choices.redelivers_to_v5 or not connection.session.is_v5:
            outbound.repeat(times.monotonic_s)
        self._pump(connection, outbound, times)

    def take_receipt(self, connection: Connection, packet_id: int) -> None:
        """Take a PUBACK and send what it makes room for."""
        if connection.outbound is not None:
            connection.outbound.acknowledge(packet_id)
            self._pump(connection, connection.outbound, self._now())

    def send_retained(self, connection: Connection, message: Message, granted_qos: int) -> None:
        """Deliver a retained message to one subscriber, with the RETAIN flag."""
        if self._may_receive(connection, message.topic):
            delivery = Delivery(message, min(message.qos, granted_qos), retain=True)
            self._enqueue(connection, delivery, self._now())

    def discard(self, connection: Connection) -> None:
        """Note a publish beyond the rate, in or out."""
        if connection.discarded == 0:
            logger.warning(
                "%s has more than %d publishes a second, in and out: the excess is discarded",
                connection,
                self._limits.publishes_per_s,
            )
        connection.discarded += 1

    def _may_receive(self, connection: Connection, topic: str) -> bool:
        decisions = connection.receive_decisions
        if topic not in decisions:
            if len(decisions) >= _RECEIVE_DECISIONS_KEPT:
                decisions.clear()
            decisions[topic] = self._may_do(connection, "iot:Receive", f"topic/{topic}")
        return decisions[topic]

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
