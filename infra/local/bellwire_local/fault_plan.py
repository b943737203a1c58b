"""When what was asked for goes wrong: a seeded answer to each question. Performs nothing.

Every connection, and every kind of question, has a stream of chances of its own, and each question
takes as many chances whatever the faults: what befalls one client does not hang on what others do,
and raising one chance changes nothing else.
"""

from dataclasses import dataclass
from enum import Enum, auto
from random import Random

from bellwire_local.faults import Faults


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of one message to one subscriber.

    `copies` is 0 when it is lost; `delay_s` keeps the order of messages; with `is_overtaken` the
    next message goes first; with `is_last` the connection ends with it.
    """

    copies: int
    delay_s: float
    is_overtaken: bool
    is_last: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """What becomes of one lifecycle event."""

    copies: int
    is_overtaken: bool


class UpgradeFault(Enum):
    """How an upgrade fails."""

    REFUSED = auto()
    HIJACKED = auto()


class PublishFault(Enum):
    """How a publish over HTTPS fails."""

    THROTTLED = auto()
    FORBIDDEN = auto()


class FaultPlan:
    """Faults in force; the same seed and the same questions give the same answers."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._upgrades = self._chances("upgrades")
        self._publishes = self._chances("publishes")
        self._calls = self._chances("calls")
        self._announcements = self._chances("announcements")

    def on_connection(self, number: int) -> "ConnectionPlan":
        """Plan the messages to one connection; `number` counts connections from 1."""
        return ConnectionPlan(self.faults, self._chances(f"connection {number}"))

    def on_upgrade(self) -> UpgradeFault | None:
        """Say what happens to an upgrade that would be admitted."""
        is_hijacked = self._upgrades.random() < self.faults.hijack
        is_refused = self._upgrades.random() < self.faults.refuse
        if is_hijacked:
            return UpgradeFault.HIJACKED
        return UpgradeFault.REFUSED if is_refused else None

    def on_publish(self) -> PublishFault | None:
        """Say what happens to a publish over HTTPS that would be accepted."""
        is_throttled = self._publishes.random() < self.faults.throttle
        is_forbidden = self._publishes.random() < self.faults.publish_403
        if is_throttled:
            return PublishFault.THROTTLED
        return PublishFault.FORBIDDEN if is_forbidden else None

    def is_call_throttled(self) -> bool:
        """Say whether a call of Cognito is told to slow down."""
        return self._calls.random() < self.faults.throttle

    def on_announcement(self) -> Announcement:
        """Say what becomes of a lifecycle event."""
        is_doubled = self._announcements.random() < self.faults.lifecycle_double
        is_swapped = self._announcements.random() < self.faults.lifecycle_swap
        return Announcement(2 if is_doubled else 1, is_swapped)

    def _chances(self, purpose: str) -> Random:
        return Random(f"{self.faults.seed}/{purpose}")  # noqa: S311 - to be repeated, not secret


class ConnectionPlan:
    """What befalls the messages to one connection, in their order."""

    def __init__(self, faults: Faults, chances: Random) -> None:
        self._faults = faults
        self._chances = chances
        self._count = 0

    def on_delivery(self, *, may_be_lost: bool = True) -> Delivery:
        """Say what becomes of the next message.

        Args:
            may_be_lost: false for QoS 1, which a broker that keeps its word does not lose.
        """
        faults, chance = self._faults, self._chances.random
        is_dropped = chance() < faults.drop and may_be_lost
        is_doubled = chance() < faults.duplicate
        is_overtaken = chance() < faults.reorder
        part = chance()
        least_s, most_s = faults.delay_s or (0, 0)
        self._count += 1
        copies = 2 if is_doubled else 1
        return Delivery(
            copies=0 if is_dropped else copies,
            delay_s=least_s + part * (most_s - least_s),
            is_overtaken=is_overtaken and not is_dropped,
            is_last=self._count == faults.cut_after_messages,
        )
