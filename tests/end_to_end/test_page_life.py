"""What a page goes through: a wrong clock, freezing, the way back, keys that end, a portal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserType, Page

from bellwire.publisher import HttpOutlet, Publisher
from browsers import launch, watched_page
from end_to_end.followers import Follower
from services import RunningService, running_service

HOUR_MS = 3_600_000
BACK_WITHIN_S = 20


def events(publisher: Publisher, channel: str, *values: int) -> list[list[Any]]:
    """Publish events, and say how each must be told."""
    return [[publisher.event(channel, value).seq, "event", None, value] for value in values]


@pytest.mark.parametrize("off_ms", [-HOUR_MS, HOUR_MS], ids=["slow", "fast"])
def test_a_clock_that_is_an_hour_off_is_no_hindrance(
    off_ms: int, follower: Follower, publisher: Publisher, channel: str
) -> None:
    """AWS refuses signatures that are more than five minutes off."""
    follower.page.add_init_script(
        f"const now = Date.now; Date.now = () => now.call(Date) + {off_ms};"
    )
    follower.open()
    follower.wait_for_status("live")
    expected = events(publisher, channel, 1, 2)
    follower.wait_for_seq(2)
    assert follower.told == expected
    assert "polling" not in follower.statuses


def test_a_frozen_page_tells_what_it_missed_when_it_resumes(
    follower: Follower, publisher: Publisher, channel: str
) -> None:
    follower.open()
    follower.wait_for_status("live")
    expected = events(publisher, channel, 1)
    follower.wait_for_seq(1)
    chromium = follower.page.context.new_cdp_session(follower.page)
    chromium.send("Page.setWebLifecycleState", {"state": "frozen"})
    expected += events(publisher, channel, 2, 3)
    chromium.send("Page.setWebLifecycleState", {"state": "active"})
    follower.wait_for_status("live", within_s=BACK_WITHIN_S)
    expected += events(publisher, channel, 4)
    follower.wait_for_seq(4, within_s=BACK_WITHIN_S)
    assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4)]
    follower.assert_equals_log()


@pytest.fixture
def keeping_page(browser: Browser) -> Iterator[Page]:
    """Open a page in a browser that keeps pages for the way back; Playwright turns that off."""
    kinds: BrowserType = browser.browser_type
    keeping = launch(kinds, without=["--disable-back-forward-cache"])
    with watched_page(keeping) as page:
        yield page
    keeping.close()


NOTE_DOWN = """
addEventListener("pageshow", ({ persisted }) => { localStorage.kept = persisted; });
setInterval(() => {
  localStorage.seen = JSON.stringify([follower.client.status, follower.told]);
}, 50);
"""


def test_a_page_kept_for_the_way_back_goes_on_where_it_was(
    keeping_page: Page, service: RunningService, publisher: Publisher, channel: str
) -> None:
    """Playwright loses sight of a page that comes back: another one reads what it notes down."""
    follower = Follower(keeping_page, service.url, channel)
    follower.open("/bellwire.js")  # unlike answers of the API it may be stored
    follower.wait_for_status("live")
    expected = events(publisher, channel, 1)
    follower.wait_for_seq(1)
    keeping_page.evaluate(NOTE_DOWN)
    keeping_page.context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    reader = keeping_page.context.new_page()
    reader.goto(f"{service.url}/v1/config")
    keeping_page.goto(f"{service.url}/v1/config")
    expected += events(publisher, channel, 2, 3)
    reader.evaluate("localStorage.clear()")
    keeping_page.evaluate("setTimeout(() => history.back(), 0)")
    expected += events(publisher, channel, 4)
    seen = json.dumps(json.dumps(["live", expected], separators=(",", ":")))
    reader.wait_for_function(f"localStorage.seen === {seen}", timeout=BACK_WITHIN_S * 1000)
    assert reader.evaluate("localStorage.kept") == "true"


def test_keys_that_end_every_few_seconds_lose_nothing(page_in_outage: Page, tmp_path: Path) -> None:
    """The session is renewed ahead of its end; the socket of the old one is closed at its end."""
    faults = "expire_credentials=8s,close_at_expiry=true"
    with running_service(tmp_path, "--no-demo", "--faults", faults) as service:
        publisher = Publisher(HttpOutlet(service.url, service.key))
        follower = Follower(page_in_outage, service.url, "public/keys")
        follower.open()
        follower.wait_for_status("live")
        follower.page.evaluate(
            "setInterval(() => { window.ticks = (window.ticks ?? 0) + 1; }, 500)"
        )
        expected: list[list[Any]] = []
        for number in range(1, 41):
            expected += events(publisher, "public/keys", number)
            follower.wait_until(f"window.ticks >= {number}")
        follower.wait_for_seq(40, within_s=BACK_WITHIN_S)
        assert follower.told == expected
        assert follower.statuses.count("live") > 2
        assert "polling" not in follower.statuses


def test_a_captive_portal_means_polling_until_it_is_gone(
    page_in_outage: Page, tmp_path: Path
) -> None:
    """Upgrades are answered 200, as by a proxy that knows no WebSocket."""
    with running_service(tmp_path, "--no-demo", "--faults", "hijack=1") as service:
        publisher = Publisher(HttpOutlet(service.url, service.key))
        follower = Follower(page_in_outage, service.url, "public/portal")
        follower.open()
        follower.wait_for_status("polling")
        expected = events(publisher, "public/portal", 1, 2)
        follower.wait_for_seq(2)
        set_faults(service, {})
        expected += events(publisher, "public/portal", 3)
        follower.wait_for_status("live", within_s=40)
        expected += events(publisher, "public/portal", 4)
        follower.wait_for_seq(4)
        assert follower.told == expected == [[n, "event", None, n] for n in (1, 2, 3, 4)]
        assert follower.statuses == ["connecting", "polling", "live"]


def set_faults(service: RunningService, faults: dict[str, Any]) -> None:
    """Bring these faults into force, instead of those before."""
    body, headers = json.dumps(faults).encode(), {"content-type": "application/json"}
    with urlopen(Request(f"{service.url}/dev/faults", body, headers), timeout=10) as answer:
        assert answer.status == 200
