"""Several tabs of one browser: one socket for all of them, and each is told all that is its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from playwright.sync_api import Browser, Page

from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from end_to_end.hidden_pages import HiddenPage, hidden_profile
from end_to_end.tabs import (
    COUNTED_CHANNELS,
    LOST_WORKER,
    NO_LOCKS,
    NO_WORKER,
    SCRIPT,
    WITHIN_S,
    Tab,
    count_workers,
    kill_workers,
    wait_for_sockets,
)
from services import RunningService, running_service

POOL = urllib3.PoolManager(retries=False)
MODES = {"worker": "", "locks": NO_WORKER, "worker_not_found": LOST_WORKER}
FAULTS = "drop=0.05,duplicate=0.05,reorder=0.1,cut_after=3s,seed=7"
OpenTabs = Callable[[str, int], list[Tab]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service whose sockets are all these tests' own."""
    with running_service(tmp_path_factory.mktemp("tabs"), "--no-demo") as running:
        yield running


@pytest.fixture
def channel() -> str:
    return f"public/{uuid4().hex[:8]}"


@pytest.fixture
def first_page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser, has_outage=True) as opened:
        yield opened


@pytest.fixture
def open_tabs(first_page: Page, service: RunningService, channel: str) -> OpenTabs:
    """Open so many tabs, each with a script run first; wait until all are live."""
    return lambda script, count: open_live(first_page, service, channel, script, count)


@pytest.fixture
def open_hidden_tabs(browser: Browser, service: RunningService, channel: str) -> Iterator[OpenTabs]:
    """The same, hidden but for the last."""
    with ExitStack() as until_done:

        def open_tabs(script: str, count: int) -> list[Tab]:
            profile = until_done.enter_context(hidden_profile(browser, script))
            return follow([profile.new_page() for _ in range(count)], service, channel)

        yield open_tabs


def open_live(
    first_page: Page, service: RunningService, channel: str, script: str, count: int
) -> list[Tab]:
    context = first_page.context
    context.add_init_script(script)
    pages = [first_page, *(context.new_page() for _ in range(count - 1))]
    return follow(pages, service, channel)


def follow(pages: Sequence[Page | HiddenPage], service: RunningService, channel: str) -> list[Tab]:
    """Have pages follow the channel, and each one of its own."""
    tabs = [Tab(page, service) for page in pages]
    for number, tab in enumerate(tabs):
        tab.open(channel, f"{channel}/{number}")
    for tab in tabs:
        tab.wait_for_status("live")
        tab.wait_for_seq(channel, 1)
    return tabs


@pytest.fixture
def publisher(service: RunningService, channel: str) -> Publisher:
    """Publish; one update is there before any tab, so that each is told from the second on."""
    publisher = Publisher(HttpOutlet(service.url, service.key))
    publisher.event(channel, 1)
    return publisher


def publish(publisher: Publisher, channel: str, *, up_to: int) -> None:
    """Publish events until the channel is there."""
    while publisher.event(channel, "news").seq < up_to:
        pass


def assert_told(tabs: list[Tab], channel: str, *, up_to: int) -> None:
    """Wait until each tab is there, and see that it was told everything once and in order."""
    for tab in tabs:
        tab.wait_for_seq(channel, up_to)
        assert tab.told(channel) == list(range(2, up_to + 1))


def assert_pushed(tabs: list[Tab], publisher: Publisher, channel: str) -> None:
    """See that the next update reaches each tab over the socket, and that all of them were told."""
    for tab in tabs:
        tab.wait_for_status("live")
    last = publisher.event(channel, "pushed").seq
    for tab in tabs:
        tab.wait_for_push(channel, last)
    assert_told(tabs, channel, up_to=last)


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("mode", MODES)
def test_tabs_share_a_socket_and_each_is_told_its_own(
    mode: str,
    count: int,
    browser: Browser,
    open_tabs: OpenTabs,
    publisher: Publisher,
    service: RunningService,
    channel: str,
) -> None:
    tabs = open_tabs(MODES[mode], count)
    wait_for_sockets(service, 1)
    assert count_workers(browser) == (1 if mode == "worker" else 0)
    publish(publisher, channel, up_to=20)
    assert_pushed(tabs, publisher, channel)
    for number, tab in enumerate(tabs):
        own = f"{channel}/{number}"
        publisher.event(own, "for one")
        tab.wait_for_push(own, 1)
        tab.wait_for_seq(own, 1)
        assert tab.told(own) == [1]
        assert tab.statuses == ["live"]


def test_with_a_worker_no_tab_notices_that_another_closes_or_freezes(
    open_hidden_tabs: OpenTabs, publisher: Publisher, service: RunningService, channel: str
) -> None:
    first, second, *others = open_hidden_tabs("", 4)
    publish(publisher, channel, up_to=5)
    assert_told([second], channel, up_to=5)
    first.page.close()
    second.set_lifecycle("frozen")
    publish(publisher, channel, up_to=15)
    assert_pushed(others, publisher, channel)
    assert [tab.statuses for tab in others] == [["live"], ["live"]]
    assert second.told(channel) == [2, 3, 4, 5]
    second.set_lifecycle("active")
    assert_pushed([second, *others], publisher, channel)
    wait_for_sockets(service, 1)


def test_when_the_worker_dies_its_tabs_start_another(
    browser: Browser, open_tabs: OpenTabs, publisher: Publisher, channel: str
) -> None:
    tabs = open_tabs("", 2)
    kill_workers(browser)
    for tab in tabs:
        tab.wait_until("tab.statuses.length > 1")
    assert_pushed(tabs, publisher, channel)
    assert count_workers(browser) == 1


@pytest.mark.usefixtures("publisher")
def test_a_tab_that_has_led_often_keeps_nothing_open(
    open_tabs: OpenTabs, service: RunningService
) -> None:
    (tab,) = open_tabs(f"{NO_WORKER}; {COUNTED_CHANNELS}", 1)
    for time in (1, 2, 3):
        POOL.request("POST", f"{service.url}/dev/cut", headers={"content-type": "application/json"})
        tab.wait_until(f"tab.lost.count >= {time}")
        tab.wait_for_status("live")
    assert tab.page.evaluate("openChannels.size") <= 2
    tab.page.evaluate("tab.client.close()")
    assert tab.page.evaluate("openChannels.size") == 0


def test_a_frame_without_an_address_follows_as_well(
    first_page: Page, service: RunningService, channel: str, publisher: Publisher
) -> None:
    first_page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    first_page.goto(f"{service.url}/v1/health")
    first_page.evaluate(
        "(text) => document.body.append(Object.assign(document.createElement('iframe'),"
        " { srcdoc: `<script type=module>${text}</script>` }))",
        SCRIPT.read_text(),
    )
    first_page.wait_for_function("frames[0]?.start !== undefined")
    first_page.evaluate("(name) => frames[0].start([name])", channel)
    first_page.wait_for_function("frames[0].tab.client.status === 'live'")
    last = publisher.event(channel, "news").seq
    first_page.wait_for_function(
        f"frames[0].tab.channels['{channel}'].position.seq === {last}", timeout=WITHIN_S * 1000
    )


@pytest.mark.parametrize("end", ["closes", "freezes", "crashes"])
def test_another_tab_leads_when_the_one_that_leads(
    end: str,
    open_hidden_tabs: OpenTabs,
    publisher: Publisher,
    service: RunningService,
    channel: str,
) -> None:
    first, *others = open_hidden_tabs(NO_WORKER, 3)
    publish(publisher, channel, up_to=5)
    assert_told([first], channel, up_to=5)
    if end == "freezes":
        first.set_lifecycle("frozen")
    elif end == "closes":
        first.page.close()
    elif isinstance(first.page, HiddenPage):
        first.page.crash()
    publish(publisher, channel, up_to=15)
    for tab in others:
        tab.wait_until("tab.statuses.length > 1")
        tab.wait_until("tab.moved.count > 0")  # so that it comes back at once
    assert_pushed(others, publisher, channel)
    if end == "freezes":
        first.set_lifecycle("active")
        assert_pushed([first, *others], publisher, channel)
    wait_for_sockets(service, 1)


def test_a_tab_that_leads_and_hangs_is_robbed(
    first_page: Page, publisher: Publisher, service: RunningService, channel: str
) -> None:
    (first,) = open_live(first_page, service, channel, NO_WORKER, 1)
    debugger = first_page.context.new_cdp_session(first_page)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")
    second = Tab(first_page.context.new_page(), service)
    second.open(channel)
    second.wait_for_status("live")
    publish(publisher, channel, up_to=5)
    debugger.send("Debugger.resume")
    debugger.send("Debugger.disable")
    first.wait_until("tab.statuses.length > 1")
    assert_pushed([first, second], publisher, channel)
    wait_for_sockets(service, 1)


def test_closing_one_client_ends_no_other(
    open_tabs: OpenTabs, publisher: Publisher, service: RunningService, channel: str
) -> None:
    first, second = open_tabs("", 2)
    first.page.evaluate("tab.client.close()")
    publish(publisher, channel, up_to=5)
    assert_told([second], channel, up_to=5)
    assert second.statuses == ["live"]
    wait_for_sockets(service, 1)
    second.page.evaluate("tab.client.close()")
    wait_for_sockets(service, 0)


@pytest.mark.parametrize("mode", ["switched_off", "no_locks"])
def test_without_sharing_each_tab_has_a_socket(
    mode: str, first_page: Page, publisher: Publisher, service: RunningService, channel: str
) -> None:
    if mode == "no_locks":
        first_page.context.add_init_script(NO_LOCKS)
    tabs = [Tab(first_page, service), Tab(first_page.context.new_page(), service)]
    for tab in tabs:
        tab.open(channel, tabs=mode == "no_locks")
        tab.wait_for_status("live")
    wait_for_sockets(service, 2)
    publish(publisher, channel, up_to=5)
    assert_told(tabs, channel, up_to=5)


@pytest.mark.parametrize("mode", ["worker", "locks"])
def test_two_identities_share_nothing(
    mode: str, first_page: Page, service: RunningService, channel: str
) -> None:
    first_page.context.add_init_script(MODES[mode])
    options: list[dict[str, Any]] = [
        {},
        {"token": log_in(service, "alice")},
        {"token": log_in(service, "bob")},
        {"token": log_in(service, "bob"), "session": {"channels": [channel]}},
    ]
    for words in options:
        tab = Tab(first_page.context.new_page(), service)
        tab.open(channel, **words)
        tab.wait_for_status("live")
    wait_for_sockets(service, 4)


def log_in(service: RunningService, user: str) -> str:
    answer = POOL.request("POST", f"{service.url}/dev/login", json={"user": user})
    return str(answer.json()["token"])


@pytest.mark.parametrize("mode", ["worker", "locks"])
@pytest.mark.parametrize("count", [2, 5])
def test_nothing_is_lost_doubled_or_reordered_by_a_bad_broker(
    mode: str, count: int, first_page: Page, tmp_path: Path, channel: str
) -> None:
    with running_service(tmp_path, "--no-demo", "--faults", FAULTS) as service:
        publisher = Publisher(HttpOutlet(service.url, service.key))
        publisher.event(channel, 1)
        tabs = open_live(first_page, service, channel, MODES[mode], count)
        for number in range(2, 102):
            publisher.event(channel, number)
            first_page.wait_for_timeout(50)  # so that a socket or two are cut meanwhile
        assert_told(tabs, channel, up_to=101)
        for tab in tabs:
            assert tab.statuses.count("live") > 1
