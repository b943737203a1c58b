"""People and connections that the test decides about."""

from dataclasses import dataclass, field, replace
from typing import Any

from backend.lifetimes import BEGIN_MS, CLIENT, IDENTITY
from bellwire.attendance import Attendance
from bellwire.errors import Upstream
from bellwire.identity_ports import LiveConnection, Person, PresenceStore
from bellwire.lifecycle import Kind, LifecycleEvent
from bellwire.presence import Healed, heal, note_lifecycle, present_on
from bellwire.present_json import PresentPerson


@dataclass
class KnownPeople:
    """A directory of those whom the test knows."""

    people: dict[str, Person] = field(default_factory=dict)
    is_down: bool = False

    def find(self, identity_id: str) -> Person | None:
        if self.is_down:
            raise Upstream("the directory is down")
        return self.people.get(identity_id)

    def find_identity(self, user: str) -> str | None:
        found = (one.identity_id for one in self.people.values() if one.user == user)
        return next(found, None)

    def save(self, person: Person) -> bool:
        self.people[person.identity_id] = replace(person, revision=person.revision + 1)
        return True


@dataclass
class KnownConnections:
    """A broker with the connections that the test has made; what was ended is kept."""

    live: dict[str, LiveConnection] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    is_down: bool = False

    def find(self, client_id: str) -> LiveConnection | None:
        self._answer()
        return self.live.get(client_id)

    def end(self, client_id: str) -> bool:
        self._answer()
        self.ended.append(client_id)
        return self.live.pop(client_id, None) is not None

    def _answer(self) -> None:
        if self.is_down:
            raise Upstream("the broker is down")


def an_event(
    kind: Kind,
    session: str = "a",
    after_s: float = 0,
    *channels: str,
    client_id: str = CLIENT,
    version: int = 0,
    principal: str = "AROAEXAMPLE:CognitoIdentityCredentials",
) -> LifecycleEvent:
    """Word an event, so many seconds after the beginning."""
    return LifecycleEvent(
        kind=kind,
        client_id=client_id,
        identity_id=client_id[: len(IDENTITY)],
        session=session,
        at_ms=BEGIN_MS + int(after_s * 1000),
        principal=principal,
        version=version if kind in ("connected", "disconnected") else None,
        channels=channels,
    )


@dataclass
class World:
    """A store of presence, who is known, and a clock."""

    store: PresenceStore
    directory: KnownPeople = field(default_factory=KnownPeople)
    connections: KnownConnections = field(default_factory=KnownConnections)
    after_s: float = 0

    def now_ms(self) -> int:
        return BEGIN_MS + int(self.after_s * 1000)

    def tell(self, *events: LifecycleEvent) -> None:
        for told in events:
            note_lifecycle(
                told,
                store=self.store,
                directory=self.directory,
                connections=self.connections,
                now_ms=self.now_ms(),
            )

    def on(self, channel: str) -> list[PresentPerson]:
        return present_on(channel, store=self.store, directory=self.directory)

    def heal(self, **words: int) -> Healed:
        return heal(
            store=self.store,
            connections=self.connections,
            stage="dev",
            now_ms=self.now_ms,
            **words,
        )


class Contended:
    """A store in which somebody else is always, or so many times, faster."""

    def __init__(self, store: PresenceStore, times: int) -> None:
        self._store = store
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def save(self, attendance: Attendance) -> bool:
        self._times -= 1
        return self._times < 0 and self._store.save(attendance)
