"""The use case of an operator: end somebody's access now, until they log in again."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bellwire.channels import is_identity_id
from bellwire.errors import NotFound, TooMany
from bellwire.identity_ports import Connections, Directory, Grants, Identities, Person
from bellwire.logins import check_user
from bellwire.sessions import find_user
from bellwire.settling import TRIES, revoke


@dataclass(frozen=True, slots=True)
class Kicked:
    """Whose access has ended; what was issued before `revoked_before_s`, s since 1970, is void.

    `was_known` tells whether the user had ever logged in, or been addressed; else the name may be
    misspelt.
    """

    identity_id: str
    connections_ended: int
    revoked_before_s: int
    was_known: bool = True


@dataclass(frozen=True, slots=True)
class Bouncer:
    """What it takes to end somebody's access.

    Attributes:
        open_grants: makes what the policies are taken away with.
        client_ids_of: names the connections that an identity is known to have.
        now_s: the wall clock, in s since 1970.
        wait_s: waits so many s.
    """

    identities: Identities
    directory: Directory
    open_grants: Callable[[], Grants]
    connections: Connections
    client_ids_of: Callable[[str], Collection[str]]
    now_s: Callable[[], float]
    wait_s: Callable[[float], None]


def kick(user: str, by: Bouncer) -> Kicked:
    """Refuse every token issued so far, take away what is attached, end the connections.

    Times in tokens are whole seconds: this returns when a new login has a later one, at most a
    second from now.

    Args:
        user: as the application knows them; of somebody who came by a provider's login, the
            identity id.

    Raises:
        Malformed: that is no user's name.
        NotFound: nobody with that identity has logged in.
        TooMany, Upstream: AWS did not do all of it; do it again.
    """
    was_known = is_identity_id(user) or by.directory.find_identity(check_user(user)) is not None
    identity_id = _identity_of(user, by)
    before_s = math.floor(by.now_s()) + 1
    try:
        _take_away(identity_id, user, before_s, by)
    finally:  # whatever AWS did not do: what is open now is closed
        ended = _end_connections(identity_id, by)
    by.wait_s(max(0.0, before_s - by.now_s()))
    return Kicked(identity_id, ended, before_s, was_known)


def _take_away(identity_id: str, user: str, before_s: int, by: Bouncer) -> None:
    grants = by.open_grants()
    for _ in range(TRIES):
        person = by.directory.find(identity_id) or Person(identity_id, user)
        if person.revoked_before_s >= before_s and not person.is_revoked:
            return  # ours has been written, and a new login has come since
        if revoke(person, before_s, by.directory, grants):
            return
    raise TooMany(f"{user!r:.80} is logging in too often to be kicked: try again")


def _end_connections(identity_id: str, by: Bouncer) -> int:
    client_ids = {identity_id, *by.client_ids_of(identity_id)}
    return sum(by.connections.end(client_id) for client_id in sorted(client_ids))


def _identity_of(user: str, by: Bouncer) -> str:
    if not is_identity_id(user):
        return find_user(check_user(user), by.identities, by.directory)
    if by.directory.find(user) is None:
        raise NotFound(f"nobody with the identity {user} has logged in")
    return user
