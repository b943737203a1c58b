"""The dashboard page in a real browser, on a feed that the test drives instead of the client."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import watched_page

REPOSITORY = Path(__file__).parents[3]
DASHBOARD = REPOSITORY / "browser_client" / "dashboard"
CPU = "{percent: 23.4, cores: [12.1, 40.0]}"
SET_EVERYTHING = """
    const percent = PERCENT, bytes = percent * 1e8, name = `process ${percent}`;
    const memory = { total_bytes: 1e10, used_bytes: bytes, available_bytes: bytes, percent };
    const processes = Array(8).fill({ pid: 1, name, cpu_percent: percent, memory_bytes: bytes });
    host.set("cpu", { percent, cores: [percent, percent] }, now);
    host.set("memory", { ...memory, swap_total_bytes: 0, swap_used_bytes: 0 }, now);
    host.set("network", { received_bytes_per_s: bytes, sent_bytes_per_s: bytes }, now);
    host.set("load", { m1: percent, m5: percent, m15: percent, cores: 2 }, now);
    host.set("processes", processes, now);
"""
SUM_SHIFTS = """() => {
    let sum = 0;
    const add = (entries) => { for (const { value } of entries) sum += value; };
    const observer = new PerformanceObserver((list) => add(list.getEntries()));
    observer.observe({ type: "layout-shift" });
    window.shifted = () => { add(observer.takeRecords()); return sum; };
}"""


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without writing every request to stderr."""

    def log_message(self, *_: object) -> None:
        """Keep silent."""


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the page with a fake feed in place of the client."""
    root = tmp_path_factory.mktemp("page")
    for page in DASHBOARD.iterdir():
        if page.suffix in (".html", ".css", ".svg"):
            shutil.copy(page, root)
    esbuild = REPOSITORY / "node_modules" / ".bin" / "esbuild"
    source = Path(__file__).with_name("fake_host.ts")
    flags = ["--bundle", "--format=esm", "--log-level=warning", f"--outfile={root / 'main.js'}"]
    subprocess.run([esbuild, source, *flags], check=True, timeout=30)
    handler = partial(QuietFiles, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/?still"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, page_url: str) -> Iterator[Page]:
    """Open the page."""
    with watched_page(browser) as opened:
        opened.goto(page_url)
        expect(opened).to_have_title("Connecting · Bellwire")
        yield opened


def tell(page: Page, script: str) -> None:
    """Run `script` in the page, with `feed`, `host`, `news` and `now` at hand."""
    page.evaluate(
        f"""() => {{
            const {{feed}} = fakeHost, now = Date.now();
            const host = feed.channel("public/host"), news = feed.channel("public/news");
            {script}
        }}"""
    )


def test_values_status_and_delay_are_shown(page: Page) -> None:
    tell(page, f'feed.become("live", "push"); host.set("cpu", {CPU}, now);')
    expect(page.get_by_test_id("cpu-total")).to_contain_text("23.4\u00a0%")
    expect(page.get_by_test_id("cores").locator("li")).to_have_text(["012\u00a0%", "140\u00a0%"])
    expect(page.get_by_test_id("status")).to_have_text("Live")
    expect(page.get_by_test_id("transport")).to_have_text("push over WebSocket")
    expect(page.get_by_test_id("delay")).to_contain_text("p50")
    expect(page).to_have_title("Live · Bellwire")
    assert page.evaluate("fakeHost.page.delays.count") == 1


def test_a_lost_connection_makes_the_screen_stale(page: Page) -> None:
    tell(page, f'feed.become("live", "push"); host.set("cpu", {CPU}, now);')
    expect(page.locator("body")).to_have_attribute("data-freshness", "fresh")
    tell(page, 'feed.become("offline", null);')
    expect(page.locator("body")).to_have_attribute("data-freshness", "stale")
    expect(page.get_by_test_id("freshness")).to_contain_text("Stale since")
    expect(page).to_have_title("Stale · Bellwire")


def test_a_refusal_is_said_with_its_reason(page: Page) -> None:
    tell(page, 'feed.become("failed", null); feed.tell("error", new Error("found status 404"));')
    expect(page.get_by_test_id("freshness")).to_have_text("No values: found status 404")


def test_old_values_on_a_good_connection_are_stale(page: Page) -> None:
    tell(
        page,
        f"""feed.become("live", "push");
        news.event("now", now);
        host.set("cpu", {CPU}, now - 60000);""",
    )
    expect(page.get_by_test_id("freshness")).to_contain_text("1\u00a0min ago")
    expect(page.locator("body")).to_have_attribute("data-freshness", "stale")


def test_news_are_text_and_newest_first(page: Page) -> None:
    tell(
        page,
        """news.event({title: "first", text: "more"}, now);
        news.event('<img src=x onerror="window.harmed = true">', now);""",
    )
    titles = page.get_by_test_id("news").locator("li strong")
    expect(titles).to_have_text(['<img src=x onerror="window.harmed = true">', "first"])
    assert page.get_by_test_id("news").locator("img").count() == 0


@pytest.mark.parametrize("garbage", ["null", "[1, 2]", "'<b>'", "{percent: 'x', cores: {}}"])
def test_garbage_is_no_data(page: Page, garbage: str) -> None:
    keys = ["cpu", "memory", "network", "load", "processes"]
    tell(page, f"for (const key of {keys}) host.set(key, {garbage}, now);")
    for test_id in ("cpu-total", "memory", "network", "load"):
        expect(page.get_by_test_id(test_id).locator("output")).to_have_text("no data")
    expect(page.get_by_test_id("cores")).to_contain_text("no data")


@pytest.mark.parametrize("width", [360, 800, 1440, 1920])
def test_nothing_overflows_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    tell(page, f'host.set("cpu", {CPU}, now); news.event("x".repeat(400), now);')
    expect(page.get_by_test_id("news").locator("li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [375, 800, 1280, 2560])
def test_values_that_arrive_and_grow_move_nothing(
    browser: Browser, page_url: str, width: int
) -> None:
    """A sum of layout shifts up to 0.1 is "good": https://web.dev/articles/cls."""
    with watched_page(browser) as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(page_url)
        expect(page.get_by_test_id("status")).to_have_text("Connecting")
        page.evaluate(SUM_SHIFTS)
        tell(page, 'feed.become("live", "push");')
        for percent in (0, 9.9, 100):
            tell(page, SET_EVERYTHING.replace("PERCENT", str(percent)))
            expect(page.get_by_test_id("cpu-total")).to_contain_text(f"{percent:.1f}\u00a0%")
            page.evaluate("() => new Promise(drawn => requestAnimationFrame(drawn))")
        assert page.evaluate("shifted()") < 0.005
