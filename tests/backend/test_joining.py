"""When a reader's session is opened, renewed, kept and given up."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from backend.scripted_http import Answer, serving
from bellwire.errors import Malformed, Unauthenticated, Upstream
from bellwire.guest_identities import RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import Login, LoginToken
from bellwire.opening import Joined
from bellwire.service_config import ServiceConfig

BEGIN_S = 1_795_881_911
HOUR_S = 3600
WITHIN_S = 10
CONFIG = ServiceConfig("dev", "us-east-1", "wss://iot.example/mqtt", "us-east-1:pool")
REFUSED = (401, {"error": {"code": "unauthenticated", "message": "expired", "retryable": False}})
BROKEN = (500, {"error": {"code": "upstream", "message": "later", "retryable": True}})


@dataclass
class Sessions:
    """A service that answers `POST /v1/session` as it is told, or with one that lasts an hour."""

    url: str = ""
    now_s: float = BEGIN_S
    life_s: int = HOUR_S
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)

    def joining(self, token: LoginToken, **login: Any) -> Joining:
        return Joining(
            HttpCalls(self.url),
            Login(token, **login),
            RememberedGuests(),
            now_s=lambda: self.now_s,
            wait_s=self.waits_s.append,
        )

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        self.asked.append((request.headers["authorization"], json.loads(body)))
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


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    asked = Sessions()
    with serving(asked.answer) as url:
        asked.url = url
        yield asked


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
    joining.forget(joining.session(CONFIG))
    sessions.answers = [REFUSED]
    third = joining.session(CONFIG)
    assert number(third) == 3
    assert [bearer for bearer, _ in sessions.asked] == ["Bearer one", "Bearer two", "Bearer three"]
    assert len(sessions.waits_s) == 1
    assert 1 <= sessions.waits_s[0] <= 2
    joining.forget(third)
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


def test_only_the_session_that_is_held_is_forgotten(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    first = joining.session(CONFIG)
    joining.forget(first)
    second = joining.session(CONFIG)
    joining.forget(first)
    joining.suspect(first)
    assert joining.session(CONFIG) is second


def test_a_suspect_session_is_renewed_and_kept_as_long_as_it_cannot_be(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    first = joining.session(CONFIG)
    sessions.answers = [BROKEN]
    joining.suspect(first)
    assert joining.session(CONFIG) is first
    assert len(sessions.asked) == 2
    joining.suspect(first)
    assert joining.session(CONFIG) is first
    assert len(sessions.asked) == 2  # nobody asks again at once
    sessions.now_s += 6
    assert number(joining.session(CONFIG)) == 3


def test_a_suspect_session_whose_login_is_refused_is_over(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    joining.suspect(joining.session(CONFIG))
    sessions.answers = [REFUSED]
    with pytest.raises(Unauthenticated):
        joining.session(CONFIG)


def test_a_session_that_cannot_be_renewed_is_asked_for_ever_less_often(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    joining.session(CONFIG)
    sessions.answers = [BROKEN] * 10
    sessions.now_s = BEGIN_S + HOUR_S - 299
    for _ in range(230):
        joining.session(CONFIG)
        sessions.now_s += 1
    assert len(sessions.asked) == 1 + 7  # after 0, 5, 15, 35, 75, 135, 195 s


def test_a_fault_of_the_service_is_no_refusal(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    first = joining.session(CONFIG)
    fault = {"code": "internal", "message": "oh", "retryable": False}
    sessions.answers = [(500, {"error": fault})]
    joining.suspect(first)
    assert joining.session(CONFIG) is first


def test_an_answer_that_is_no_session_may_pass(sessions: Sessions) -> None:
    sessions.answers = [(200, {"captive": "portal"}), (200, b"<html>")]
    joining = sessions.joining("login")
    for _ in range(2):
        with pytest.raises(Upstream):
            joining.session(CONFIG)


def test_who_logs_in_waits_for_nobody(sessions: Sessions) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def wait() -> str:
        asked.set()
        assert go_on.wait(WITHIN_S)
        raise Unauthenticated("signed out")

    joining = sessions.joining(wait)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(joining.session, CONFIG)
        assert asked.wait(WITHIN_S)
        joining.become(Login("bob"))
        bob = joining.session(CONFIG)  # while the login before is still being asked for its token
        go_on.set()
        assert waiting.result(WITHIN_S) is bob  # the error of the login before is nobody's any more
    assert bob.login_number == joining.number == 1
    assert [bearer for bearer, _ in sessions.asked] == ["Bearer bob"]


def test_a_token_function_that_logs_somebody_else_in_opens_their_session(
    sessions: Sessions,
) -> None:
    def log_out() -> str:
        joining.become(Login("bob"))
        return "ann"

    joining = sessions.joining(log_out)
    joined = joining.session(CONFIG)
    assert joining.session(CONFIG) is joined
    assert [bearer for bearer, _ in sessions.asked] == ["Bearer ann", "Bearer bob"]
    assert (number(joined), joined.login_number) == (2, 1)


def test_a_token_function_that_asks_for_its_session_is_told_so(sessions: Sessions) -> None:
    def ask() -> str:
        return str(joining.session(CONFIG).token)

    joining = sessions.joining(ask)
    with pytest.raises(Malformed, match="token function, which asks for a session"):
        joining.session(CONFIG)


def test_one_thread_opens_and_the_others_wait(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    with ThreadPoolExecutor(8) as pool:
        joined = list(pool.map(joining.session, [CONFIG] * 8))
    assert len(set(map(id, joined))) == 1
    assert len(sessions.asked) == 1


def test_it_is_told_when_a_users_session_is_due(sessions: Sessions) -> None:
    joining = sessions.joining("login")
    assert joining.renew_in_s() == float("inf")
    joining.session(CONFIG)
    assert HOUR_S - 300 * 1.25 <= joining.renew_in_s() <= HOUR_S - 300
    sessions.now_s += HOUR_S
    assert joining.renew_in_s() <= 0
