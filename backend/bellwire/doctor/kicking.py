"""The end of a test user's access, from the kick to the login after it."""

import time
from typing import Final

from bellwire.config import TOKEN_COMMAND_NAME
from bellwire.doctor import causes
from bellwire.doctor.deployed import Deployed
from bellwire.doctor.doctors_line import DoctorsLine
from bellwire.errors import BellwireError, Malformed, Unauthenticated, Upstream
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import bearer_headers
from bellwire.opening import Joined
from bellwire.service_config import ServiceConfig
from bellwire.wire_json import decode_json, encode_json

ENDED_WITHIN_S: Final = 15.0
REFUSED_WITHIN_S: Final = 5.0
ASK_AGAIN_S: Final = 0.5


class Kicking:
    """Kicks who has joined, and looks whether they are out."""

    def __init__(
        self,
        operators_calls: HttpCalls,
        calls: HttpCalls,
        joining: Joining,
        service: ServiceConfig,
        deployed: Deployed | None,
    ) -> None:
        """Do nothing yet.

        Args:
            operators_calls: proven to be an operator's.
            calls: with a bearer, the user's.
            joining: how they log in.
            service: where.
            deployed: the stack, for where to look.
        """
        self._operators_calls = operators_calls
        self._calls = calls
        self._joining = joining
        self._service = service
        self._deployed = deployed

    def kick(self, name: str, line: DoctorsLine, *, is_renewable: bool) -> str:
        """Kick, and return in words what became of them.

        By the identity that has joined, so that no other can be meant.

        Args:
            name: how they are called, for the words.
            line: their connection.
            is_renewable: whether a new login can be had.
        """
        joined = self._joining.session(self._service)
        began_s = time.monotonic()
        self._post_kick(joined.identity_id)
        if not line.wait_for_end(ENDED_WITHIN_S):
            raise Upstream(causes.of_staying(ENDED_WITHIN_S, self._deployed))
        ended_ms = (time.monotonic() - began_s) * 1000
        self._await_refusal(joined.token)
        after = self._come_back(joined, is_renewable=is_renewable)
        whom = f"{name} {joined.identity_id}" if name != joined.identity_id else name
        return f"{whom}: connection ended after {ended_ms:.0f} ms, bearer refused, {after}"

    def _post_kick(self, identity_id: str) -> None:
        with causes.of_function("people", self._deployed):
            body = encode_json({"user": identity_id})
            match decode_json(self._operators_calls.post("/v1/kick", body)):
                case {"identity_id": str(found)} if found == identity_id:
                    return
                case other:
                    raise Malformed(f"expected {identity_id} to be out, found {str(other)[:80]!r}")

    def _await_refusal(self, token: str | None) -> None:
        until_s = time.monotonic() + REFUSED_WITHIN_S
        query = {"channels": "user/me/doctor"}
        while time.monotonic() < until_s:
            try:
                self._calls.get("/v1/updates", query, bearer_headers(token))
            except Unauthenticated:
                return
            time.sleep(ASK_AGAIN_S)
        raise Upstream(
            f"the bearer from before the kick still polls after {REFUSED_WITHIN_S:.0f} s: the"
            " function poll reads another directory than the function people writes, or an old one"
        )

    def _come_back(self, joined: Joined, *, is_renewable: bool) -> str:
        """Log in again, by a new token."""
        self._joining.forget(joined)
        if not is_renewable:
            return f"a fresh login was not tried: that takes {TOKEN_COMMAND_NAME}"
        try:
            found = self._joining.session(self._service).identity_id
        except BellwireError as error:
            raise Upstream(f"kicked, and cannot log in again: {error.message}") from error
        if found != joined.identity_id:
            raise Upstream(f"kicked, and came back as another: {found}, not {joined.identity_id}")
        return "a fresh login works"
