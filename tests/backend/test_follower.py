"""What is told, and what is not, when logins change and requests fail meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from backend.reader_doubles import WITHIN_S, SlowCalls, UnluckyCalls, data_of, next_of
from bellwire.errors import Internal, Malformed, NotAllowed, Upstream, from_wire
from bellwire.followed import Followed
from bellwire.guest_identities import RememberedGuests
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import Login, LoginToken
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.subscriber import Subscriber
from bellwire.tailing import Follower
from bellwire.told import Told
from members import log_in
from services import RunningService

ROADS = pytest.mark.parametrize("is_poll_only", [False, True], ids=["push", "poll"])


@pytest.fixture
def name() -> str:
    """Of a user, a group and a public channel that no other test has."""
    return f"n{uuid4().hex[:8]}"


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    return Publisher(HttpOutlet(service.url, service.key))


def following(calls: HttpCalls, token: LoginToken | None, channel: str) -> tuple[Joining, Follower]:
    joining = Joining(calls, Login(token), RememberedGuests())
    return joining, Follower(calls, joining, Followed({channel: None}, rewind=1))


@ROADS
def test_nothing_of_a_user_is_told_after_they_have_logged_out(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    """One answer brings several updates; the application logs out between two of them."""
    for at in range(5):
        publisher.user(name).event("inbox", at)
    subscriber = Subscriber(service.url, log_in(service, name))
    told = subscriber.follow(["user/me/inbox"], rewind=5, is_poll_only=is_poll_only)
    assert data_of(next_of(told)) == 0
    subscriber.logout()
    assert next_of(told) == Told("user/me/inbox", "", None)
    with pytest.raises(NotAllowed, match="user/me/inbox"):
        next_of(told)


@ROADS
def test_what_is_public_is_told_on_after_a_logout(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    for at in range(3):
        publisher.event(f"public/{name}", at)
    subscriber = Subscriber(service.url, log_in(service, name))
    told = subscriber.follow([f"public/{name}"], rewind=3, is_poll_only=is_poll_only)
    assert data_of(next_of(told)) == 0
    subscriber.logout()
    assert [data_of(next_of(told)) for _ in range(2)] == [1, 2]


@ROADS
def test_an_answer_that_comes_after_the_next_login_is_not_told(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    ann, bob = f"{name}-ann", f"{name}-bob"
    for user in (ann, bob):
        publisher.user(user).event("inbox", f"to {user}")
    calls = SlowCalls(service.url)
    joining, follower = following(calls, log_in(service, ann), "user/me/inbox")
    told = follower.follow(is_poll_only=is_poll_only)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, told)
        assert calls.has_come.wait(WITHIN_S)
        joining.become(Login(log_in(service, bob)))
        follower.wake()
        calls.go_on.set()
        assert data_of(first.result(WITHIN_S)) == f"to {bob}"


@ROADS
def test_an_error_that_comes_after_the_next_login_is_nobodys(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    room = f"group/{name}/room"
    publisher.event(room, "hello")
    calls = SlowCalls(service.url)
    joining, follower = following(calls, log_in(service, name), room)
    told = follower.follow(is_poll_only=is_poll_only)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, told)
        assert calls.has_come.wait(WITHIN_S)
        joining.become(Login(log_in(service, name, name)))
        follower.wake()
        calls.go_on.set()
        assert data_of(first.result(WITHIN_S)) == "hello"


@ROADS
@pytest.mark.parametrize(
    "bad",
    [
        Upstream("gone"),
        Internal("oh"),
        from_wire("of_tomorrow", "m", status=503),
        b"<html>",
        b"{}",
    ],
    ids=["upstream", "internal", "unknown code", "no JSON", "no answer"],
)
def test_what_may_pass_does(
    service: RunningService,
    publisher: Publisher,
    name: str,
    bad: bytes | Exception,
    *,
    is_poll_only: bool,
) -> None:
    publisher.event(f"public/{name}", 1)
    calls = UnluckyCalls(service.url, bad)
    _, follower = following(calls, None, f"public/{name}")
    assert data_of(next_of(follower.follow(is_poll_only=is_poll_only))) == 1
    assert calls.bad == []


@ROADS
def test_a_token_function_may_fail_for_a_while(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    publisher.user(name).event("inbox", 1)
    failures = [KeyError("s"), OSError("no network")]

    def log_in_later() -> str:
        if failures:
            raise failures.pop()
        return log_in(service, name)

    told = Subscriber(service.url, log_in_later).follow(
        ["user/me/inbox"], rewind=1, is_poll_only=is_poll_only
    )
    assert data_of(next_of(told)) == 1


@ROADS
def test_a_token_that_no_header_takes_is_not_tried_again(
    service: RunningService, *, is_poll_only: bool
) -> None:
    told = Subscriber(service.url, "two\nlines").follow(
        ["user/me/inbox"], is_poll_only=is_poll_only
    )
    with pytest.raises(Malformed, match="expected a token to be one line of ASCII"):
        next_of(told)


@pytest.mark.parametrize("namespace", ["public", "group"])
def test_a_session_is_renewed_while_envelopes_keep_coming(
    service: RunningService, publisher: Publisher, name: str, namespace: str
) -> None:
    """None of them waits for a poll, and those of public channels carry no bearer."""
    channel = f"public/{name}" if namespace == "public" else f"group/{name}/room"
    asked: list[float] = []
    ahead_s = 0.0

    def log_in_now() -> str:
        asked.append(time.monotonic())
        return log_in(service, name, name)

    publisher.event(channel, 0)
    calls = HttpCalls(service.url)
    joining = Joining(
        calls, Login(log_in_now), RememberedGuests(), now_s=lambda: time.time() + ahead_s
    )
    followed = Followed({channel: None}, rewind=1)
    told = Follower(calls, joining, followed).follow(is_poll_only=False)
    assert data_of(next_of(told)) == 0
    assert len(asked) == 1
    ahead_s = 3400.0
    for at in range(1, 4):
        publisher.event(channel, at)
        assert data_of(next_of(told)) == at
    assert len(asked) == 2
