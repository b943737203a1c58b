"""After a cut, with many updates missed: in how many requests and how long until all are there.

Nine of ten are events, the others set a key each of their own, so that conflation takes none away.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page

from bellwire.publisher import HttpOutlet, Publisher
from benchmarks.exchanges import Exchange, exchanges_of
from benchmarks.page_loads import address_of, running_pages, slow_browser
from benchmarks.slow_line import SlowLine
from browsers import watched_page
from services import RunningService

MISSED: Final = 1000
CUTS: Final = 5
ROUND_TRIPS_S: Final = (0.0, 0.1)
WITHIN_S: Final = 60


class Return(NamedTuple):
    """How a page got back what it missed."""

    requests: int
    """Polls that were sent until all was there."""
    since_network_s: float
    """From when the browser was told that it is online."""
    since_request_s: float
    """From the first request that it sent then."""


def measure_missed(browser: Browser, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield how pages got whole again, near and far from the service."""
    with running_pages(directory) as service:
        yield f"after a cut, {MISSED:,} updates missed, {CUTS} cuts", ""
        for round_trip_s in ROUND_TRIPS_S:
            words = f"{round_trip_s * 1000:.0f} ms"
            channels = [f"public/bench.missed.{words[:-3]}.{number}" for number in range(CUTS)]
            returns = [_cut_once(browser, service, one, round_trip_s) for one in channels]
            yield f"  at {words} round trips", in_words(returns)


def in_words(returns: list[Return]) -> str:
    """Word all returns: `whole in 1 request · 35 ms after the first was sent, …`."""
    counts = " or ".join(map(str, sorted({one.requests for one in returns})))
    asked = "1 request" if counts == "1" else f"{counts} requests"
    request_ms = median(one.since_request_s for one in returns) * 1000
    network_ms = median(one.since_network_s for one in returns) * 1000
    return (
        f"whole in {asked} · {request_ms:.0f} ms after the first was sent, "
        f"{network_ms:.0f} ms after the network was back (medians)"
    )


def _cut_once(
    browser: Browser, service: RunningService, channel: str, round_trip_s: float
) -> Return:
    """Have a page follow a new channel, be away while much is published, and come back."""
    publisher = Publisher(HttpOutlet(service.url, service.key))
    before = publisher.event(channel, "before").seq
    with (
        slow_browser(browser, service, round_trip_s) as (slow, line),
        watched_page(slow, has_outage=True) as page,
    ):
        page.goto(address_of(service, {"channel": channel}))
        _wait(page, "page.client.status === 'live'")
        page.context.set_offline(True)
        line.cut()
        _wait(page, "page.client.status !== 'live'")
        publisher.publish([_update(channel, number) for number in range(MISSED)])
        return _come_back(page, line, before)


def _come_back(page: Page, line: SlowLine, before: int) -> Return:
    """Give the page its network back; see to it that it is told of each update once, in order."""
    is_old = len(line.pieces)
    line.mend()
    page.evaluate("addEventListener('online', () => { page.onlineS = page.now(); })")
    page.context.set_offline(False)
    _wait(page, f"page.channel.position.seq === {before + MISSED}")
    seen: dict[str, Any] = page.evaluate("window.page")
    expected = list(range(before + 1, before + MISSED + 1))
    if seen["updates"] != expected:
        found = f"{len(seen['updates'])} updates from {seen['updates'][:3]} on"
        raise RuntimeError(f"the page was told {found}; expected {MISSED} after {before}")
    whole_s = seen["marks"]["updated"]
    return return_of(exchanges_of(line.pieces[is_old:]), seen["onlineS"], whole_s)


def return_of(exchanges: list[Exchange], online_s: float, whole_s: float) -> Return:
    """Count the polls that were sent before all was there."""
    polls = [one for one in exchanges if one.name == "GET /v1/updates" and one.sent_s < whole_s]
    return Return(len(polls), whole_s - online_s, whole_s - exchanges[0].sent_s)


def _update(channel: str, number: int) -> dict[str, Any]:
    data = {"number": number, "title": "an event of ordinary size"}
    if number % 10 == 0:
        return {"channel": channel, "op": "set", "key": f"k{number}", "data": data}
    return {"channel": channel, "op": "event", "data": data}


def _wait(page: Page, condition: str) -> None:
    page.wait_for_function(condition, timeout=WITHIN_S * 1000)
