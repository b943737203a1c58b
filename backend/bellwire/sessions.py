"""The use case of every client that connects: an identity, what it is granted, credentials.

A member's session brings what is attached to the identity in line with the login; a narrowed one
holds a policy of its own and attaches nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bellwire.access import may_read, member
from bellwire.bearers import Bearers
from bellwire.channels import resolve_me
from bellwire.errors import NotAllowed, Unauthenticated
from bellwire.grants import grant_names_of, grants_of, session_policy
from bellwire.identity_ports import (
    Credentials,
    Directory,
    Grants,
    Identities,
    NarrowedCredentials,
    Person,
    Vouched,
)
from bellwire.logins import Login
from bellwire.policies import Place
from bellwire.settling import settle, settle_without_attaching

NARROWED_S: Final = 900
"""How long a narrowed session lasts: the least that STS gives. Source: STS API, AssumeRole."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who a client is from now on.

    Attributes:
        token: the bearer of its private polls; None for a guest.
        expires_at_ms: when the token ends, in ms since 1970.
        channels: all that a narrowed session is for, as they were asked for.
    """

    identity_id: str
    token: str | None = field(default=None, repr=False)
    expires_at_ms: int | None = None
    groups: tuple[str, ...] = ()
    credentials: Credentials | None = None
    channels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """What members' sessions are made of.

    Attributes:
        open_grants: makes what one login changes its policies with.
        token_lifetime_s: how long the bearer of a member's polls holds.
    """

    place: Place
    identities: Identities
    directory: Directory
    open_grants: Callable[[], Grants]
    narrowing: NarrowedCredentials
    bearers: Bearers
    token_lifetime_s: int = 3600


def open_guest_session(
    identities: Identities, *, are_guests_allowed: bool, wants_credentials: bool
) -> Session:
    """Make a new guest identity.

    Raises:
        NotAllowed: guests are switched off.
    """
    if not are_guests_allowed:
        raise NotAllowed("guests are switched off here: log in and send a bearer token")
    identity_id = identities.new_guest()
    credentials: Credentials | None = None
    if wants_credentials:
        credentials = identities.credentials_for_guest(identity_id)
    return Session(identity_id, credentials=credentials)


def open_member_session(login: Login, made_of: Membership, *, wants_credentials: bool) -> Session:
    """Find who has logged in, and grant what the login says.

    Raises:
        Unauthenticated: the provider's login does not hold, or it is older than a revocation.
        TooLarge: the user is of more groups than AWS has policies for.
        TooMany: AWS changes no more policies at the moment.
        Upstream: AWS does not answer.
    """
    grants = grants_of(login.groups, made_of.place)
    vouched = _vouch_for(login, made_of)
    settle(vouched.identity_id, login, grants, made_of.directory, made_of.open_grants())
    credentials: Credentials | None = None
    if wants_credentials:
        credentials = made_of.identities.credentials_for_member(vouched)
    return Session(
        vouched.identity_id,
        vouched.token,
        vouched.expires_at_s * 1000,
        login.groups,
        credentials,
    )


def open_narrowed_session(
    login: Login, channels: Sequence[str], made_of: Membership, *, now_s: float
) -> Session:
    """Give somebody who has logged in a session for some channels and nothing else.

    Args:
        channels: names as the client writes them, each once.

    Raises:
        NotAllowed: naming the first channel that the user may not read.
        TooLarge: more channels than AWS takes.
        Unauthenticated, TooMany, Upstream: as for a member's session.
    """
    identity_id = _vouch_for(login, made_of).identity_id
    names = grant_names_of(login.groups, made_of.place)
    settle_without_attaching(identity_id, login, names, made_of.directory, made_of.open_grants())
    whole = {name: resolve_me(name, identity_id) for name in channels}
    reader = member(identity_id, login.groups, made_of.place)
    for name, channel in whole.items():
        if not may_read(reader, channel, made_of.place):
            raise NotAllowed(f"you may not read {name}", name)
    issued_at_s = int(now_s)
    credentials = made_of.narrowing.narrowed(
        session_policy(identity_id, whole.values(), made_of.place),
        session_name=session_name_of(issued_at_s),
        lifetime_s=NARROWED_S,
    )
    token = made_of.bearers.sign(
        identity_id, list(whole.values()), issued_at_s=issued_at_s, lifetime_s=NARROWED_S
    )
    return Session(
        identity_id,
        token,
        (issued_at_s + NARROWED_S) * 1000,
        login.groups,
        credentials,
        tuple(channels),
    )


def session_name_of(issued_at_s: int) -> str:
    """Name a narrowed session so that a lifecycle event tells how old it is."""
    return f"bellwire-{issued_at_s}"


def find_user(user: str, identities: Identities, directory: Directory) -> str:
    """Return the identity of a user, made if there is none yet.

    Raises:
        TooMany: the pool makes no more identities at the moment.
        Upstream: AWS does not answer.
    """
    known = directory.find_identity(user)
    if known is not None:
        return known
    identity_id = identities.vouch_for(user, lifetime_s=1).identity_id
    if directory.find(identity_id) is None:
        directory.save(Person(identity_id, user))  # beaten to it: by a login that knows more
    return identity_id


def _vouch_for(login: Login, made_of: Membership) -> Vouched:
    """Have the pool say who it is: for a provider's login it alone knows, and says so first."""
    identity_id: str | None = None
    if login.provider is not None:
        identity_id = made_of.identities.identity_of_login(login.provider, login.token)
        _check_is_nobody_elses(identity_id, made_of.directory)
    user = identity_id if login.user is None else login.user
    if user is None:
        raise Unauthenticated("the login names no user")
    return made_of.identities.vouch_for(
        user, lifetime_s=made_of.token_lifetime_s, identity_id=identity_id
    )


def _check_is_nobody_elses(identity_id: str, directory: Directory) -> None:
    """Refuse a provider's login that has been linked to a user of the application.

    Whoever holds a token of the pool can have the pool link a login of their own to its identity;
    that must not be a way in that outlives the token.
    """
    person = directory.find(identity_id)
    if person is not None and person.user != identity_id:
        raise Unauthenticated("this login is linked to a user who logs in to the application")
