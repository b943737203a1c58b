"""True histories of one client id, and what AWS IoT would tell of them: a model for tests.

Connections follow one another; versions rise, may skip, and begin again after an hour offline.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from bellwire.attendance import Attendance
from bellwire.lifecycle import Kind, LifecycleEvent

IDENTITY = "us-east-1:5b1a7c0e-3f2d-4c1b-9a8e-0123456789ab"
CLIENT = f"{IDENTITY}-tab1"
BEGIN_MS = 1_795_417_463_828
SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000
CHANNELS = ("public/a", "public/b", "group/red/room")


@dataclass(frozen=True)
class Stay:
    """One true connection; `steps` are (moment, channel, whether it was taken up)."""

    session: str
    version: int
    began_ms: int
    ended_ms: int | None
    steps: tuple[tuple[int, str, bool], ...]

    def is_there(self, at_ms: int) -> bool:
        return self.began_ms <= at_ms and (self.ended_ms is None or at_ms < self.ended_ms)

    def channels(self, at_ms: int) -> frozenset[str]:
        taken: set[str] = set()
        for step_ms, channel, is_on in self.steps:
            if step_ms <= at_ms:
                (taken.add if is_on else taken.discard)(channel)
        return frozenset(taken)

    def events(self) -> Iterator[LifecycleEvent]:
        yield self._event("connected", self.began_ms, version=self.version)
        for at_ms, channel, is_on in self.steps:
            kind: Kind = "subscribed" if is_on else "unsubscribed"
            yield self._event(kind, at_ms, channels=(channel,))
        if self.ended_ms is not None:
            yield self._event("disconnected", self.ended_ms, version=self.version)

    def _event(
        self,
        kind: Kind,
        at_ms: int,
        *,
        version: int | None = None,
        channels: tuple[str, ...] = (),
    ) -> LifecycleEvent:
        return LifecycleEvent(
            kind, CLIENT, IDENTITY, self.session, at_ms, version=version, channels=channels
        )


Truth = tuple[bool, int | None, frozenset[str]]
"""Whether the client is there, since when, and on which channels."""


def truth(stays: list[Stay], at_ms: int) -> Truth:
    for stay in stays:
        if stay.is_there(at_ms):
            return True, stay.began_ms, stay.channels(at_ms)
    return False, None, frozenset()


def shown(attendance: Attendance) -> Truth:
    """What an attendance says, in the words of `truth`."""
    presence = attendance.presence
    if presence is None:
        return False, None, frozenset()
    return True, presence.since_ms, presence.channels


def events_of(stays: list[Stay]) -> list[LifecycleEvent]:
    return [event for stay in stays for event in stay.events()]


offline_ms = st.one_of(
    st.integers(SECOND_MS, 3 * SECOND_MS),
    st.integers(SECOND_MS, 50 * MINUTE_MS),
    st.integers(61 * MINUTE_MS, 5 * HOUR_MS),
)
online_ms = st.one_of(st.integers(5, 5 * SECOND_MS), st.integers(5, 3 * HOUR_MS))


@st.composite
def histories(draw: st.DrawFn, *, may_change_twice: bool = True) -> list[Stay]:
    """Draw up to five connections; the last one may still be open."""
    stays: list[Stay] = []
    at_ms, version = BEGIN_MS, -1
    count = draw(st.integers(1, 5))
    for number in range(count):
        away_ms = draw(offline_ms)
        is_new_count = away_ms > HOUR_MS or number == 0
        version = 0 if is_new_count else version + draw(st.integers(1, 3))
        began_ms = at_ms + away_ms
        at_ms = began_ms + draw(online_ms)
        is_open = number == count - 1 and draw(st.booleans())
        stays.append(
            Stay(
                session=f"0000000{number}-0000-4000-8000-000000000000",
                version=version,
                began_ms=began_ms,
                ended_ms=None if is_open else at_ms,
                steps=draw(_steps(began_ms, at_ms, may_change_twice=may_change_twice)),
            )
        )
    return stays


@st.composite
def _steps(
    draw: st.DrawFn, began_ms: int, ended_ms: int, *, may_change_twice: bool
) -> tuple[tuple[int, str, bool], ...]:
    moments = draw(st.sets(st.integers(began_ms + 1, ended_ms - 1), max_size=3))
    channels = draw(
        st.lists(
            st.sampled_from(CHANNELS),
            min_size=len(moments),
            max_size=len(moments),
            unique=not may_change_twice,
        )
    )
    return tuple(
        (at_ms, channel, draw(st.booleans()))
        for at_ms, channel in zip(sorted(moments), channels, strict=True)
    )


off_ms = st.integers(-2 * MINUTE_MS, 2 * MINUTE_MS)
"""How far a timestamp may be off, by what AWS says."""
