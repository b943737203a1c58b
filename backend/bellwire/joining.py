"""Who a follower is: a guest or a user, by a session that is renewed before it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bellwire.errors import Malformed
from bellwire.http_calls import HttpCalls
from bellwire.identity_ports import Credentials
from bellwire.wire_json import Json, decode_json, encode_json

MARGIN_S: Final = 60.0
"""A session this close to its end opens nothing any more."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A session; `token` is the bearer of private polls, None for a guest."""

    identity_id: str
    token: str | None = field(repr=False)
    credentials: Credentials
    ends_at_ms: int


class Joining:
    """Opens sessions of one user, or of a guest, at one service."""

    def __init__(
        self,
        calls: HttpCalls,
        login_token: str | None,
        now_s: Callable[[], float],
        only: Sequence[str] = (),
    ) -> None:
        """Open nothing yet.

        Args:
            login_token: of the application's own login; None: a guest.
            now_s: the wall clock, in s since 1970.
            only: the channels that the sessions are to be good for; empty: all that are readable.
        """
        self._wish: dict[str, Json] = {"credentials": True}
        if only:
            self._wish |= {"mode": "sts", "channels": list(only)}
        self._calls = calls
        self._headers = {} if login_token is None else {"authorization": f"Bearer {login_token}"}
        self._now_s = now_s
        self._joined: Joined | None = None
        self.is_guest = login_token is None

    def session(self) -> Joined:
        """Return a session that holds for a while, a new one if need be.

        Raises:
            Unauthenticated: the login does not hold (any more).
            TooMany, Upstream: it may work later.
            BellwireError: refused otherwise.
        """
        if self._joined is None or self._joined.ends_at_ms < (self._now_s() + MARGIN_S) * 1000:
            body = encode_json(self._wish)
            self._joined = _read(self._calls.post("/v1/session", body, self._headers))
        return self._joined

    def forget(self) -> None:
        """Open a new session the next time, since this one was refused."""
        self._joined = None


def _read(body: bytes) -> Joined:
    match decode_json(body):
        case {
            "identity_id": str(identity_id),
            "token": str() | None as token,
            "expires_at": int() | None as token_ends_at_ms,
            "credentials": {
                "access_key_id": str(key),
                "secret_access_key": str(secret),
                "session_token": str(session_token),
                "expires_at": int(keys_end_at_ms),
            },
        }:
            credentials = Credentials(key, secret, session_token, keys_end_at_ms)
            ends_at_ms = min(keys_end_at_ms, token_ends_at_ms or keys_end_at_ms)
            return Joined(identity_id, token, credentials, ends_at_ms)
        case _:
            raise Malformed("expected a session with credentials, found something else")
