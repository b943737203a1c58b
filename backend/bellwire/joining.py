"""Who a reader is: a guest or a user, by a session that is renewed before it ends.

A user's sessions come from `POST /v1/session`. A guest asks the identity pool itself and stays
the same guest, as a browser does.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

from bellwire.errors import BellwireError, Malformed, NotAllowed, NotFound, Unauthenticated
from bellwire.guest_identities import GuestIdentities
from bellwire.guest_pool import GuestPool
from bellwire.http_calls import HttpCalls
from bellwire.identity_ports import Credentials
from bellwire.login_tokens import Login, bearer_headers
from bellwire.service_config import ServiceConfig
from bellwire.wire_json import decode_json, encode_json

AHEAD_S: Final = 300.0
"""A session is renewed so long before its end, or a fifth of its life if that is shorter."""
MARGIN_S: Final = 60.0
"""A session this close to its end opens nothing any more."""
RETRY_S: Final = 5.0
"""No session is asked for again sooner while the one before still holds."""
REFUSED_S: Final = 1.0
"""Logins of the second in which access was revoked, and of the one before, do not hold."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A session; `token` is the bearer of private polls, None for a guest."""

    identity_id: str
    token: str | None = field(repr=False)
    credentials: Credentials
    ends_at_ms: int
    groups: tuple[str, ...] = ()


class Joining:
    """Opens sessions at one service, of one login at a time. Threads may share it."""

    def __init__(
        self,
        calls: HttpCalls,
        login: Login,
        guests: GuestIdentities,
        *,
        now_s: Callable[[], float] = time.time,
        wait_s: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet.

        Args:
            calls: to the service.
            login: who wants to read.
            guests: where a guest's identity is kept.
            now_s: the wall clock, in s since 1970.
            wait_s: waits for some seconds.
        """
        self._calls = calls
        self._login = login
        self._guests = guests
        self._now_s = now_s
        self._wait_s = wait_s
        self._lock = RLock()
        self._joined: Joined | None = None
        self._renew_at_s = 0.0
        self._logins = 0

    @property
    def is_guest(self) -> bool:
        """Whether nobody has logged in."""
        return self._login.is_guest

    @property
    def number(self) -> int:
        """How many logins there were before this one."""
        return self._logins

    def become(self, login: Login) -> None:
        """Open the sessions of somebody else from now on."""
        with self._lock:
            self._login, self._joined = login, None
            self._logins += 1

    def session(self, config: ServiceConfig) -> Joined:
        """Return a session that holds for a while, a new one if need be.

        Raises:
            Unauthenticated: the login does not hold (any more).
            TooMany, Upstream: it may work later.
            BellwireError: refused otherwise.
        """
        with self._lock:
            held, now_s = self._joined, self._now_s()
            if held is not None and now_s < self._renew_at_s:
                return held
            try:
                fresh = self._open_guest(config) if self.is_guest else self._open_member()
            except BellwireError:
                if held is None or held.ends_at_ms < (now_s + MARGIN_S) * 1000:
                    raise
                self._renew_at_s = now_s + RETRY_S
                return held
            self._renew_at_s = now_s + _renew_after_s(fresh.ends_at_ms / 1000 - now_s)
            self._joined = fresh
            return fresh

    def forget(self) -> None:
        """Open a new session the next time, since this one was refused."""
        with self._lock:
            self._joined = None

    def _open_member(self) -> Joined:
        try:
            return self._ask_session()
        except Unauthenticated:
            if not self._login.is_renewable:
                raise
        self._wait_s(REFUSED_S * (1 + random.random()))  # noqa: S311 - jitter keeps no secret
        return self._ask_session()

    def _ask_session(self) -> Joined:
        headers = bearer_headers(self._login.ask_token())
        return _read(self._calls.post("/v1/session", encode_json(self._login.wish()), headers))

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


def _renew_after_s(life_s: float) -> float:
    """Spread, because many readers may have come at the same time."""
    ahead_s = min(AHEAD_S, life_s / 5) * (1 + random.random() / 4)  # noqa: S311 - as above
    return max(RETRY_S, life_s - max(MARGIN_S, ahead_s))


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
