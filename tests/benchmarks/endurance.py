"""What a million updates cost a page: CPU of each, and the memory that is left in use.

The built client (its core) gets them by its own socket's way, but from a broker that is played
inside the page, since no log here publishes so fast. Making the frames is measured by itself and
taken off; beside the client stands the least that can be done with a frame, `JSON.parse` and
`Map.set`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession, Page

from browsers import launch, watched_page
from services import RunningService, running_service

UPDATES: Final = 1_000_000
PARTS: Final = 4
ROUNDS: Final = 2
SCRIPT: Final = Path(__file__).with_name("endurance_page.js")
CHANNEL: Final = "public/bench.endurance"
WARM_UP: Final = 20_000
READY_WITHIN_S: Final = 30


def measure_endurance(browser: Browser, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the CPU by who takes the updates, a figure for each round; then the client's heap."""
    cpu_s: dict[str, list[float]] = {"nobody": [], "least": [], "client": []}
    with running_service(directory, "--no-demo") as service:
        service.publish(CHANNEL, 0, "--event")
        for _ in range(ROUNDS):
            for taker, spent in cpu_s.items():
                spent_s, heaps_bytes = _run(browser, service, taker)
                spent.append(spent_s)
    made_s = cpu_s["nobody"]
    yield f"{UPDATES:,} updates, 10 in a frame", "CPU of the page's process for each"
    yield "  the client", cpu_in_words(cpu_s["client"], made_s)
    yield f"  its heap, every {UPDATES // PARTS:,}", heaps_in_words(heaps_bytes)
    yield "  JSON.parse and Map.set alone", cpu_in_words(cpu_s["least"], made_s)
    yield "  making the frames, taken off", cpu_in_words(made_s, [0.0] * ROUNDS)


def _run(browser: Browser, service: RunningService, taker: str) -> tuple[float, list[int]]:
    """Feed one taker in a browser of its own; return its CPU seconds and heaps after collection."""
    own = launch(browser.browser_type)
    with watched_page(own) as page:
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.goto(f"{service.url}/v1/health")
        page.add_script_tag(content=SCRIPT.read_text(), type="module")
        page.wait_for_function("window.endurance", timeout=READY_WITHIN_S * 1000)
        system, tools = own.new_browser_cdp_session(), page.context.new_cdp_session(page)
        _feed(page, taker, WARM_UP)
        heaps_bytes, cpu_s = [_heap_bytes(tools)], 0.0
        for _ in range(PARTS):
            before_s = _cpu_s(system)
            _feed(page, taker, UPDATES // PARTS)
            cpu_s += _cpu_s(system) - before_s
            heaps_bytes.append(_heap_bytes(tools))
        if taker == "client":
            _check(page)
    own.close()
    return cpu_s, heaps_bytes


def _feed(page: Page, taker: str, count: int) -> None:
    page.evaluate("([taker, count]) => endurance.feed(taker, count)", [taker, count])


def _check(page: Page) -> None:
    """See to it that every update reached the application, and that nothing else did."""
    told: dict[str, int] = page.evaluate("endurance.told")
    keys, status = page.evaluate("[endurance.channel.state.size, endurance.client.status]")
    found = (told["updates"], told["states"], keys, status)
    expected = (UPDATES + WARM_UP, (UPDATES + WARM_UP) // 10, 100, "live")
    if found != expected:
        raise RuntimeError(f"updates, states, keys, status: {found}; expected {expected}")


def _cpu_s(system: CDPSession) -> float:
    """Add up the CPU of all renderers: of those only the page's has anything to do."""
    processes: list[dict[str, Any]] = system.send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(float(one["cpuTime"]) for one in processes if one["type"] == "renderer")


def _heap_bytes(tools: CDPSession) -> int:
    tools.send("HeapProfiler.collectGarbage")
    return int(tools.send("Runtime.getHeapUsage")["usedSize"])


def cpu_in_words(spent_s: list[float], taken_off_s: list[float]) -> str:
    """Word the CPU of one update, round by round: `3.21 · 3.30 µs`."""
    rounds = zip(spent_s, taken_off_s, strict=True)
    return " · ".join(f"{(one - off) / UPDATES * 1e6:.2f}" for one, off in rounds) + " µs"


def heaps_in_words(heaps_bytes: list[int]) -> str:
    """Word heaps one after another: `1.50 · 1.52 MB`."""
    return " · ".join(f"{one / 1e6:.2f}" for one in heaps_bytes) + " MB"
