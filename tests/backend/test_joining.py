"""When a reader's session is opened, renewed, kept and given up."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bellwire.errors import Malformed, Unauthenticated, Upstream
from bellwire.guest_identities import RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joined, Joining
from bellwire.login_tokens import Login
from bellwire.service_config import ServiceConfig

BEGIN_S = 1_795_881_911
HOUR_S = 3600
CONFIG = ServiceConfig("dev", "us-east-1", "wss://iot.example/mqtt", "us-east-1:pool")
REFUSED = (401, {"error": {"code": "unauthenticated", "message": "expired", "retryable": False}})
BROKEN = (500, {"error": {"code": "upstream", "message": "later", "retryable": True}})


@dataclass
class Sessions:
    """A service that answers `POST /v1/session` as it is told, or with one that lasts an hour."""

    url: str = ""
    now_s: float = BEGIN_S
    life_s: int = HOUR_S
    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    def joining(self, token: str | Callable[[], str], **login: Any) -> Joining:
        return Joining(
            HttpCalls(self.url),
            Login(token, **login),
            RememberedGuests(),
            now_s=lambda: self.now_s,
            wait_s=self.waits_s.append,
        )

    def answer(self, bearer: str, body: bytes) -> tuple[int, Any]:
        self.asked.append((bearer, json.loads(body)))
        if self.answers:
            return self.answers.pop(0)
        ends_at = int((self.now_s + self.life_s) * 1000)
        keys = {"access_key_id": "A", "secret_access_key": "s", "session_token": "t"}
        return 200, {
            "identity_id": "us-east-1:00000000-0000-4000-8000-00000000000a",
            "token": f"bearer {len(self.asked)}",
            "expires_at": ends_at,
            "groups": ["red"],
            "credentials": {**keys, "expires_at": ends_at},
        }


@contextmanager
def running(sessions: Sessions) -> Iterator[Sessions]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, content = sessions.answer(self.headers["authorization"], body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        sessions.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield sessions
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    with running(Sessions()) as served:
        yield served


def number(joined: Joined) -> int:
    assert joined.token is not None
    return int(joined.token.removeprefix("bearer "))


def test_a_session_is_opened_once_and_renewed_ahead_of_its_end(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    first = joining.session(CONFIG)
    assert (number(first), first.groups) == (1, ("red",))
    sessions.now_s += HOUR_S - 300 * 1.25 - 1  # ahead by 300 s, and by a quarter more at most
    assert joining.session(CONFIG) is first
    sessions.now_s = BEGIN_S + HOUR_S - 299
    assert number(joining.session(CONFIG)) == 2
    assert sessions.asked == [("Bearer login", {"credentials": True})] * 2


def test_a_short_session_is_renewed_a_fifth_of_its_life_ahead(sessions: Sessions) -> None:
    sessions.life_s = 900
    joining = sessions.joining("login", channels=("group/red/room",))
    joining.session(CONFIG)
    sessions.now_s += 900 - 180 * 1.25 - 1
    assert number(joining.session(CONFIG)) == 1
    sessions.now_s = BEGIN_S + 900 - 179
    assert number(joining.session(CONFIG)) == 2
    wish = {"credentials": True, "mode": "sts", "channels": ["group/red/room"]}
    assert sessions.asked[0] == ("Bearer login", wish)


@pytest.mark.parametrize("answer", [REFUSED, BROKEN], ids=["refused", "broken"])
def test_what_still_holds_is_kept_when_it_cannot_be_renewed(
    sessions: Sessions, answer: tuple[int, Any]
) -> None:
    joining = sessions.joining("login")
    first = joining.session(CONFIG)
    sessions.now_s = BEGIN_S + HOUR_S - 200
    sessions.answers = [answer]
    assert joining.session(CONFIG) is first
    sessions.now_s += 4
    assert joining.session(CONFIG) is first
    assert len(sessions.asked) == 2  # nobody asks again at once
    sessions.now_s += 2
    assert number(joining.session(CONFIG)) == 3


def test_a_session_that_ends_is_not_kept(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    joining.session(CONFIG)
    sessions.now_s = BEGIN_S + HOUR_S - 59
    sessions.answers = [BROKEN, REFUSED]
    with pytest.raises(Upstream):
        joining.session(CONFIG)
    with pytest.raises(Unauthenticated):
        joining.session(CONFIG)


def test_a_fresh_login_is_asked_for_each_session_and_once_more_when_refused(
    sessions: Sessions,
) -> None:
    logins = iter(["one", "two", "three", "four", "five"])
    joining = sessions.joining(lambda: next(logins))
    joining.session(CONFIG)
    joining.forget()
    sessions.answers = [REFUSED]
    assert number(joining.session(CONFIG)) == 3
    assert [bearer for bearer, _ in sessions.asked] == ["Bearer one", "Bearer two", "Bearer three"]
    assert len(sessions.waits_s) == 1
    assert 1 <= sessions.waits_s[0] <= 2
    joining.forget()
    sessions.answers = [REFUSED, REFUSED]
    with pytest.raises(Unauthenticated):
        joining.session(CONFIG)
    assert len(sessions.asked) == 5


def test_a_fixed_login_is_shown_once(sessions: Sessions) -> None:
    sessions.answers = [REFUSED]
    with pytest.raises(Unauthenticated):
        sessions.joining("login").session(CONFIG)
    assert (len(sessions.asked), sessions.waits_s) == (1, [])


def test_a_provider_is_named(sessions: Sessions) -> None:
    sessions.joining("EAAB", provider="graph.facebook.com").session(CONFIG)
    wish = {"credentials": True, "provider": "graph.facebook.com"}
    assert sessions.asked == [("Bearer EAAB", wish)]


def test_whoever_comes_next_gets_a_session_of_their_own(sessions: Sessions) -> None:
    joining = sessions.joining("one")
    joining.session(CONFIG)
    assert joining.number == 0
    joining.become(Login("two"))
    joining.session(CONFIG)
    assert joining.number == 1
    assert [bearer for bearer, _ in sessions.asked] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("token", ["caf\u00e9", "two\nlines", "\x00"])
def test_a_token_that_no_header_takes_is_not_sent(sessions: Sessions, token: str) -> None:
    with pytest.raises(Malformed, match="expected a token to be one line of ASCII"):
        sessions.joining(lambda: token).session(CONFIG)
    assert sessions.asked == []


def test_no_secret_is_shown(sessions: Sessions) -> None:
    joined = sessions.joining("login").session(CONFIG)
    assert "bearer" not in repr(joined)
    assert "secret" not in repr(Login("secret"))
