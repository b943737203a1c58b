"""Open a reader's session: a user's at the service, a guest's at the identity pool.

A guest stays the same guest, as a browser does. When to open one is `held_session`'s.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bellwire.errors import Malformed, NotAllowed, NotFound, Unauthenticated, Upstream
from bellwire.guest_identities import GuestIdentities
from bellwire.guest_pool import GuestPool
from bellwire.http_calls import HttpCalls
from bellwire.identity_ports import Credentials
from bellwire.login_tokens import Login, bearer_headers
from bellwire.service_config import ServiceConfig
from bellwire.wire_json import decode_json, encode_json

REFUSED_S: Final = 1.0
"""Logins of the second in which access was revoked, and of the one before, do not hold."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A session.

    Attributes:
        token: the bearer of private polls, None for a guest.
        ends_at_ms: when the first of token and credentials ends, in ms since 1970.
        login_number: of the login that it was opened by; see `Joining.number`.
    """

    identity_id: str
    token: str | None = field(repr=False)
    credentials: Credentials
    ends_at_ms: int
    groups: tuple[str, ...] = ()
    login_number: int = 0


class Opener:
    """Opens sessions at one service, of whatever login."""

    def __init__(
        self, calls: HttpCalls, guests: GuestIdentities, wait_s: Callable[[float], None]
    ) -> None:
        self._calls = calls
        self._guests = guests
        self._wait_s = wait_s

    def open(self, login: Login, config: ServiceConfig) -> Joined:
        """Open a session.

        Raises:
            Unauthenticated: the login does not hold (any more).
            NotAllowed: there are no guests here.
            TooMany, Upstream: it may work later.
            BellwireError: refused otherwise.
        """
        return self._open_guest(config) if login.is_guest else self._open_member(login)

    def _open_member(self, login: Login) -> Joined:
        try:
            return self._ask(login)
        except Unauthenticated:
            if not login.is_renewable:
                raise
        self._wait_s(REFUSED_S * (1 + random.random()))  # noqa: S311 - jitter keeps no secret
        return self._ask(login)

    def _ask(self, login: Login) -> Joined:
        headers = bearer_headers(login.ask_token())
        body = self._calls.post("/v1/session", encode_json(login.wish()), headers)
        try:
            return _read(body)
        except Malformed as error:
            raise Upstream(error.message) from error

    def _open_guest(self, config: ServiceConfig) -> Joined:
        if not config.has_guests:
            raise NotAllowed("guests are switched off here: log in and send a bearer token")
        pool, kept = GuestPool(config), self._guests.find(config.identity_pool_id)
        if kept is not None:
            try:
                return _as_guest(*pool.credentials(kept))
            except NotFound:
                pass  # gone for this guest, but kept until there is another
        fresh = pool.new_guest()
        self._guests.keep(config.identity_pool_id, fresh)
        return _as_guest(*pool.credentials(fresh))


def _as_guest(identity_id: str, credentials: Credentials) -> Joined:
    return Joined(identity_id, None, credentials, credentials.expires_at_ms)


def _read(body: bytes) -> Joined:
    match decode_json(body):
        case {
            "identity_id": str(identity_id),
            "token": str(token),
            "expires_at": int(token_ends_at_ms),
            "groups": list(groups),
            "credentials": {
                "access_key_id": str(key),
                "secret_access_key": str(secret),
                "session_token": str(session_token),
                "expires_at": int(keys_end_at_ms),
            },
        }:
            credentials = Credentials(key, secret, session_token, keys_end_at_ms)
            ends_at_ms = min(keys_end_at_ms, token_ends_at_ms)
            named = tuple(str(group) for group in groups)
            return Joined(identity_id, token, credentials, ends_at_ms, named)
        case _:
            raise Malformed("expected a session with credentials, found something else")
