"""What the use cases around people need of the outside world: who somebody is, and what they hold.

The log and the broker are in `ports`. tests/backend/test_directory_contract.py is what every
directory passes, tests/backend/test_presence_contract.py every store of presence.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bellwire.attendance import Attendance
    from bellwire.grants import Grant


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of one identity that has logged in.

    Attributes:
        identity_id: of the identity pool, for example `"us-east-1:5b1a…"`.
        user: the name by which the application knows them; the identity id itself for somebody who
            came by a provider's login.
        groups: those of the latest login, in ascending order.
        attached: the IoT policies that are attached, by name, in ascending order.
        unsettled: of these, those of which it is not sure: a login is just changing them, or was
            interrupted.
        revoked_before_s: tokens issued before this, in s since 1970, do not hold.
        is_revoked: whether nobody has logged in since the last revocation.
        revision: counts what was saved; 0 for somebody who was never saved.
    """

    identity_id: str
    user: str
    groups: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
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
class Credentials:
    """Temporary AWS credentials; `expires_at_ms` in ms since the Unix epoch."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Keys:
    """AWS credentials of whatever kind; long-lived ones come without a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Vouched:
    """An identity, and the token by which it is believed; `expires_at_s` in s since 1970."""

    identity_id: str
    token: str = field(repr=False)
    expires_at_s: int


class Identities(Protocol):
    """An identity pool. Every method raises `Upstream` if it does not answer, `TooMany` if it is
    asked too often."""

    def new_guest(self) -> str:
        """Make an identity for somebody who is not logged in.

        Raises:
            NotAllowed: the pool admits no guests.
        """
        ...

    def credentials_for_guest(self, identity_id: str) -> Credentials:
        """Hand out an hour's credentials for a guest.

        Raises:
            NotAllowed: the identity is not known, or no guest's.
        """
        ...

    def vouch_for(self, user: str, *, lifetime_s: int, identity_id: str | None = None) -> Vouched:
        """Find or make the identity of a user, and make a token for it.

        Args:
            user: as the application knows them.
            lifetime_s: how long the token is to hold, in s.
            identity_id: the identity that the user is to be, where another login has shown it.
        """
        ...

    def identity_of_login(self, provider: str, token: str) -> str:
        """Name the identity of whoever holds a provider's login, which the pool itself checks.

        Args:
            provider: the provider's key in the pool, for example `"accounts.google.com"`.

        Raises:
            Unauthenticated: the pool does not accept the login.
        """
        ...

    def credentials_for_member(self, vouched: Vouched) -> Credentials:
        """Hand out the credentials of an identity that was vouched for.

        Raises:
            Unauthenticated: the token does not hold.
        """
        ...


class NarrowedCredentials(Protocol):
    """Hands out credentials that a policy narrows."""

    def narrowed(self, policy: str, *, session_name: str, lifetime_s: int) -> Credentials:
        """Hand out credentials for what `policy`, a document as JSON, allows and no more.

        Raises:
            TooLarge: the policy is larger than AWS takes.
            TooMany: asked too often.
            Upstream: AWS does not answer, or may not do it.
        """
        ...


class Grants(Protocol):
    """The IoT policies of identities. Both methods raise `TooMany` if they are called too often,
    and `Upstream` if AWS does not answer."""

    def attach(self, identity_id: str, grant: "Grant") -> None:
        """Attach a policy, having made it if there is none of that name; twice is once."""
        ...

    def detach(self, identity_id: str, name: str) -> None:
        """Take a policy away; one that is not attached is none."""
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

    def find(self, client_id: str) -> "Attendance | None":
        """Read what is known of a client."""
        ...

    def save(self, attendance: "Attendance") -> bool:
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

    def unconfirmed(self, before_ms: int, limit: int) -> "list[Attendance]":
        """Read clients that may be there and were last confirmed before a moment, oldest first."""
        ...

    def drop_expired(self, now_ms: int) -> int:
        """Forget the clients that need not be remembered any longer; return how many that were.

        A store that does so by itself returns 0.
        """
        ...
