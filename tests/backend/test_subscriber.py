"""Reading from Python: as a guest, as a user, becoming one, and who is there."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest

from backend.reader_doubles import WITHIN_S, data_of, next_of, wait_for
from bellwire.errors import BadChannel, Malformed, NotAllowed
from bellwire.guest_identities import RememberedGuests
from bellwire.present_json import PresentPerson
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.subscriber import Subscriber
from bellwire.told import Told
from members import log_in
from services import RunningService


@pytest.fixture
def name() -> str:
    """Of a user, a group and a public channel that no other test has."""
    return f"n{uuid4().hex[:8]}"


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    return Publisher(HttpOutlet(service.url, service.key))


@pytest.mark.parametrize("is_poll_only", [False, True], ids=["push", "poll"])
def test_the_state_comes_first_and_then_what_changes(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    channel = f"public/{name}"
    publisher.set(channel, "cpu", 7)
    publisher.event(channel, "before")
    told = Subscriber(service.url).follow([channel], is_poll_only=is_poll_only)
    first = next_of(told)
    assert first.update is not None
    assert (first.update.op, first.update.key, first.update.data) == ("set", "cpu", 7)
    publisher.event(channel, "after")
    second = next_of(told)
    assert second.update is not None
    assert (second.update.seq, second.update.data) == (3, "after")
    assert second.position is not None
    publisher.event(channel, "later")
    on = Subscriber(service.url).follow(
        [channel], since={channel: second.position}, is_poll_only=is_poll_only
    )
    third = next_of(on)
    assert third.update is not None
    assert (third.update.seq, third.update.data) == (4, "later")


@pytest.mark.parametrize("is_poll_only", [False, True], ids=["push", "poll"])
def test_a_guest_becomes_a_user_and_a_guest_again(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    public, room = f"public/{name}", f"group/{name}/room"
    publisher.event(public, 1)
    publisher.event(room, "in the room")
    subscriber = Subscriber(service.url)
    told = subscriber.follow([public], rewind=1, is_poll_only=is_poll_only)
    guest = subscriber.identity().identity_id
    assert next_of(told).channel == public
    subscriber.login(log_in(service, name, name))
    member = subscriber.identity()
    assert member.identity_id != guest
    assert member.groups == (name,)
    publisher.event(public, 2)
    second = next_of(told)
    assert second.update is not None
    assert second.update.data == 2  # goes on where it was
    both = subscriber.follow([public, room], rewind=1, is_poll_only=is_poll_only)
    assert {next_of(both).channel, next_of(both).channel} == {public, room}
    subscriber.logout()
    assert subscriber.identity().identity_id == guest
    assert next_of(both) == Told(room, "", None)
    with pytest.raises(NotAllowed, match=room):
        next_of(both)
    publisher.event(public, 3)
    third = next_of(told)
    assert third.update is not None
    assert third.update.data == 3


@pytest.mark.parametrize("is_poll_only", [False, True], ids=["push", "poll"])
def test_who_logs_in_while_following_begins_anew_where_it_is_theirs(
    service: RunningService, publisher: Publisher, name: str, *, is_poll_only: bool
) -> None:
    ann, bob = f"{name}-ann", f"{name}-bob"
    for user in (ann, bob):
        publisher.user(user).event("inbox", f"to {user}")
    subscriber = Subscriber(service.url, log_in(service, ann))
    told = subscriber.follow(["user/me/inbox"], rewind=1, is_poll_only=is_poll_only)
    first = next_of(told)
    assert first.update is not None
    assert first.update.data == f"to {ann}"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, told)
        subscriber.login(lambda: log_in(service, bob))
        assert waiting.result(WITHIN_S) == Told("user/me/inbox", "", None)
    second = next_of(told)
    assert second.update is not None
    assert second.update.data == f"to {bob}"


def test_a_login_that_can_be_renewed_survives_a_kick(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    """The application logs the user in again, which a kick allows."""
    publisher.user(name).event("inbox", 1)
    told = Subscriber(service.url, lambda: log_in(service, name)).follow(
        ["user/me/inbox"], rewind=1
    )
    assert next_of(told).channel == "user/me/inbox"
    assert service.run("kick", name).returncode == 0
    publisher.user(name).event("inbox", 2)
    second = next_of(told)
    assert second.update is not None
    assert second.update.data == 2


def test_presence_is_told_to_who_may_read(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    room = f"group/{name}/room"
    publisher.event(room, 1)
    member = Subscriber(service.url, log_in(service, name, name))
    assert member.presence(room) == []
    told = member.follow([room], rewind=1)
    assert next_of(told).channel == room
    wait_for(lambda: member.presence(room) != [])
    (present,) = member.presence(room)
    me = member.identity().identity_id
    assert present == PresentPerson(me, name, 1, present.since_ms)
    assert abs(present.since_ms / 1000 - time.time()) < 60
    with pytest.raises(NotAllowed, match=room):
        Subscriber(service.url, log_in(service, f"{name}-other")).presence(room)
    with pytest.raises(NotAllowed, match=room):
        Subscriber(service.url).presence(room)


def test_a_guest_is_not_told_how_others_are_called(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    channel = f"public/{name}"
    publisher.event(channel, 1)
    member = Subscriber(service.url, log_in(service, name))
    told = member.follow([channel], rewind=1)
    assert next_of(told).channel == channel
    guest = Subscriber(service.url)
    wait_for(lambda: guest.presence(channel) != [])
    assert [one.user for one in guest.presence(channel)] == [None]
    assert [one.user for one in member.presence(channel)] == [name]


def test_a_guest_stays_the_same_as_long_as_its_identity_is_kept(service: RunningService) -> None:
    guests = RememberedGuests()
    first = Subscriber(service.url, guests=guests).identity().identity_id
    assert Subscriber(service.url, guests=guests).identity().identity_id == first
    pool_id = service.ready["identity_pool_id"]
    gone = f"{first[:-12]}{'0' * 12}"
    guests.keep(pool_id, gone)
    fresh = Subscriber(service.url, guests=guests).identity().identity_id
    assert fresh not in (first, gone)
    assert guests.find(pool_id) == fresh


def test_what_cannot_be_followed_is_said_at_once(service: RunningService) -> None:
    subscriber = Subscriber(service.url)
    with pytest.raises(BadChannel):
        subscriber.follow(["public"])
    with pytest.raises(BadChannel):
        subscriber.presence("public")
    with pytest.raises(Malformed, match="expected 1 to 50 channels, found 0"):
        subscriber.follow([])
    with pytest.raises(Malformed, match="expected a list of channels, found the text 'public/a'"):
        subscriber.follow("public/a")
    with pytest.raises(Malformed, match="expected a list of channels"):
        Subscriber(service.url, "token", channels="public/a")
    with pytest.raises(Malformed, match="expected a token with a provider"):
        Subscriber(service.url, provider="graph.facebook.com")
    with pytest.raises(BadChannel):
        Subscriber(service.url, "token", channels=["public"])


def test_what_a_reader_is_narrowed_to_outlives_logins(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    room = f"group/{name}/room"
    publisher.event(room, "not for this page")
    subscriber = Subscriber(service.url, channels=["user/me/inbox"])  # a guest for now
    for _ in range(2):
        subscriber.login(log_in(service, name, name))
        with pytest.raises(NotAllowed, match=room):
            next_of(subscriber.follow([room], is_poll_only=True))
        subscriber.logout()


def test_a_guest_who_logs_out_goes_on(service: RunningService) -> None:
    subscriber = Subscriber(service.url)
    before = subscriber.identity()
    subscriber.logout()
    assert subscriber.identity() is before


def test_who_logs_in_waits_for_nobody(service: RunningService, name: str) -> None:
    asked, go_on = Event(), Event()

    def wait() -> str:
        asked.set()
        assert go_on.wait(WITHIN_S)
        return log_in(service, f"{name}-ann")

    subscriber = Subscriber(service.url, wait)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, subscriber.follow(["user/me/inbox"]))
        assert asked.wait(WITHIN_S)
        subscriber.login(log_in(service, name, name))
        assert subscriber.identity().groups == (name,)
        subscriber.logout()
        go_on.set()
        with pytest.raises(NotAllowed):
            waiting.result(WITHIN_S)


@pytest.mark.parametrize("is_poll_only", [False, True], ids=["push", "poll"])
def test_who_follows_can_be_stopped_from_another_thread(
    service: RunningService, name: str, *, is_poll_only: bool
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with Subscriber(service.url) as subscriber:
            told = [
                pool.submit(list, subscriber.follow([f"public/{name}"], is_poll_only=is_poll_only))
                for _ in range(2)
            ]
            wait_for(lambda: all(one.running() for one in told))
        assert [one.result(WITHIN_S) for one in told] == [[], []]
    assert list(subscriber.follow([f"public/{name}"], is_poll_only=is_poll_only)) == []


def test_nothing_is_told_after_the_end(
    service: RunningService, publisher: Publisher, name: str
) -> None:
    for at in range(3):
        publisher.event(f"public/{name}", at)
    subscriber = Subscriber(service.url)
    told = subscriber.follow([f"public/{name}"], rewind=3)
    assert data_of(next_of(told)) == 0
    subscriber.close()
    assert list(told) == []
