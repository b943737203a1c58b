"""What the use cases around people need of the outside world: who somebody is, and what they hold.

The log and the broker are in `ports`. tests/backend/test_directory_contract.py is what every
directory passes, tests/backend/test_presence_contract.py every store of presence.
"""

from dataclasses import dataclass
from typing import Protocol

from bellwire.attendance import Attendance


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one identity that has logged in.

    Attributes:
        identity_id: of the identity pool, for example `"us-east-1:5b1a…"`.
        user: the name by which the application knows them; the identity id itself for somebody who
            came by a provider's login.
        groups: those of the latest login, in ascending order.
        attached: the IoT policies that may be attached, by name, in ascending order; while a login
            is being settled, those before it and those after it.
        is_settled: whether exactly `attached` is attached; else a login was interrupted.
        revoked_before_s: tokens issued before this, in s since 1970, do not hold.
        is_revoked: whether nobody has logged in since the last revocation.
        revision: counts what was saved; 0 for somebody who was never saved.
    """

    identity_id: str
    user: str
    groups: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    is_settled: bool = True
    revoked_before_s: int = 0
    is_revoked: bool = False
    revision: int = 0


class Directory(Protocol):
    """Remembers people. Every method raises `Upstream` if the store does not answer."""

    def find(self, identity_id: str) -> Person | None:
        """Read somebody, strongly: what was saved before is seen."""
        ...

    def find_identity(self, user: str) -> str | None:
        """Name the identity that a user was last saved with."""
        ...

    def save(self, person: Person) -> bool:
        """Write somebody with the next revision, unless theirs has changed since it was read.

        Returns:
            False if it has: read again, and decide again.
        """
        ...


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """A client that is connected now.

    `connected_at_ms` in ms since 1970; `filters` are its subscriptions, topics with the stage.
    """

    client_id: str
    connected_at_ms: int
    filters: tuple[str, ...]


class Connections(Protocol):
    """The broker's connections. Every method raises `Upstream` if it does not answer."""

    def find(self, client_id: str) -> LiveConnection | None:
        """Look a client up; None if it is not connected."""
        ...

    def end(self, client_id: str) -> bool:
        """End a client's connection; False if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Present:
    """A client that is on a channel, `since_ms` since 1970."""

    client_id: str
    identity_id: str
    since_ms: int


class PresenceStore(Protocol):
    """Remembers clients that are or were connected.

    Every method raises `Upstream` if the store does not answer. Every read but that of
    `unconfirmed` is strong: what was saved before is seen.
    """

    def find(self, client_id: str) -> Attendance | None:
        """Read what is known of a client."""
        ...

    def save(self, attendance: Attendance) -> bool:
        """Write a client with the next revision, unless theirs has changed since it was read.

        Returns:
            False if it has: read again, and take in again what was to be taken in.
        """
        ...

    def client_ids_of(self, identity_id: str) -> list[str]:
        """Name the clients of an identity, ascending; those that have gone too, while remembered.

        What is remembered may lag behind, and ending a connection that is not there does no harm.
        """
        ...

    def clients_on(self, channel: str) -> list[Present]:
        """Read who is on a channel, ascending by client id."""
        ...

    def unconfirmed(self, before_ms: int, limit: int) -> list[Attendance]:
        """Read clients that may be there and were last confirmed before a moment, oldest first."""
        ...

    def drop_expired(self, now_ms: int) -> int:
        """Forget the clients that need not be remembered any longer; return how many that were.

        A store that does so by itself returns 0.
        """
        ...
