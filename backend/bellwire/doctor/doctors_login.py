"""As whom the doctor comes, and whom it may kick.

It kicks a user whom it has made up itself, at `bellwire dev`; or the one whom `--kick` names, if
that is the user of the login that it was given. Nobody else, and never by the login alone: that may
be a real user's.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from bellwire.config import LOOPBACK, TOKEN_COMMAND_NAME, TOKEN_NAME
from bellwire.doctor.dev_login import dev_login
from bellwire.errors import Unauthenticated
from bellwire.http_calls import HttpCalls
from bellwire.login_tokens import Login
from bellwire.service_config import ServiceConfig

_LOGIN: Final = f"{TOKEN_NAME} or {TOKEN_COMMAND_NAME}"


@dataclass(frozen=True, slots=True)
class DoctorsLogin:
    """A login; `made_up` is the name of a user whom nobody else is."""

    login: Login
    made_up: str | None = None

    def why_not_kicked(self, named: str | None) -> str | None:
        """Say what it would take to kick this user; None if nothing is in the way.

        Args:
            named: the word of `--kick`.
        """
        if self.made_up is not None:
            return None if named is None else f"--kick is for the user of {_LOGIN}: set one"
        if self.login.is_guest:
            return (
                f"a guest cannot be kicked: set {TOKEN_COMMAND_NAME} to what prints a test user's"
                " login token, and name that user by --kick USER"
            )
        if named is None:
            return f"the user of {_LOGIN} may be a real one: name a test user by --kick USER"
        return None


def choose_login(
    given: Login, url: str, calls: HttpCalls, service: ServiceConfig, made_up: str
) -> DoctorsLogin:
    """Take the login that is given; at `bellwire dev` make somebody up; else be a guest."""
    is_here = urlsplit(url).hostname in LOOPBACK
    if not given.is_guest or not (is_here and service.has_logins):
        return DoctorsLogin(given)
    if dev_login(calls, made_up) is None:
        return DoctorsLogin(given)
    return DoctorsLogin(Login(partial(_log_in, calls, made_up)), made_up)


def _log_in(calls: HttpCalls, user: str) -> str:
    token = dev_login(calls, user)
    if token is None:
        raise Unauthenticated(f"{user} could log in before, and cannot any more")
    return token
