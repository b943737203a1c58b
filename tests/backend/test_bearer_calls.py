"""Whose bearer a request carries."""

from http.server import BaseHTTPRequestHandler

import pytest

from backend.scripted_http import Answer, serving
from bellwire.bearer_calls import BearerCalls, LoginChanged
from bellwire.errors import Unauthenticated
from bellwire.guest_identities import RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import Login
from bellwire.service_config import ServiceConfig

CONFIG = ServiceConfig("dev", "us-east-1", "wss://iot.example/mqtt", "us-east-1:pool")
KEYS = {"access_key_id": "A", "secret_access_key": "s", "session_token": "t"}
END_MS = 4_000_000_000_000
REFUSED = (401, {"error": {"code": "unauthenticated", "message": "ended", "retryable": False}})


class Service:
    """Opens sessions of whoever logs in, and refuses so many of the other requests."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.asked: list[tuple[str, str]] = []

    def answer(self, request: BaseHTTPRequestHandler, _: bytes) -> Answer:
        path, bearer = request.path.partition("?")[0], request.headers["authorization"]
        self.asked.append((path, bearer))
        if path != "/v1/session":
            self.refusals -= 1
            return REFUSED if self.refusals >= 0 else (200, {"for": bearer})
        opened = {"token": f"session-{len(self.asked)}", "expires_at": END_MS, "groups": []}
        return 200, {"identity_id": "i", **opened, "credentials": {**KEYS, "expires_at": END_MS}}


def calls_of(url: str, login: Login) -> tuple[Joining, BearerCalls]:
    calls = HttpCalls(url)
    joining = Joining(calls, login, RememberedGuests(), wait_s=lambda _: None)
    return joining, BearerCalls(calls, joining)


def test_no_request_of_one_user_is_sent_with_the_bearer_of_the_next() -> None:
    """Ann's cursor tells what she reads."""
    service = Service()

    def log_out() -> str:
        joining.become(Login("bob"))
        return "ann"

    with serving(service.answer) as url:
        joining, calls = calls_of(url, Login(log_out))
        with pytest.raises(LoginChanged):
            calls.get("/v1/updates", {"cursor": "ann's"}, CONFIG, login_number=0)
    assert {path for path, _ in service.asked} == {"/v1/session"}


def test_a_bearer_that_is_refused_is_replaced_once() -> None:
    service = Service(refusals=1)
    with serving(service.answer) as url:
        _, calls = calls_of(url, Login("ann"))
        assert calls.get("/v1/updates", {}, CONFIG) == b'{"for": "Bearer session-3"}'
    service = Service(refusals=9)
    with serving(service.answer) as url:
        _, calls = calls_of(url, Login("ann"))
        with pytest.raises(Unauthenticated, match="ended"):
            calls.get("/v1/updates", {}, CONFIG)
    assert [path for path, _ in service.asked] == ["/v1/session", "/v1/updates"] * 2


def test_a_refused_login_is_shown_twice_and_not_four_times() -> None:
    shown: list[str] = []

    def answer(request: BaseHTTPRequestHandler, _: bytes) -> Answer:
        shown.append(request.path)
        return REFUSED

    with serving(answer) as url:
        _, calls = calls_of(url, Login(lambda: "ann"))
        with pytest.raises(Unauthenticated):
            calls.get("/v1/updates", {}, CONFIG)
    assert shown == ["/v1/session"] * 2
