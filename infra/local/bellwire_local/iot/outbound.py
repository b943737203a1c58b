"""What cannot be written to one client at once: messages of QoS 1, and what a rate holds back.

Pure: time is given and packets are returned; the `broker` writes them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bellwire_local.iot import limits
from bellwire_local.iot.messages import Message, packet_of
from bellwire_local.iot.mqtt.packets import Publish

_LAST_PACKET_ID = 65_535


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for one subscriber, with the QoS and the RETAIN flag that it gets."""

    message: Message
    qos: int
    retain: bool
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Measure it once: the same one goes to many."""
        object.__setattr__(self, "size_bytes", self.message.size_bytes)


@dataclass(slots=True)
class _Unacknowledged:
    delivery: Delivery
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Times:
    """One moment by both clocks: seconds of the monotonic one, and since 1970."""

    monotonic_s: float
    wall_s: float


class Outbound:
    """One client's queue; at most `window` messages of QoS 1 wait for their PUBACK.

    Rights and expiry are looked at when a message leaves, since both may end while it waits.
    """

    def __init__(
        self, window: int, may_receive: Callable[[str], bool] = lambda _topic: True
    ) -> None:
        """Begin empty; `may_receive` says whether the client may have messages on a topic."""
        self._window = window
        self._may_receive = may_receive
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._unacknowledged_bytes = 0
        self._unacknowledged: dict[int, _Unacknowledged] = {}
        self._due: dict[int, None] = {}  # in the order of their turn
        self._last_packet_id = 0

    @property
    def unacknowledged(self) -> int:
        """How many messages wait for their PUBACK."""
        return len(self._unacknowledged)

    def offer(self, delivery: Delivery) -> bool:
        """Put a delivery at the end of the queue, unless it is full."""
        waiting_bytes = self._waiting_bytes + delivery.size_bytes
        if (
            len(self._waiting) >= limits.WAITING_MESSAGES
            or waiting_bytes > limits.STALLED_SUBSCRIBER_BYTES
            or waiting_bytes + self._unacknowledged_bytes > limits.OUTBOUND_BYTES
        ):
            return False
        self._waiting.append(delivery)
        self._waiting_bytes = waiting_bytes
        return True

    def take(self, times: Times) -> Publish | None:
        """Return what may be written next; None if nothing waits or nothing may.

        What is to be written again goes first.
        """
        again = self._take_due(times)
        if again is not None:
            return again
        while self._waiting:
            delivery = self._waiting[0]
            if delivery.qos and len(self._unacknowledged) >= self._window:
                return None
            self._waiting.popleft()
            self._waiting_bytes -= delivery.size_bytes
            if self._may_leave(delivery.message, times):
                return self._begin(delivery, times)
        return None

    def acknowledge(self, packet_id: int) -> None:
        """Take a PUBACK; one that nothing waits for changes nothing."""
        sent = self._unacknowledged.pop(packet_id, None)
        if sent is not None:
            self._due.pop(packet_id, None)
            self._unacknowledged_bytes -= sent.delivery.size_bytes

    def give_up(self, now_s: float, after_s: float) -> None:
        """Forget what has been unacknowledged for too long.

        Source: retried for up to an hour, https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        """
        late = [key for key, sent in self._unacknowledged.items() if now_s - sent.first_s > after_s]
        for packet_id in late:
            self.acknowledge(packet_id)

    def repeat(self, now_s: float) -> None:
        """Have `take` return again what has been unacknowledged for a while.

        It comes without the DUP flag, which AWS does not use.
        Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
        """
        for packet_id, sent in self._unacknowledged.items():
            if now_s - sent.last_s >= limits.REDELIVER_AFTER_S:
                self._due[packet_id] = None

    def _take_due(self, times: Times) -> Publish | None:
        while self._due:
            packet_id = next(iter(self._due))
            del self._due[packet_id]
            sent = self._unacknowledged[packet_id]
            sent.last_s = times.monotonic_s
            if self._may_leave(sent.delivery.message, times):
                return _word(sent.delivery, times, packet_id)
        return None

    def _may_leave(self, message: Message, times: Times) -> bool:
        return not message.is_expired(times.wall_s) and self._may_receive(message.topic)

    def _begin(self, delivery: Delivery, times: Times) -> Publish:
        if not delivery.qos:
            return _word(delivery, times, 0)
        packet_id = self._next_packet_id()
        now_s = times.monotonic_s
        self._unacknowledged[packet_id] = _Unacknowledged(delivery, now_s, now_s)
        self._unacknowledged_bytes += delivery.size_bytes
        return _word(delivery, times, packet_id)

    def _next_packet_id(self) -> int:
        """Find one that is not in use [MQTT-2.3.1-4]; the window leaves at least one free."""
        while True:
            self._last_packet_id = self._last_packet_id % _LAST_PACKET_ID + 1
            if self._last_packet_id not in self._unacknowledged:
                return self._last_packet_id


def _word(delivery: Delivery, times: Times, packet_id: int) -> Publish:
    return packet_of(
        delivery.message,
        times.wall_s,
        qos=delivery.qos,
        retain=delivery.retain,
        packet_id=packet_id,
    )
