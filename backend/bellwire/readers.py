"""Who is behind a request for channels, and what they may read now. Asked of the directory once."""

import json

from bellwire.access import Reader, member, narrowed
from bellwire.bearers import Bearer
from bellwire.errors import Unauthenticated
from bellwire.grants import session_policy
from bellwire.identity_ports import Directory, Person
from bellwire.policies import Place
from bellwire.settling import check_not_revoked


def reader_of_bearer(bearer: Bearer, directory: Directory, place: Place) -> Reader:
    """Return what the holder of a token may read: the groups of their latest login.

    Raises:
        Unauthenticated: the token is older than a revocation, or no session was opened.
    """
    person = _find(bearer.identity_id, directory)
    check_not_revoked(bearer.issued_at_s, person)
    whole = member(person.identity_id, person.groups, place)
    if bearer.channels is None:
        return whole
    session = json.loads(session_policy(person.identity_id, bearer.channels, place))
    return narrowed(whole, session, place)


def reader_of_identity(identity_id: str, directory: Directory, place: Place) -> Reader:
    """Return what an identity may read that has signed its request with AWS credentials.

    These do not tell how old they are: after a revocation they hold from the next login on.

    Raises:
        Unauthenticated: revoked, or no session was opened.
    """
    person = _find(identity_id, directory)
    return member(person.identity_id, person.groups, place)


def _find(identity_id: str, directory: Directory) -> Person:
    """Find who may read at all: after a revocation nobody before the next login.

    How old a token is does not tell: the pool makes new ones of an older one or of a login.
    """
    person = directory.find(identity_id)
    if person is None:
        raise Unauthenticated("expected a session to be opened first, by POST /v1/session")
    if person.is_revoked:
        raise Unauthenticated("access was revoked since: log in again")
    return person
