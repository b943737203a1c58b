"""What is known of one client id: who is there, since when, on which channels. Pure.

The connections of a client id follow one another; each is a *visit* here, and every event is
evidence of one visit. Evidence is merged the same in whatever order and however often it comes,
and a visit is put away once it is certain that a later one began: the same events always leave the
same behind. What never came is made up for by asking the broker; its newest answer is kept beside
the visits and read together with what came after it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bellwire.lifecycle import LifecycleEvent

SAME_COUNT_MS: Final = 900_000
"""Visits with less than this between them are told apart by their version numbers, others by their
times. Timestamps are off by two minutes at most, so two of them by four; version numbers begin
again after about an hour offline. This is as far, as a factor, from the one as from the other.
Source: AWS IoT guide, life-cycle-events."""

SAME_CONNECT_MS: Final = 1_000
"""Nearer to one another than this no two connections of a client id begin.
Source: AWS IoT quotas, "Connect requests per second per client ID": 1."""

MAX_CHANNELS: Final = 50
"""Source: AWS IoT quotas, "Subscriptions per connection"."""

GONE_KEPT_MS: Final = 3_600_000
"""How long a client that has gone is remembered: late events are held against it."""

THERE_KEPT_MS: Final = 25 * 3_600_000
"""How long one that seems to be there is remembered if nobody asks the broker: an hour more than
any connection lasts. Source: AWS IoT quotas, "Connection duration": 24 hours."""

MAX_VISITS: Final = 16
MAX_CHANGES: Final = 200
"""Both bound what is kept of a client. Of a history that exceeds them the oldest is forgotten, and
asking the broker makes up for it."""

NEVER: Final = -1


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A channel was taken up or given up, in ms since 1970."""

    at_ms: int
    is_on: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """What was told of one connection; moments are in ms since 1970.

    Attributes:
        session: AWS's `sessionIdentifier`.
        first_ms: a moment at which it was there, the first one known.
        last_ms: the last one known.
        version: AWS's `versionNumber`, None until `connected` or `disconnected` has come.
        connected_ms: when it began, None until `connected` has come.
        has_ended: whether `disconnected` has come.
        missing_ms: when the broker did not know of it any more.
        changes: the newest one of each channel.
    """

    session: str
    first_ms: int
    last_ms: int
    version: int | None = None
    connected_ms: int | None = None
    has_ended: bool = False
    missing_ms: int = NEVER
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended, as far as is known."""
        return self.has_ended or self.last_ms <= self.missing_ms

    @property
    def since_ms(self) -> int:
        """When it began, as far as is known."""
        return self.first_ms if self.connected_ms is None else self.connected_ms


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker, asked at `asked_ms`, knew a connection since `connected_ms` on these channels."""

    asked_ms: int
    connected_ms: int
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Presence:
    """A client is there, since a moment in ms since 1970, on the newest 50 of its channels."""

    since_ms: int
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Attendance:
    """One client id.

    Attributes:
        client_id: the MQTT client id.
        identity_id: whose client it is.
        visits: those of which none is certain to have been followed by another, oldest first.
        past: earlier ones by their sessions, with the last moment known.
        answer: the broker's newest answer, None if it knew no connection or was never asked.
        confirmed_at_ms: when something was learnt of the client last, by our clock.
        revision: counts what was saved; 0 for a client that was never saved.
    """

    client_id: str
    identity_id: str
    visits: tuple[Visit, ...] = ()
    past: Mapping[str, int] = field(default_factory=dict)
    answer: Answer | None = None
    confirmed_at_ms: int = 0
    revision: int = 0

    @property
    def presence(self) -> Presence | None:
        """Whether the client is there and where, as far as is known."""
        newest, answer = (self.visits[-1] if self.visits else None), self.answer
        if answer is not None and (newest is None or not _says_more(newest, answer)):
            return Presence(answer.connected_ms, _newest_channels(answer, {}))
        if newest is None or newest.is_over:
            return None
        if answer is None or not _is_about(answer, newest):
            return Presence(newest.since_ms, _newest_channels(None, newest.changes))
        since_ms = min(newest.since_ms, answer.connected_ms)
        return Presence(since_ms, _newest_channels(answer, newest.changes))

    @property
    def may_be_there(self) -> bool:
        """Whether the broker could know a connection of this client."""
        return self.presence is not None or any(not visit.is_over for visit in self.visits)

    @property
    def expires_at_ms(self) -> int:
        """When this need not be remembered any longer."""
        return self.confirmed_at_ms + (THERE_KEPT_MS if self.may_be_there else GONE_KEPT_MS)

    def has_left(self, session: str) -> bool:
        """Tell whether a connection is certain to have ended."""
        return session in self.past or any(
            visit.session == session and visit.is_over for visit in self.visits
        )


def observe(known: Attendance, event: LifecycleEvent, now_ms: int) -> Attendance:
    """Take in an event.

    Returns:
        The very same attendance if the event tells nothing new.
    """
    told = _visit_of(event)
    if told.session in known.past:
        visits, left = list(known.visits), [told]
    else:
        visits, left = _sort_out(_joined(known.visits, told))
    found = replace(known, visits=tuple(visits), past=_put_away(known.past, left))
    return known if found == known else replace(found, confirmed_at_ms=now_ms)


def confirm(known: Attendance, answer: Answer) -> Attendance:
    """Take in that the broker knows a connection of this client."""
    return replace(known, answer=answer, confirmed_at_ms=answer.asked_ms)


def miss(known: Attendance, asked_ms: int) -> Attendance:
    """Take in that the broker, asked at `asked_ms`, knew no connection of this client."""
    visits = tuple(
        replace(visit, missing_ms=max(asked_ms, visit.last_ms)) for visit in known.visits
    )
    return replace(known, visits=visits, answer=None, confirmed_at_ms=asked_ms)


def _says_more(visit: Visit, answer: Answer) -> bool:
    """Tell whether a visit goes on after the answer, is the answered one, or began later."""
    began_ms = NEVER if visit.connected_ms is None else visit.connected_ms
    earliest_ms = answer.connected_ms - SAME_CONNECT_MS
    return visit.last_ms > answer.asked_ms or began_ms > earliest_ms


def _is_about(answer: Answer, visit: Visit) -> bool:
    """Tell whether the broker has answered about this connection, which says more.

    Where nobody has told when that began, it is taken to be so: a lost `connected` is more likely
    than a late one, and what is taken here is taken anew with each event.
    """
    if visit.connected_ms is None:
        return True
    return abs(visit.connected_ms - answer.connected_ms) < SAME_CONNECT_MS


def _newest_channels(answer: Answer | None, changes: Mapping[str, Change]) -> frozenset[str]:
    """Tell the channels of a visit: those that the broker named, and what changed after that."""
    asked_ms = NEVER if answer is None else answer.asked_ms
    taken_ms = {} if answer is None else dict.fromkeys(answer.channels, asked_ms)
    for channel, change in changes.items():
        if change.is_on and change.at_ms > asked_ms:
            taken_ms[channel] = change.at_ms
        elif change.at_ms > asked_ms:
            taken_ms.pop(channel, None)
    return frozenset(sorted(taken_ms, key=lambda c: (taken_ms[c], c))[-MAX_CHANNELS:])


def _visit_of(event: LifecycleEvent) -> Visit:
    change = Change(event.at_ms, is_on=event.kind == "subscribed")
    return Visit(
        session=event.session,
        first_ms=event.at_ms,
        last_ms=event.at_ms,
        version=event.version,
        connected_ms=event.at_ms if event.kind == "connected" else None,
        has_ended=event.kind == "disconnected",
        changes=dict.fromkeys(event.channels, change),
    )


def _joined(visits: Iterable[Visit], told: Visit) -> list[Visit]:
    """Merge what was told into the visit that it is about."""
    joined, others = told, list[Visit]()
    for visit in visits:
        if visit.session == told.session:
            joined = _merged(visit, told)
        else:
            others.append(visit)
    return [*others, joined]


def _merged(one: Visit, other: Visit) -> Visit:
    return Visit(
        session=one.session,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        version=other.version if one.version is None else one.version,
        connected_ms=other.connected_ms if one.connected_ms is None else one.connected_ms,
        has_ended=one.has_ended or other.has_ended,
        missing_ms=max(one.missing_ms, other.missing_ms),
        changes=_newest_changes(one.changes, other.changes),
    )


def _newest_changes(one: Mapping[str, Change], other: Mapping[str, Change]) -> Mapping[str, Change]:
    """Keep the newest change of each channel; of two in one ms the one that takes it up."""
    changes = dict(one)
    for channel, change in other.items():
        changes[channel] = max(change, changes.get(channel, change))
    newest = sorted(changes, key=lambda channel: (changes[channel], channel))[-MAX_CHANGES:]
    return {channel: changes[channel] for channel in newest}


def _sort_out(visits: list[Visit]) -> tuple[list[Visit], list[Visit]]:
    """Part those that may be the newest from those that were certainly followed by another."""
    newest = [one for one in visits if not any(_is_before(one, other) for other in visits)]
    kept = sorted(newest, key=lambda visit: (visit.last_ms, visit.session))[-MAX_VISITS:]
    return kept, [visit for visit in visits if visit not in kept]


def _is_before(one: Visit, other: Visit) -> bool:
    """Tell whether one is certain to have been followed by the other."""
    if other.first_ms - one.last_ms > SAME_COUNT_MS:
        return True
    if one.first_ms - other.last_ms > SAME_COUNT_MS:
        return False
    return one.version is not None and other.version is not None and one.version < other.version


def _put_away(past: Mapping[str, int], left: Iterable[Visit]) -> Mapping[str, int]:
    moments = dict(past)
    for visit in left:
        moments[visit.session] = max(visit.last_ms, moments.get(visit.session, NEVER))
    newest = sorted(moments, key=lambda session: (moments[session], session))[-MAX_VISITS:]
    return {session: moments[session] for session in newest}
