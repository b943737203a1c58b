"""The use cases of presence: take in what AWS IoT tells, tell who is there, ask about the silent.

How evidence becomes an answer is `attendance`'s.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bellwire.attendance import Answer, Attendance, confirm, miss, observe
from bellwire.channels import channel_of
from bellwire.errors import Upstream
from bellwire.identity_ports import (
    Connections,
    Directory,
    LiveConnection,
    Person,
    PresenceStore,
    Present,
)
from bellwire.lifecycle import LifecycleEvent
from bellwire.present_json import PresentPerson

MAX_ATTEMPTS: Final = 10
UNCONFIRMED_MS: Final = 60_000
HEAL_LIMIT: Final = 100

_NARROWED: Final = re.compile(r"[^:]*:bellwire-([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class Healed:
    """How many clients the broker was asked about, and of how many something else was believed."""

    asked: int
    corrected: int


class LookUp(Protocol):
    """Calls a function with each of some identity ids and gives the results in their order."""

    def __call__(
        self, function: Callable[[str], Person | None], identity_ids: Sequence[str], /
    ) -> Iterable[Person | None]: ...


def note_lifecycle(
    event: LifecycleEvent,
    *,
    store: PresenceStore,
    directory: Directory,
    connections: Connections,
    now_ms: int,
) -> None:
    """Take in an event, and end the connection it tells of if that was revoked.

    In this order: who revokes writes to the directory first and then looks for connections, so one
    of the two sees the other. A repeated call changes nothing and ends again.

    Raises:
        Upstream: the store, the directory or the broker does not answer: to be called again.
    """
    attendance = _save_observed(event, store, now_ms)
    if event.kind != "connected" or attendance.has_left(event.session):
        return
    person = directory.find(event.identity_id)
    if person is not None and has_been_revoked(person, event.principal):
        connections.end(event.client_id)


def has_been_revoked(person: Person, principal: str) -> bool:
    """Tell whether a connection of somebody may not stay.

    Args:
        principal: who opened it, as AWS has it: `"AROA…:<name of the role's session>"`. The name
            of a narrowed session tells when it was issued: `bellwire-1795417463`.
    """
    narrowed = _NARROWED.fullmatch(principal)
    is_stale = narrowed is not None and int(narrowed[1]) < person.revoked_before_s
    return person.is_revoked or is_stale


def present_on(
    channel: str,
    *,
    store: PresenceStore,
    directory: Directory,
    look_up: LookUp = map,
) -> list[PresentPerson]:
    """Tell who is on a channel, ascending by `since_ms`, then by identity id.

    Args:
        channel: with `me` put in its place.
        look_up: looks the people up, e.g. an executor's `map` where a read is a round trip.
    """
    clients: dict[str, list[Present]] = {}
    for client in store.clients_on(channel):
        clients.setdefault(client.identity_id, []).append(client)
    people = look_up(directory.find, list(clients))
    present = [
        PresentPerson(
            identity_id=identity_id,
            user=None if person is None else person.user,
            connections=len(found),
            since_ms=min(client.since_ms for client in found),
        )
        for (identity_id, found), person in zip(clients.items(), people, strict=True)
    ]
    return sorted(present, key=lambda one: (one.since_ms, one.identity_id))


def heal(
    *,
    store: PresenceStore,
    connections: Connections,
    stage: str,
    now_ms: Callable[[], int],
    unconfirmed_ms: int = UNCONFIRMED_MS,
    limit: int = HEAL_LIMIT,
) -> Healed:
    """Ask the broker about clients of which nothing was heard for a while, and believe it.

    To be called now and then; as long as `asked` is the limit, there are more to ask about.

    Args:
        unconfirmed_ms: for how long nothing was heard.
        limit: how many clients are asked about at most, each two calls of the broker.

    Raises:
        Upstream: the store or the broker does not answer; what was healed before stays so.
    """
    found = store.unconfirmed(now_ms() - unconfirmed_ms, limit)
    corrected = 0
    for attendance in found:
        asked_ms = now_ms()
        healed = _believe(attendance, connections.find(attendance.client_id), stage, asked_ms)
        # Not saved if an event came meanwhile: that is news enough until the next time.
        is_saved = store.save(healed)
        corrected += is_saved and healed.presence != attendance.presence
    return Healed(len(found), corrected)


def _save_observed(event: LifecycleEvent, store: PresenceStore, now_ms: int) -> Attendance:
    for _ in range(MAX_ATTEMPTS):
        found = store.find(event.client_id)
        known = found or Attendance(event.client_id, event.identity_id)
        observed = observe(known, event, now_ms)
        if observed is known or store.save(observed):
            return observed
    raise Upstream(f"the presence of {event.client_id} kept changing over {MAX_ATTEMPTS} attempts")


def _believe(
    known: Attendance, live: LiveConnection | None, stage: str, asked_ms: int
) -> Attendance:
    if live is None:
        return miss(known, asked_ms)
    channels = (channel_of(stage, topic) for topic in live.filters)
    exact = frozenset(channel for channel in channels if channel is not None)
    return confirm(known, Answer(asked_ms, live.connected_at_ms, exact))
