"""HTTP calls as whoever reads: with the bearer of the current login, and a new one if need be."""

from collections.abc import Mapping

from bellwire.errors import Unauthenticated
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import bearer_headers
from bellwire.opening import Joined
from bellwire.service_config import ServiceConfig


class LoginChanged(Exception):
    """Whoever asks has become somebody else, whose request it is not."""


class BearerCalls:
    """Calls one service as the current login of a `Joining`."""

    def __init__(self, calls: HttpCalls, joining: Joining) -> None:
        self._calls = calls
        self._joining = joining

    def get(
        self,
        path: str,
        query: Mapping[str, str],
        config: ServiceConfig,
        *,
        login_number: int | None = None,
    ) -> bytes:
        """Get a path's body.

        Args:
            path: for example `"/v1/presence"`.
            query: its words.
            config: of the service.
            login_number: whose request it is, so that it is sent with no other's bearer; None:
                anybody's.

        Raises:
            LoginChanged: that login is not the current one.
            Unauthenticated: the login does not hold.
            BellwireError: what the service answered, or `Upstream` if it cannot be reached.
        """
        joined = self._session(config, login_number)
        try:
            return self._calls.get(path, query, bearer_headers(joined.token))
        except Unauthenticated:
            if joined.token is None:
                raise
        self._joining.forget(joined)  # it has ended, and a new one may be had
        joined = self._session(config, login_number)
        return self._calls.get(path, query, bearer_headers(joined.token))

    def _session(self, config: ServiceConfig, login_number: int | None) -> Joined:
        joined = self._joining.session(config)
        if login_number not in (None, joined.login_number):
            raise LoginChanged
        return joined
