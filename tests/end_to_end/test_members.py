"""People in a real browser: each sees what is theirs, live and by polling, and not a byte more."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from playwright.sync_api import Browser

from bellwire.cursors import Cursor, encode_cursor
from bellwire.publisher import HttpOutlet, Publisher
from bellwire.updates import Position
from bellwire_local.dev.login import open_login
from browsers import watched_page
from end_to_end.people import Person
from services import RunningService, running_service

POOL = urllib3.PoolManager(retries=False)
MakePerson = Callable[[], Person]


@pytest.fixture
def make_person(browser: Browser, service: RunningService) -> Iterator[MakePerson]:
    """Open one more page, of a browser profile of its own."""
    with ExitStack() as until_done:
        yield lambda: Person(
            until_done.enter_context(watched_page(browser, is_refused=True)), service
        )


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    return Publisher(HttpOutlet(service.url, service.key))


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return uuid4().hex[:8]


def log_in(service: RunningService, user: str, *groups: str) -> str:
    login = {"user": user, "groups": list(groups)}
    answer = POOL.request("POST", f"{service.url}/dev/login", json=login)
    return str(answer.json()["token"])


def open_session(service: RunningService, token: str, **body: Any) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"}
    wanted = {"credentials": True, **body}
    answer = POOL.request("POST", f"{service.url}/v1/session", json=wanted, headers=headers)
    assert answer.status == 200, answer.data
    session: dict[str, Any] = answer.json()
    return session


def test_everybody_hears_what_is_theirs_and_not_a_byte_more(
    service: RunningService, make_person: MakePerson, publisher: Publisher, name: str
) -> None:
    alice_name, bob_name, red, blue = (f"{who}-{name}" for who in ("alice", "bob", "red", "blue"))
    news, room_red, room_blue = f"public/{name}", f"group/{red}/room", f"group/{blue}/room"
    guest, alice, bob = make_person(), make_person(), make_person()
    guest.open(None, news)
    alice.open(log_in(service, alice_name, red), news, "user/me/inbox", room_red)
    bob.open(log_in(service, bob_name, blue), news, "user/me/inbox", room_blue)
    for person in (guest, alice, bob):
        person.wait_for_status("live")

    said = {who: f"{who} {uuid4().hex}" for who in ("all", "alice", "bob", "red", "blue")}
    publisher.user(alice_name).event("inbox", said["alice"])
    publisher.user(bob_name).event("inbox", said["bob"])
    publisher.event(room_red, said["red"])
    publisher.event(room_blue, said["blue"])
    publisher.event(news, said["all"])

    alice.wait_for("user/me/inbox", said["alice"])
    alice.wait_for(room_red, said["red"])
    bob.wait_for("user/me/inbox", said["bob"])
    bob.wait_for(room_blue, said["blue"])
    for person, theirs in (
        (guest, {"all"}),
        (alice, {"all", "alice", "red"}),
        (bob, {"all", "bob", "blue"}),
    ):
        person.wait_for(news, said["all"])
        heard = person.heard_bytes()
        assert {who for who, text in said.items() if text.encode() in heard} == theirs
        assert person.errors() == []


def test_an_intruder_gets_nothing_by_push_or_poll(
    service: RunningService, make_person: MakePerson, publisher: Publisher, name: str
) -> None:
    red, blue = f"red-{name}", f"blue-{name}"
    mallory_token = log_in(service, f"mallory-{name}", red)
    session = open_session(service, mallory_token)
    bob = open_session(service, log_in(service, f"bob-{name}", blue))
    his, room = f"user/{bob['identity_id']}/inbox", f"group/{blue}/room"
    mallory = make_person()
    mallory.open(mallory_token, f"public/{name}")
    mallory.wait_for_status("live")

    own_id = session["identity_id"]
    for client_id in (bob["identity_id"], f"{bob['identity_id']}-tab", "job-1", f"{own_id}-a/b"):
        assert not mallory.intrude(session["credentials"], client_id)["connected"], client_id
    filters = [
        *(f"dev/{his}", f"dev/{room}", "dev/user/+/inbox", "dev/user/#", "dev/group/+/room"),
        *("dev/group/#", "dev/#", "#", "+/user/+/inbox", f"dev/group/{red[:-1]}+/room"),
        *(f"$share/x/dev/{his}", "$share/x/dev/#", "$aws/events/#", f"other/{his}"),
    ]
    own = f"dev/group/{red}/room"
    for number, topic_filter in enumerate(filters):  # on some of them AWS hangs up
        tab = f"{own_id}-tab{number}"
        found = mallory.intrude(session["credentials"], tab, own, topic_filter)
        assert found == {"connected": True, "granted": {own: True, topic_filter: False}}

    token = session["token"]
    cursor = encode_cursor(Cursor({his: Position("0", 0), room: Position("0", 0)}))
    for query in (f"channels={his}", f"channels=public/{name},{room}", f"cursor={cursor}"):
        status, answer = mallory.fetch(f"/v1/updates?{query}", token)
        assert (status, answer["error"]["code"]) == (403, "not_allowed")

    secret, marker = f"secret {uuid4().hex}", f"marker {uuid4().hex}"
    publisher.event(his, secret)
    publisher.event(room, secret)
    publisher.event(f"group/{red}/room", marker)
    mallory.page.wait_for_timeout(1)  # lets frames that have come be told
    publisher.event(f"public/{name}", marker)
    mallory.wait_for(f"public/{name}", marker)
    heard = mallory.heard_bytes()
    assert marker.encode() in heard
    assert secret.encode() not in heard


def test_a_narrowed_page_follows_what_it_names(
    service: RunningService, make_person: MakePerson, publisher: Publisher, name: str
) -> None:
    group = f"red-{name}"
    rooms = [f"group/{group}/{room}" for room in ("one", "two")]
    alice = make_person()
    token = log_in(service, f"alice-{name}", group)
    alice.open(token, rooms[0], "user/me/inbox", session={"channels": [rooms[0], "user/me/inbox"]})
    alice.wait_for_status("live")
    publisher.event(rooms[1], "not asked for")
    publisher.user(f"alice-{name}").event("inbox", "hello")
    publisher.event(rooms[0], "hello, room")
    alice.wait_for("user/me/inbox", "hello")
    alice.wait_for(rooms[0], "hello, room")
    alice.page.evaluate("(name) => person.follow(name)", rooms[1])
    alice.wait_until("person.errors.length > 0")
    assert [(error["code"], error["channel"]) for error in alice.errors()] == [
        ("not_allowed", rooms[1])
    ]
    assert b"not asked for" not in alice.heard_bytes()


def test_a_kick_closes_what_is_open_and_a_new_login_works(
    service: RunningService, make_person: MakePerson, publisher: Publisher, name: str
) -> None:
    user, group = f"alice-{name}", f"red-{name}"
    room = f"group/{group}/room"
    alice, watcher = make_person(), make_person()
    token = log_in(service, user, group)
    session = open_session(service, token)
    alice.open(token, "user/me/inbox", room)
    alice.wait_for_status("live")
    watcher.open(log_in(service, f"bob-{name}", group), room)
    watcher.wait_for_status("live")

    kicked = service.run("kick", user)
    assert (kicked.returncode, kicked.stderr) == (0, "")
    assert "1 connection ended" in kicked.stdout
    alice.wait_for_status("failed")
    publisher.event(room, "after the kick")
    watcher.wait_for(room, "after the kick")
    assert b"after the kick" not in alice.heard_bytes()
    own = f"{session['identity_id']}-again"
    assert not alice.intrude(session["credentials"], own, f"dev/{room}")["connected"]
    assert alice.fetch("/v1/updates?channels=user/me/inbox", session["token"])[0] == 401

    back = make_person()
    back.open(log_in(service, user, group), "user/me/inbox", room)
    back.wait_for_status("live")
    publisher.event(room, "for who is back")
    back.wait_for(room, "for who is back")


def test_a_page_logs_in_and_out(
    service: RunningService, make_person: MakePerson, publisher: Publisher, name: str
) -> None:
    news, group = f"public/{name}", f"red-{name}"
    person = make_person()
    person.open(None, news)
    person.wait_for_status("live")
    guest_id = person.page.evaluate("person.client.identity.id")
    publisher.event(news, 1)
    person.wait_for(news, 1)

    token = log_in(service, f"alice-{name}", group)
    person.page.evaluate("(token) => person.client.login(token)", token)
    person.page.evaluate("person.follow('user/me/inbox')")
    person.wait_until("person.client.identity?.groups.length === 1")
    person.wait_for_status("live")
    member_id = person.page.evaluate("person.client.identity.id")
    assert member_id != guest_id
    publisher.user(f"alice-{name}").event("inbox", "hello")
    publisher.event(news, 2)
    person.wait_for("user/me/inbox", "hello")
    person.wait_for(news, 2)

    person.page.evaluate("person.client.logout()")
    person.wait_until(f"person.client.identity?.id === {json.dumps(guest_id)}")
    person.wait_for_status("live")
    publisher.user(f"alice-{name}").event("inbox", "not for a guest")
    publisher.event(news, 3)
    person.wait_for(news, 3)
    assert person.told(news) == [1, 2, 3]
    assert "not for a guest" not in person.told("user/me/inbox")
    assert b"not for a guest" not in person.heard_bytes()
    kept = person.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert guest_id in kept
    assert member_id not in kept
    assert token not in kept


def expired(service: RunningService, user: str) -> str:
    """Return a login token of the day before yesterday, signed as the service signs them."""
    return open_login(service.data, "dev").sign(user, [], time.time() - 2 * 86_400)


@pytest.mark.parametrize("kind", ["damaged", "expired", "of another service"])
def test_a_login_that_does_not_hold_ends_in_words(
    service: RunningService, make_person: MakePerson, kind: str, tmp_path: Path
) -> None:
    tokens = {
        "damaged": lambda: log_in(service, "alice") + "x",
        "expired": lambda: expired(service, "alice"),
        "of another service": lambda: open_login(tmp_path, "dev").sign("alice", [], time.time()),
    }
    person = make_person()
    person.open(tokens[kind](), "user/me/inbox")
    person.wait_for_status("failed")
    assert "unauthenticated" in [error["code"] for error in person.errors()]


def test_a_session_of_another_pool_opens_nothing(make_person: MakePerson, tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as other:
        foreign = open_session(other, log_in(other, "alice"))
        mallory = make_person()
        mallory.open(None, "public/any")
        mallory.wait_for_status("live")
        own_id, keys = foreign["identity_id"], foreign["credentials"]
        assert not mallory.intrude(keys, own_id, "dev/public/any")["connected"]
        for channel in ("user/me/inbox", "public/any"):
            status, answer = mallory.fetch(f"/v1/updates?channels={channel}", foreign["token"])
            assert (status, answer["error"]["code"]) == (401, "unauthenticated")
