"""The library's publisher over real HTTP."""

from dataclasses import dataclass, field
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
    with pytest.raises(Unauthenticated, match=r"no key for http://127\.0\.0\.1:9"):
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
