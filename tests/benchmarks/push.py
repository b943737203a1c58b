"""From the publisher's call to the browser's callback, at a steady rate."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser

from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from services import RunningService

CHANNEL = "public/bench"
RATE_PER_S = 50
WARM_UP = 10 * RATE_PER_S
MEASURED = 40 * RATE_PER_S
ARRIVED_WITHIN_S = 60

FOLLOW = """
    import { connect } from "/bellwire.js";
    const client = connect({ url: "/v1" });
    const arrivals = [];
    client.channel("public/bench").on("update", ({ data }) => {
        const delayMs = performance.timeOrigin + performance.now() - data.called_at_ms;
        arrivals.push([data.number, delayMs]);
    });
    window.bench = { client, arrivals };
"""


@dataclass(frozen=True)
class PushFigures:
    """What a run at a steady rate showed, warm-up left out."""

    delays_ms: list[float]
    calls_ms: list[float]
    achieved_per_s: float
    missed: int
    doubled: int
    reordered: int


def measure_push(browser: Browser, service: RunningService) -> PushFigures:
    """Publish from a process of its own to one page."""
    with watched_page(browser) as page, _own_process() as publisher:
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.goto(f"{service.url}/v1/health")
        page.add_script_tag(content=FOLLOW, type="module")
        page.wait_for_function("window.bench?.client.status === 'live'")
        run = publisher.submit(publish_steadily, service.url, service.key)
        calls_ms, achieved_per_s = run.result()
        page.wait_for_function(
            f"new Set(bench.arrivals.map(([number]) => number)).size === {WARM_UP + MEASURED}",
            polling=500,
            timeout=ARRIVED_WITHIN_S * 1000,
        )
        arrivals: list[tuple[int, float]] = page.evaluate("bench.arrivals")
    return _figures(arrivals, calls_ms, achieved_per_s)


def publish_steadily(url: str, key: str) -> tuple[list[float], float]:
    """Publish numbered events at the rate; return each call's duration and the rate achieved."""
    publisher = Publisher(HttpOutlet(url, key))
    calls_ms: list[float] = []
    began_s = time.perf_counter()
    for number in range(WARM_UP + MEASURED):
        due_s = began_s + number / RATE_PER_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        call_s = time.perf_counter()
        publisher.event(CHANNEL, _payload(number))
        calls_ms.append((time.perf_counter() - call_s) * 1000)
    elapsed_s = time.perf_counter() - began_s
    return calls_ms[WARM_UP:], (WARM_UP + MEASURED) / elapsed_s


def _payload(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "called_at_ms": time.time_ns() / 1_000_000,
        "title": "a reading of ordinary size",
    }


def _own_process() -> ProcessPoolExecutor:
    """A thread here would share its interpreter with what watches the browser."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _figures(
    arrivals: list[tuple[int, float]], calls_ms: list[float], achieved_per_s: float
) -> PushFigures:
    numbers = [number for number, _ in arrivals]
    return PushFigures(
        delays_ms=[delay_ms for number, delay_ms in arrivals if number >= WARM_UP],
        calls_ms=calls_ms,
        achieved_per_s=achieved_per_s,
        missed=WARM_UP + MEASURED - len(set(numbers)),
        doubled=len(numbers) - len(set(numbers)),
        reordered=sum(later < earlier for earlier, later in pairwise(numbers)),
    )
