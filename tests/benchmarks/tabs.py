"""How long the other tabs are without push when the one that holds their socket goes."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from playwright.sync_api import Browser

from bellwire.publisher import HttpOutlet, Publisher
from end_to_end.hidden_pages import HiddenPage, hidden_profile
from end_to_end.tabs import NO_WORKER, Tab
from services import RunningService

RUNS: Final = 5
TABS: Final = 3
INTERVAL_S: Final = 0.02
UPDATES: Final = 150
BEFORE: Final = 30
"""Updates before the tab goes; the others come within three seconds after it."""

MODES: Final = {"with a worker": "", "with locks": NO_WORKER}
ENDS: Final[dict[str, Callable[[Tab], None]]] = {
    "closes": lambda tab: tab.page.close(),
    "freezes": lambda tab: tab.set_lifecycle("frozen"),
    "crashes": lambda tab: _hidden(tab).crash(),
}


def measure_hand_overs(
    browser: Browser, service: RunningService
) -> Iterator[tuple[str, list[float]]]:
    """Yield the longest pause in ms of each other tab, by how they share and how the first goes."""
    publisher = Publisher(HttpOutlet(service.url, service.key))
    for mode, script in MODES.items():
        for end, go in ENDS.items():
            pauses: list[float] = []
            for run in range(RUNS):
                channel = f"public/{mode}/{end}/{run}".replace(" ", "-")
                publisher.event(channel, "before any tab")
                with _open_tabs(browser, service, script, channel) as tabs:
                    pauses += _pauses_ms(tabs, publisher, channel, go)
            yield f"{mode}, it {end}", pauses


def _pauses_ms(
    tabs: list[Tab], publisher: Publisher, channel: str, go: Callable[[Tab], None]
) -> list[float]:
    first, *others = tabs
    with ThreadPoolExecutor(1) as aside:
        done = aside.submit(_publish, publisher, channel)
        others[0].wait_for_push(channel, BEFORE)
        go(first)
        done.result()
    for tab in others:
        tab.wait_for_seq(channel, UPDATES + 1)
    times_ms: list[list[float]] = [tab.page.evaluate("tab.pushedMs") for tab in others]
    return [max(later - earlier for earlier, later in pairwise(one)) for one in times_ms]


def _publish(publisher: Publisher, channel: str) -> None:
    for number in range(UPDATES):
        publisher.event(channel, number)
        time.sleep(INTERVAL_S)


@contextmanager
def _open_tabs(
    browser: Browser, service: RunningService, script: str, channel: str
) -> Iterator[list[Tab]]:
    with hidden_profile(browser, script) as profile:
        tabs = [Tab(profile.new_page(), service) for _ in range(TABS)]
        for tab in tabs:
            tab.open(channel)
        for tab in tabs:
            tab.wait_for_status("live")
            tab.wait_for_seq(channel, 1)
        yield tabs


def _hidden(tab: Tab) -> HiddenPage:
    assert isinstance(tab.page, HiddenPage)
    return tab.page
