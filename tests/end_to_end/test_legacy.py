"""The script for old browsers in a Chromium that has had everything newer taken away."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from documents import REPOSITORY
from services import RunningService, running_service, same_ports

SCRIPT = Path(__file__).with_name("old_page.js")
DASHBOARD = REPOSITORY / "browser_client" / "dist" / "dashboard"
NEWER = ("Promise", "fetch", "Map", "Set", "WebSocket", "Symbol", "Proxy", "AbortController")
WITHIN_MS = 20_000
BACK_WITHIN_MS = 40_000  # the script waits up to 30 s between tries

MARKUP = """<!DOCTYPE html>
<link rel="icon" href="icon.svg">
<p id="newer"></p><p id="status"></p><p id="count"></p><pre id="old"></pre>
<script>document.getElementById("newer").innerHTML = [{newer}].join(" ");</script>
<script src="/bellwire-poll.js"></script>
<script>{script} startOld({channels}, {login});</script>
"""


class OldPage:
    """A page whose results are read from its document: evaluating needs what it lacks."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[Request] = []
        names = json.dumps(NEWER)
        page.add_init_script(f"{names}.forEach(function (name) {{ delete window[name]; }});")
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def open(self, url: str, *channels: str, login: dict[str, Any] | None = None) -> None:
        """Follow channels as a guest, or as who logs in."""
        saved = DASHBOARD / f"legacy-{os.getpid()}-{uuid4().hex[:8]}.html"
        saved.write_text(
            MARKUP.format(
                newer=",".join(f"typeof {name}" for name in NEWER),
                script=SCRIPT.read_text(),
                channels=json.dumps(channels),
                login=json.dumps(login),
            )
        )
        try:
            self.page.goto(f"{url}/{saved.name}")
        finally:
            saved.unlink()
        expect(self.page.locator("#newer")).to_have_text(" ".join(["undefined"] * len(NEWER)))

    def wait_for_status(self, status: str, within_ms: int = WITHIN_MS) -> None:
        """Wait until the script says so."""
        expect(self.page.locator("#status")).to_have_text(status, timeout=within_ms)

    def wait_for_count(self, count: int, within_ms: int = WITHIN_MS) -> None:
        """Wait until so many updates and resets were told."""
        expect(self.page.locator("#count")).to_have_text(str(count), timeout=within_ms)

    @property
    def old(self) -> dict[str, Any]:
        """Everything told: `{"told": {channel: […]}, "states", "statuses", "errors"}`."""
        found: dict[str, Any] = json.loads(self.page.locator("#old").text_content() or "")
        return found


@pytest.fixture
def old_page(page: Page) -> OldPage:
    return OldPage(page)


@pytest.fixture
def old_page_in_outage(page_in_outage: Page) -> OldPage:
    return OldPage(page_in_outage)


@pytest.fixture
def refused_old_page(browser: Browser) -> Iterator[OldPage]:
    with watched_page(browser, is_refused=True) as page:
        yield OldPage(page)


def events(publish: Callable[[int], Any], *values: int) -> list[list[Any]]:
    """Publish events, and say how each must be told."""
    return [[publish(value).seq, "event", None, value] for value in values]


def test_a_guest_of_2012_is_told_everything_once(
    old_page: OldPage, service: RunningService, publisher: Publisher, channel: str
) -> None:
    publisher.set(channel, "__proto__", {"x": 1})
    publisher.set(channel, "constructor", 2)
    old_page.open(service.url, channel)
    old_page.wait_for_status("polling")
    publisher.event(channel, "hello")
    publisher.set(channel, "lamp", None)
    old_page.wait_for_count(4)
    publisher.delete(channel, "constructor")
    old_page.wait_for_count(5)
    assert old_page.old == {
        "told": {
            channel: [
                [2, "set", "__proto__", {"x": 1}],
                [2, "set", "constructor", 2],
                [3, "event", None, "hello"],
                [4, "set", "lamp", None],
                [5, "delete", "constructor", None],
            ]
        },
        "states": {channel: {"__proto__": {"x": 1}, "lamp": None}},
        "statuses": ["connecting", "polling"],
        "errors": [],
    }


@pytest.fixture
def member() -> str:
    """A name that no other test uses."""
    return f"alice-{uuid4().hex[:8]}"


def test_a_member_of_2012_is_told_what_is_theirs(
    old_page: OldPage, service: RunningService, publisher: Publisher, channel: str, member: str
) -> None:
    room, login = f"group/{member}/room", {"user": member, "groups": [member]}
    old_page.open(service.url, channel, "user/me/inbox", room, login=login)
    old_page.wait_for_status("polling")
    inbox = publisher.user(member)
    told = {
        channel: events(lambda value: publisher.event(channel, value), 1, 2),
        "user/me/inbox": events(lambda value: inbox.event("inbox", value), 3),
        room: events(lambda value: publisher.event(room, value), 4),
    }
    old_page.wait_for_count(4)
    assert (old_page.old["told"], old_page.old["errors"]) == (told, [])
    first = [request for request in old_page.requests if "/v1/updates?channels=" in request.url]
    kinds = {("authorization" in one.headers, "public" in one.url) for one in first}
    assert kinds == {(True, False), (False, True)}


def test_a_member_of_2012_logs_in_again_after_a_kick(
    refused_old_page: OldPage, service: RunningService, publisher: Publisher, member: str
) -> None:
    old_page, inbox = refused_old_page, publisher.user(member)
    old_page.open(service.url, "user/me/inbox", login={"user": member, "groups": []})
    old_page.wait_for_status("polling")
    told = events(lambda value: inbox.event("inbox", value), 1)
    old_page.wait_for_count(1)
    assert service.run("kick", member).returncode == 0
    told += events(lambda value: inbox.event("inbox", value), 2)
    old_page.wait_for_count(2)
    assert (old_page.old["told"], old_page.old["errors"]) == ({"user/me/inbox": told}, [])


@pytest.mark.parametrize("channel", ["public/survivor", "user/me/survivor"])
def test_a_page_of_2012_comes_back_after_the_service_was_killed(
    old_page_in_outage: OldPage, tmp_path: Path, channel: str
) -> None:
    old_page = old_page_in_outage

    def publish(service: RunningService, *values: int) -> list[list[Any]]:
        publisher = Publisher(HttpOutlet(service.url, service.key))
        is_own = channel.startswith("user/me/")
        name = publisher.user("alice").channel("survivor") if is_own else channel
        return events(lambda value: publisher.event(name, value), *values)

    with running_service(tmp_path, "--no-demo") as doomed:
        old_page.open(doomed.url, channel, login={"user": "alice", "groups": []})
        old_page.wait_for_status("polling")
        expected = publish(doomed, 1, 2, 3)
        old_page.wait_for_count(3)
        expected += publish(doomed, 4)
        doomed.kill()
    old_page.wait_for_status("offline")
    with running_service(tmp_path, "--no-demo", *same_ports(doomed)) as risen:
        expected += publish(risen, 5)
        old_page.wait_for_status("polling", BACK_WITHIN_MS)
        expected += publish(risen, 6)
        old_page.wait_for_count(6)
        told = old_page.old
    assert told["told"] == {channel: expected}
    assert expected == [[n, "event", None, n] for n in (1, 2, 3, 4, 5, 6)]
    assert told["statuses"] == ["connecting", "polling", "offline", "polling"]
    assert {retryable for _, retryable in told["errors"]} == {True}
