"""Who a reader is: a guest or a user, one login at a time, and the session of the current one.

How a session is opened is `opening`'s, how long it is held `held_session`'s.
"""

import time
from collections.abc import Callable
from threading import Lock

from bellwire.errors import BellwireError
from bellwire.guest_identities import GuestIdentities
from bellwire.held_session import HeldSession
from bellwire.http_calls import HttpCalls
from bellwire.login_tokens import Login
from bellwire.opening import Joined, Opener
from bellwire.service_config import ServiceConfig


class Joining:
    """Holds the session of whoever reads at one service. Threads may share it.

    Each login has a session of its own, so that who logs in or out waits for nobody: what is still
    under way for the login before is of no consequence any more.
    """

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
        self._open = Opener(calls, guests, wait_s).open
        self._now_s = now_s
        self._changing = Lock()
        self._current = HeldSession(login, 0, self._open, now_s)

    @property
    def is_guest(self) -> bool:
        """Whether nobody has logged in."""
        return self._current.login.is_guest

    @property
    def number(self) -> int:
        """How many logins there were before this one."""
        return self._current.number

    def become(self, login: Login) -> None:
        """Hold the session of somebody else from now on."""
        with self._changing:
            self._current = HeldSession(login, self.number + 1, self._open, self._now_s)

    def session(self, config: ServiceConfig) -> Joined:
        """Return a session of the current login that holds for a while, a new one if need be.

        Raises:
            Unauthenticated: the login does not hold (any more).
            TooMany, Upstream: it may work later.
            Malformed: a token function asks for a session, which it is to give the token for.
            BellwireError: refused otherwise.
        """
        while True:
            current = self._current
            try:
                joined = current.get(config)
            except BellwireError:
                if current is self._current:
                    raise
                continue  # of no consequence any more
            if current is self._current:
                return joined

    def forget(self, joined: Joined) -> None:
        """Never use a session again, since it was refused; another one is not concerned."""
        self._current.forget(joined)

    def suspect(self, joined: Joined) -> None:
        """Renew a session the next time, since a socket did not open with it."""
        self._current.suspect(joined)

    def renew_in_s(self) -> float:
        """Return for how long the current session need not be asked for; see `HeldSession`."""
        return self._current.renew_in_s()
