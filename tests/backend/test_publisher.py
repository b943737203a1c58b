"""The library's publisher over real HTTP."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from bellwire import Published, Publisher
from bellwire.errors import BadChannel, Conflict, Malformed, TooLarge, Unauthenticated, Upstream
from bellwire.publisher import HttpOutlet, Outlet
from services import RunningService


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    return Publisher.from_env({"BELLWIRE_URL": service.url, "BELLWIRE_KEY": service.key})


@pytest.fixture
def channel() -> str:
    return f"public/{uuid4().hex}"


def test_each_word_of_the_library_publishes(publisher: Publisher, channel: str) -> None:
    first = publisher.event(channel, {"title": "é"})
    second = publisher.set(channel, "cpu", 7.5)
    third = publisher.delete(channel, "cpu")
    assert [(r.channel, r.seq, r.duplicate) for r in (first, second, third)] == [
        (channel, 1, False),
        (channel, 2, False),
        (channel, 3, False),
    ]
    assert first.epoch == third.epoch


def test_an_id_given_twice_is_a_duplicate(publisher: Publisher, channel: str) -> None:
    first = publisher.event(channel, 1, id="job-7")
    again = publisher.event(channel, 1, id="job-7")
    assert (again.seq, again.epoch, again.duplicate) == (first.seq, first.epoch, True)


def test_many_are_published_in_order_over_several_requests(
    publisher: Publisher, channel: str
) -> None:
    results = publisher.publish(
        [{"channel": channel, "op": "event", "data": n} for n in range(250)]
    )
    assert [r.seq for r in results if isinstance(r, Published)] == list(range(1, 251))


def test_more_than_a_mebibyte_is_published_in_several_requests(
    publisher: Publisher, channel: str
) -> None:
    results = publisher.publish(
        [{"channel": channel, "op": "event", "data": "x" * 100_000} for _ in range(25)]
    )
    assert [r.seq for r in results if isinstance(r, Published)] == list(range(1, 26))


def test_errors_stand_in_their_places(publisher: Publisher, channel: str) -> None:
    results = publisher.publish(
        [
            {"channel": channel, "op": "event", "data": 1},
            {"channel": channel, "op": "event", "data": "x" * 102_400},
            {"channel": channel, "op": "event", "data": 3},
            {"channel": "elsewhere/x", "op": "event", "data": 1},
            {"channel": channel},
        ]
    )
    assert [type(r) for r in results] == [Published, TooLarge, Conflict, BadChannel, Malformed]


def test_what_cannot_be_published_is_refused_before_it_is_sent(publisher: Publisher) -> None:
    with pytest.raises(BadChannel, match="begins with public/"):
        publisher.event("news", 1)
    with pytest.raises(Malformed, match="finite number"):
        publisher.event("public/a", float("nan"))


def test_a_wrong_key_is_refused(service: RunningService) -> None:
    with pytest.raises(Unauthenticated, match="expected the key of this service"):
        Publisher(HttpOutlet(service.url, "wrong")).event("public/a", 1)


def test_without_key_and_credentials_both_ways_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(
        Unauthenticated,
        match=r"no key for http://127\.0\.0\.1:9 and no AWS credentials.*BELLWIRE_KEY.*AWS_PROFILE",
    ):
        Publisher.from_env({"BELLWIRE_URL": "http://127.0.0.1:9"})


def test_a_service_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(Upstream, match=r"cannot reach http://127\.0\.0\.1:9: connection refused"):
        Publisher(HttpOutlet("http://127.0.0.1:9", "key")).event("public/a", 1)


def test_a_url_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(Malformed, match="expected BELLWIRE_URL to be an http or https URL"):
        Publisher.from_env({"BELLWIRE_URL": "localhost:8080"})


@dataclass
class Repeating:
    """An outlet whose first answer is lost, so that every request arrives twice."""

    outlet: Outlet
    requests: list[bytes] = field(default_factory=list)

    def send(self, request: bytes) -> bytes:
        self.requests.append(request)
        self.outlet.send(request)
        return self.outlet.send(request)

    def find_user(self, request: bytes) -> bytes:
        return self.outlet.find_user(request)


def test_a_request_that_arrives_twice_publishes_once(service: RunningService, channel: str) -> None:
    repeating = Repeating(HttpOutlet(service.url, service.key))
    publisher = Publisher(repeating)
    assert (publisher.event(channel, 1).seq, publisher.event(channel, 2).seq) == (1, 2)
    given = publisher.event(channel, 3, id="mine")
    assert (given.seq, given.duplicate) == (3, True)
    assert all(b'"id":"auto:' in request for request in repeating.requests[:2])


@dataclass
class Counting:
    """An outlet that counts the questions for users."""

    outlet: Outlet
    asked: list[bytes] = field(default_factory=list)

    def send(self, request: bytes) -> bytes:
        return self.outlet.send(request)

    def find_user(self, request: bytes) -> bytes:
        self.asked.append(request)
        return self.outlet.find_user(request)


def test_a_user_is_found_once_and_published_to(service: RunningService) -> None:
    counting = Counting(HttpOutlet(service.url, service.key))
    publisher = Publisher(counting)
    user, name = publisher.user("ann"), uuid4().hex
    assert user.channel(name) == f"user/{user.identity_id}/{name}"
    assert user.channel("a/b") == f"user/{user.identity_id}/a/b"
    results = [
        user.event(name, {"n": 1}, id="job-1"),
        user.set(name, "unread", 3),
        user.delete(name, "unread"),
        publisher.user("ann").event(name, {"n": 1}, id="job-1"),
    ]
    assert [(r.channel, r.seq, r.duplicate) for r in results] == [
        (user.channel(name), 1, False),
        (user.channel(name), 2, False),
        (user.channel(name), 3, False),
        (user.channel(name), 1, True),
    ]
    assert publisher.user("bob").identity_id != user.identity_id
    assert counting.asked == [b'{"user":"ann"}', b'{"user":"bob"}']


@pytest.mark.parametrize("name", ["", "a b", "..", "#", "a//b", "/a", "x" * 65, "a/b/c/d/e"])
def test_what_is_no_name_of_a_users_channel_is_refused(publisher: Publisher, name: str) -> None:
    user = publisher.user("ann")
    with pytest.raises(BadChannel):
        user.channel(name)
    with pytest.raises(BadChannel):
        user.event(name, 1)


@pytest.mark.parametrize(
    "name",
    ["", "a\nb", "x" * 257, "\ud800", "us-east-1:00000000-0000-4000-8000-00000000000a"],
)
def test_what_is_no_users_name_is_refused(publisher: Publisher, name: str) -> None:
    with pytest.raises(Malformed):
        publisher.user(name)


@pytest.mark.parametrize(
    "answer", [b"{}", b"[]", b'{"identity_id":7}', b'{"identity_id":null}', b"null"]
)
def test_an_answer_without_an_identity_is_upstream(answer: bytes) -> None:
    @dataclass
    class Odd:
        def send(self, request: bytes) -> bytes:
            raise AssertionError(request)

        def find_user(self, request: bytes) -> bytes:
            assert request == b'{"user":"ann"}'
            return answer

    with pytest.raises(Upstream, match="expected an identity, found"):
        Publisher(Odd()).user("ann")


def test_whoever_has_no_key_finds_nobody(service: RunningService) -> None:
    with pytest.raises(Unauthenticated):
        Publisher(HttpOutlet(service.url, "wrong")).user("ann")
