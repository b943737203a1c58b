"""The use case of every client that connects: an identity, and credentials for it.

Guests so far; members come with their application's own login.
"""

from bellwire.errors import NotAllowed
from bellwire.ports import Credentials, Identities, Session


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
    return Session(identity_id, credentials)
