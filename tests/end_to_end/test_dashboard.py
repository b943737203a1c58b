"""The dashboard with the demo on: this machine's own values, live, and the news."""

import re
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import watched_page
from services import RunningService, running_service

VALUE = re.compile(r"\d")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run a fresh service with the demo on."""
    with running_service(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def dashboard(browser: Browser, demo: RunningService) -> Iterator[Page]:
    """Open the dashboard and wait until it is live."""
    with watched_page(browser) as page:
        page.goto(demo.url)
        expect(page.get_by_test_id("status")).to_have_text("Live", timeout=15_000)
        expect(page.get_by_test_id("transport")).to_have_text("push over WebSocket")
        yield page


def test_every_panel_shows_this_machine(dashboard: Page) -> None:
    for panel in ("cpu-total", "memory", "network", "load"):
        expect(dashboard.get_by_test_id(panel).locator("output")).to_have_text(VALUE)
    expect(dashboard.get_by_test_id("processes").locator("tbody tr").first).to_be_visible()
    expect(dashboard.get_by_test_id("delay")).to_contain_text("p50")
    cores = dashboard.get_by_test_id("cores").locator("li")
    expect(cores).to_have_count(psutil.cpu_count() or 0)
    remark = dashboard.get_by_test_id("memory").locator("small").inner_text()
    total = re.fullmatch(r".* of ([\d.]+)\u00a0GiB", remark)
    assert total is not None, remark
    assert float(total[1]) == pytest.approx(psutil.virtual_memory().total / 2**30, abs=0.06)


def test_values_change_at_least_twice_a_second(dashboard: Page) -> None:
    dashboard.evaluate(
        """() => {
            window.samples = [];
            bellwireDashboard.client.channel("public/host").on("update", ({ key }) => {
                const shown = document.querySelector("[data-testid=cpu-total] output");
                if (key === "cpu") samples.push(shown.textContent);
            });
        }"""
    )
    dashboard.wait_for_function("samples.length >= 20", timeout=10_000)
    assert len(set(dashboard.evaluate("samples"))) > 1


def test_the_first_news_ever_appear_and_so_do_the_second(
    dashboard: Page, demo: RunningService
) -> None:
    titles = dashboard.get_by_test_id("news").locator("li strong")
    first = demo.publish("public/news", {"title": "the first"}, "--event")
    assert first["seq"] == 1
    expect(titles).to_have_text(["the first"])
    demo.publish("public/news", {"title": "the second"}, "--event")
    expect(titles).to_have_text(["the second", "the first"])
