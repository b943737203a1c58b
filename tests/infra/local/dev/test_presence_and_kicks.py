"""Who is there, and who is no longer, at a running service with real connections."""

import threading
import time
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from infra.local.mqtt_probe import Probe
from services import RunningService

POOL = urllib3.PoolManager(retries=False)
WITHIN_S = 10


def open_session(service: RunningService, user: str, *groups: str, **body: Any) -> dict[str, Any]:
    login = {"user": user, "groups": list(groups)}
    token = POOL.request("POST", f"{service.url}/dev/login", json=login).json()["token"]
    headers = {"authorization": f"Bearer {token}"}
    wanted = {"credentials": True, **body}
    answer = POOL.request("POST", f"{service.url}/v1/session", json=wanted, headers=headers)
    assert answer.status == 200, answer.data
    session: dict[str, Any] = answer.json()
    return session


def connect(service: RunningService, session: dict[str, Any], tab: str = "tab") -> Probe:
    keys = session["credentials"]
    signer = (keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
    return Probe(service.ready["iot"], signer, f"{session['identity_id']}-{tab}")


def present(service: RunningService, session: dict[str, Any], channel: str) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {session['token']}"}
    url = f"{service.url}/v1/presence?channel={channel}"
    answer = POOL.request("GET", url, headers=headers)
    return answer.status, answer.json()


def wait_until_present(
    service: RunningService, session: dict[str, Any], channel: str, *expected: tuple[str, int]
) -> list[dict[str, Any]]:
    """Wait for these users, with so many connections each: events take their time."""
    until_s = time.monotonic() + WITHIN_S
    while True:
        status, answer = present(service, session, channel)
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["present"]
        if sorted((one["user"], one["connections"]) for one in found) == sorted(expected):
            return found
        assert time.monotonic() < until_s, found
        threading.Event().wait(0.02)


@pytest.fixture
def group() -> str:
    return f"group-{uuid4().hex[:8]}"


def test_who_is_there_is_told_to_who_may_read(service: RunningService, group: str) -> None:
    channel = f"group/{group}/room"
    alice, bob = (open_session(service, f"{who}-{group}", group) for who in ("alice", "bob"))
    outsider = open_session(service, f"eve-{group}", "others")
    assert present(service, bob, channel)[1] == {"v": 1, "channel": channel, "present": []}
    with connect(service, alice, "one") as one, connect(service, alice, "two") as two:
        assert one.subscribe(f"dev/{channel}")
        assert two.subscribe(f"dev/{channel}")
        (found,) = wait_until_present(service, bob, channel, (f"alice-{group}", 2))
        assert found["identity_id"] == alice["identity_id"]
        assert abs(found["since"] / 1000 - time.time()) < 60
        status, answer = present(service, outsider, channel)
        assert (status, answer["error"]["code"]) == (403, "not_allowed")
    wait_until_present(service, bob, channel)


def test_a_kick_ends_every_connection(service: RunningService, group: str) -> None:
    channel = f"group/{group}/room"
    alice, bob = (open_session(service, f"{who}-{group}", group) for who in ("alice", "bob"))
    with (
        connect(service, alice, "one") as one,
        connect(service, alice, "two") as two,
        connect(service, bob) as other,
    ):
        for probe in (one, two, other):
            assert probe.subscribe(f"dev/{channel}")
        wait_until_present(service, bob, channel, (f"alice-{group}", 2), (f"bob-{group}", 1))
        done = service.run("kick", f"alice-{group}")
        assert done.stdout.endswith("is out: 2 connections ended\n")
        one.wait_for_end()
        two.wait_for_end()
        wait_until_present(service, bob, channel, (f"bob-{group}", 1))
    with connect(service, alice, "again") as again:
        assert not again.is_connected


def test_a_narrowed_session_that_comes_back_after_a_kick_is_ended(
    service: RunningService, group: str
) -> None:
    """Its credentials are good for 15 minutes, and AWS asks nobody about them."""
    channel = f"group/{group}/room"
    narrowed = {"mode": "sts", "channels": [channel]}
    old = open_session(service, f"alice-{group}", group, **narrowed)
    with connect(service, old) as first:
        assert first.subscribe(f"dev/{channel}")
        assert not first.subscribe("dev/public/news")
        service.run("kick", f"alice-{group}")
        first.wait_for_end()
    with connect(service, old, "again") as again:
        assert again.is_connected
        again.wait_for_end()
    new = open_session(service, f"alice-{group}", group, **narrowed)
    with connect(service, new, "new") as allowed:
        assert allowed.subscribe(f"dev/{channel}")
        with connect(service, old, "still-old") as still_old:
            still_old.wait_for_end()
        assert allowed.subscribe(f"dev/{channel}")


@pytest.mark.parametrize("tab", ["a.b", "x" * 40, " !"])
def test_an_odd_client_id_hides_nobody(service: RunningService, group: str, tab: str) -> None:
    """A policy cannot say what the suffix is made of, so it must not matter."""
    channel = f"group/{group}/room"
    narrowed = {"mode": "sts", "channels": [channel]}
    old = open_session(service, f"alice-{group}", group, **narrowed)
    watcher = open_session(service, f"bob-{group}", group)
    with connect(service, old, tab) as hidden:
        assert hidden.subscribe(f"dev/{channel}")
        wait_until_present(service, watcher, channel, (f"alice-{group}", 1))
        service.run("kick", f"alice-{group}")
        hidden.wait_for_end()
    with connect(service, old, f"{tab}2") as again:
        again.wait_for_end()


def test_guests_are_told_no_names(service: RunningService, group: str) -> None:
    channel = f"public/{group}"
    alice = open_session(service, f"alice-{group}")
    with connect(service, alice) as probe:
        assert probe.subscribe(f"dev/{channel}")
        wait_until_present(service, alice, channel, (f"alice-{group}", 1))
        answer = POOL.request("GET", f"{service.url}/v1/presence?channel={channel}")
    assert [one["user"] for one in answer.json()["present"]] == [None]
