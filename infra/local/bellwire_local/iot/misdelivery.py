"""Performs what a fault plan says of messages and events: loses, doubles, holds and swaps them.

It stands between the broker and a client's outlet, or its announcer, for as long as faults are in
force, so that neither knows of it and a broker without faults pays nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bellwire_local.fault_plan import ConnectionPlan, Delivery, FaultPlan
from bellwire_local.iot import limits
from bellwire_local.iot.broker import Outlet
from bellwire_local.iot.messages import Message
from bellwire_local.iot.overtaking import Overtaking
from bellwire_local.iot.session import Session
from bellwire_local.iot.topics import matches

_PUBLISH, _SUBACK, _UNSUBACK = 3, 9, 11

_QOS_BITS, _RETAIN_BIT = 0b0110, 0b0001
"""Source: MQTT 3.1.1, figure 3.10."""


@dataclass(frozen=True, slots=True)
class _Held:
    due_s: float
    encoded: bytes
    delivery: Delivery


class Misdelivery:
    """An outlet before an outlet. Answers pass; messages (PUBLISH) meet the plan.

    Of QoS 1 nothing is lost: nobody would acknowledge it, and it would keep its place in the
    client's window, with MQTT 5 for an hour. What is retained answers a SUBSCRIBE, and a filter
    that begins late does not lose it.
    """

    def __init__(
        self,
        outlet: Outlet,
        plan: ConnectionPlan,
        loop: asyncio.AbstractEventLoop,
        *,
        session: Callable[[], Session],
        end: Callable[[], None],
        late_start_s: float | None,
    ) -> None:
        self.outlet = outlet
        self._plan = plan
        self._loop = loop
        self._session = session
        self._end = end
        self._late_start_s = late_start_s
        self._begins_s: dict[str, float] = dict.fromkeys(session().filters, 0)
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._overtaking = Overtaking(outlet.send, loop)

    def send(self, encoded: bytes) -> None:
        """See `broker.Outlet`."""
        kind, is_qos_0 = encoded[0] >> 4, not encoded[0] & _QOS_BITS
        if kind != _PUBLISH:
            self.outlet.send(encoded)
            if kind in (_SUBACK, _UNSUBACK) and self._late_start_s is not None:
                self._note_filters(self._late_start_s)
            return
        is_retained = encoded[0] & _RETAIN_BIT
        if is_qos_0 and not is_retained and not self._has_begun(encoded):
            return
        self._deliver(encoded, self._plan.on_delivery(may_be_lost=is_qos_0))

    @property
    def is_stalled(self) -> bool:
        """See `broker.Outlet`; what is held back counts as well."""
        too_many = self._held_bytes > limits.STALLED_SUBSCRIBER_BYTES
        return too_many or self.outlet.is_stalled

    @property
    def is_unread(self) -> bool:
        """See `broker.Outlet`; what is held back the client cannot read."""
        return self.outlet.is_unread

    def pause_reading(self) -> None:
        """See `broker.Outlet`."""
        self.outlet.pause_reading()

    def resume_reading(self) -> None:
        """See `broker.Outlet`."""
        self.outlet.resume_reading()

    def close(self) -> None:
        """See `broker.Outlet`; what is held back is lost."""
        self._stop_timer()
        self._held.clear()
        self._held_bytes = 0
        self._overtaking.forget()
        self.outlet.close()

    def release(self) -> None:
        """Write at once, in its order, what is held back; to be called when the faults end."""
        self._stop_timer()
        while self._held:
            self._write_first()
        self._overtaking.release()

    def _note_filters(self, late_start_s: float) -> None:
        now_s = self._loop.time()
        filters = self._session().filters
        self._begins_s = {name: self._begins_s.get(name, now_s + late_start_s) for name in filters}

    def _has_begun(self, encoded: bytes) -> bool:
        if self._late_start_s is None:
            return True
        now_s, topic = self._loop.time(), topic_of(encoded)
        return any(
            begins_s <= now_s and matches(name, topic) for name, begins_s in self._begins_s.items()
        )

    def _deliver(self, encoded: bytes, delivery: Delivery) -> None:
        if not self._held and not delivery.delay_s:
            self._write(encoded, delivery)
            return
        due_s = self._loop.time() + delivery.delay_s
        if self._held:
            due_s = max(due_s, self._held[-1].due_s)
        self._held.append(_Held(due_s, encoded, delivery))
        self._held_bytes += len(encoded)
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._write_due)

    def _write_due(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        while self._held and self._held[0].due_s <= now_s:
            self._write_first()
        if self._held:
            self._timer = self._loop.call_at(self._held[0].due_s, self._write_due)

    def _write_first(self) -> None:
        held = self._held.popleft()
        self._held_bytes -= len(held.encoded)
        self._write(held.encoded, held.delivery)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self, encoded: bytes, delivery: Delivery) -> None:
        copies = (encoded,) * delivery.copies
        self._overtaking.pass_on(copies, is_overtaken=delivery.is_overtaken)
        if delivery.is_last:
            self._overtaking.release()
            self._loop.call_soon(self._end)  # the broker may be in the middle of a fan-out


class Misannouncement:
    """Publishes lifecycle events in the place of the broker: twice, or after their successor.

    Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html: messages
    may come out of order, and more than once.
    """

    def __init__(
        self,
        publish: Callable[[Message], object],
        plan: FaultPlan,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._plan = plan
        self._overtaking = Overtaking(publish, loop)

    def __call__(self, event: Message) -> None:
        """Publish an event as the plan says."""
        announcement = self._plan.on_announcement()
        copies = (event,) * announcement.copies
        self._overtaking.pass_on(copies, is_overtaken=announcement.is_overtaken)

    def release(self) -> None:
        """Publish at once what waits for its successor; to be called when the faults end."""
        self._overtaking.release()


def topic_of(encoded: bytes) -> str:
    """Read the topic of a PUBLISH that we encoded."""
    at = 1
    while encoded[at] & 0x80:
        at += 1
    size_bytes = int.from_bytes(encoded[at + 1 : at + 3], "big")
    return encoded[at + 3 : at + 3 + size_bytes].decode()
