"""The session of one login: opened when it is first asked for, renewed ahead of its end."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock, get_ident
from typing import Final

from bellwire.errors import BellwireError, Malformed, may_pass
from bellwire.login_tokens import Login
from bellwire.opening import Joined
from bellwire.service_config import ServiceConfig

logger = logging.getLogger(__name__)

AHEAD_S: Final = 300.0
"""A session is renewed so long before its end, or a fifth of its life if that is shorter."""
MARGIN_S: Final = 60.0
"""A session this close to its end opens nothing any more."""
RETRY_S: Final = 5.0
"""No session is asked for again sooner while the one before still holds."""
RETRY_CAP_S: Final = MARGIN_S
"""Nor later: what is kept until then has not ended."""


@dataclass(frozen=True, slots=True)
class Held:
    """A session as it is held.

    Attributes:
        renew_at_s: when the next one is asked for, in s since 1970.
        is_suspect: whether a socket did not open with it; a refusal counts then.
        failures: how often it could not be renewed.
    """

    joined: Joined
    renew_at_s: float
    is_suspect: bool = False
    failures: int = 0

    def may_stay(self, error: BellwireError, now_s: float) -> bool:
        """Tell whether it still serves, now that it could not be renewed."""
        if self.joined.ends_at_ms < (now_s + MARGIN_S) * 1000:
            return False
        return may_pass(error) or not self.is_suspect

    def put_off(self, now_s: float) -> "Held":
        """Ask again later, and ever later."""
        wait_s = min(RETRY_S * 2**self.failures, RETRY_CAP_S)
        return replace(self, renew_at_s=now_s + wait_s, failures=self.failures + 1)


class HeldSession:
    """Holds one login's session. Threads may share it; one of them opens, the others wait."""

    def __init__(
        self,
        login: Login,
        number: int,
        open_: Callable[[Login, ServiceConfig], Joined],
        now_s: Callable[[], float],
    ) -> None:
        """Hold nothing yet.

        Args:
            login: whose session it is.
            number: of the login.
            open_: opens a session.
            now_s: the wall clock, in s since 1970.
        """
        self.login = login
        self.number = number
        self._open = open_
        self._now_s = now_s
        self._opening = Lock()
        self._opener: int | None = None
        self._held: Held | None = None

    def get(self, config: ServiceConfig) -> Joined:
        """Return a session that holds for a while, a new one if need be.

        Raises:
            Malformed: the thread is just opening one: a token function asks for what it is for.
            BellwireError: none can be opened.
        """
        held, now_s = self._held, self._now_s()
        if held is not None and now_s < held.renew_at_s:
            return held.joined
        if self._opener == get_ident():
            raise Malformed("expected a token of the token function, which asks for a session")
        with self._opening:
            self._opener = get_ident()
            try:
                return self._get_anew(config)
            finally:
                self._opener = None

    def _get_anew(self, config: ServiceConfig) -> Joined:
        held = self._held
        if held is not None and self._now_s() < held.renew_at_s:
            return held.joined  # another thread has opened it meanwhile
        try:
            fresh = replace(self._open(self.login, config), login_number=self.number)
        except BellwireError as error:
            now_s = self._now_s()
            if held is None or not held.may_stay(error, now_s):
                raise
            logger.warning("the session is not renewed yet: %s", error.message)
            self._held = held.put_off(now_s)
            return held.joined
        now_s = self._now_s()
        self._held = Held(fresh, now_s + _renew_after_s(fresh.ends_at_ms / 1000 - now_s))
        return fresh

    def forget(self, joined: Joined) -> None:
        """Never use a session again, since it was refused."""
        with self._opening:
            if self._held is not None and self._held.joined is joined:
                self._held = None

    def suspect(self, joined: Joined) -> None:
        """Renew a session the next time, since a socket did not open with it."""
        with self._opening:
            if self._held is not None and self._held.joined is joined:
                soonest_s = self._held.renew_at_s if self._held.failures else 0.0
                self._held = replace(self._held, renew_at_s=soonest_s, is_suspect=True)

    def renew_in_s(self) -> float:
        """Return how long a session need not be asked for; for ever where a user has none.

        A guest's is renewed when it is needed: sockets outlive it, and polls need none.
        """
        held = self._held
        if held is None or held.joined.token is None:
            return float("inf")
        return held.renew_at_s - self._now_s()


def _renew_after_s(life_s: float) -> float:
    """Spread, because many readers may have come at the same time."""
    ahead_s = min(AHEAD_S, life_s / 5) * (1 + random.random() / 4)  # noqa: S311 - jitter keeps no secret
    return max(RETRY_S, life_s - max(MARGIN_S, ahead_s))
