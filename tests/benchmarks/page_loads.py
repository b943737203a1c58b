"""From a page's load to its channel's first state, and until live, over a network that is slow.

Nothing is cached. There is no TLS: a connect costs one round trip here, two or three by HTTPS.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Browser

from benchmarks.exchanges import Chain, exchanges_of, longest_chain
from benchmarks.sizes import DIST
from benchmarks.slow_line import SlowLine, slow_line
from browsers import launch, watched_page
from members import log_in
from services import RunningService, running_service, service_of_pages

ROUND_TRIP_S: Final = 0.1
LOADS: Final = 5
LIVE_WITHIN_S: Final = 30
PAGE: Final = Path(__file__).with_name("load_page.html")
MOMENTS: Final = {"state": "first state", "live": "live"}


class Load(NamedTuple):
    """How one load went until a moment."""

    took_s: float
    chain: Chain


def measure_page_loads(browser: Browser, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield for a guest and a member how long it took, and what had to follow what."""
    with running_pages(directory) as service:
        service.publish("public/bench", 1, "--set", "k")
        service.publish("group/bench/room", 1, "--set", "k")
        token = log_in(service, "bench", "bench")
        asked = {
            "guest": {"channel": "public/bench"},
            "member": {"channel": "group/bench/room", "token": token},
        }
        yield f"page load, {ROUND_TRIP_S * 1000:.0f} ms round trips, {LOADS} loads", ""
        for who, query in asked.items():
            loads = [_load(browser, service, query) for _ in range(LOADS)]
            for moment, words in MOMENTS.items():
                yield from _rows(f"  {who} until {words}", [one[moment] for one in loads])


@contextmanager
def running_pages(directory: Path) -> Iterator[RunningService]:
    """Run a service that has `/load.html` as well, the page that follows the channel it is told."""
    site = directory / "site"
    shutil.copytree(DIST, site)
    shutil.copy(PAGE, site / "dashboard" / "load.html")
    program = service_of_pages(site)
    with running_service(directory / "service", "--no-demo", program=program) as service:
        yield service


@contextmanager
def slow_browser(
    browser: Browser, service: RunningService, round_trip_s: float
) -> Iterator[tuple[Browser, SlowLine]]:
    """Start another browser like this one, whose ways to the service are all over a slow line."""
    ports = [urlsplit(service.ready[name]).port or 0 for name in ("web", "iot", "aws")]
    with slow_line(ports, round_trip_s / 2) as line:
        rules = ", ".join(
            f"MAP 127.0.0.1:{port} 127.0.0.1:{relaying}" for port, relaying in line.relaying.items()
        )
        slow = launch(browser.browser_type, f"--host-resolver-rules={rules}")
        yield slow, line
        slow.close()


def address_of(service: RunningService, query: dict[str, str]) -> str:
    """Name the page that follows a channel: `{"channel": …, "token": …}`."""
    return f"{service.url}/load.html#{urlencode(query)}"


def _load(browser: Browser, service: RunningService, query: dict[str, str]) -> dict[str, Load]:
    """Load once with nothing cached; return how it went until each moment."""
    with (
        slow_browser(browser, service, ROUND_TRIP_S) as (slow, line),
        watched_page(slow) as page,
    ):
        page.goto(address_of(service, query))
        page.wait_for_function("page.marks.state && page.marks.live", timeout=LIVE_WITHIN_S * 1000)
        seen: dict[str, Any] = page.evaluate("window.page")
    exchanges = exchanges_of(line.pieces)
    return {
        moment: Load(
            seen["marks"][moment] - seen["beganS"],
            longest_chain(exchanges, line.opened_s, seen["marks"][moment]),
        )
        for moment in MOMENTS
    }


def _rows(label: str, loads: list[Load]) -> Iterator[tuple[str, str]]:
    """Word all loads, and what the one with the longest chain waited for."""
    counts = _either(len(one.chain.exchanges) for one in loads)
    connects = _either(one.chain.connects for one in loads)
    median_ms = median(one.took_s for one in loads) * 1000
    yield label, f"{counts} round trips, {connects} connects · median {median_ms:.0f} ms"
    longest = max(loads, key=lambda one: len(one.chain.exchanges))
    yield "", " → ".join(one.name for one in longest.chain.exchanges)


def _either(counts: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(counts))))
