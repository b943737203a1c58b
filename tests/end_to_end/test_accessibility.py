"""Both pages under axe-core, in both schemes and at three widths.

What it checks is a part only (https://github.com/dequelabs/axe-core, "philosophy"): the keyboard is
tried in test_misbehaving.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import watched_page
from services import RunningService, running_service

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
SIZES = ((375, 812), (1280, 800), (2560, 1440))
WITHIN_MS = 15_000

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run a service whose pages have something to show."""
    with running_service(tmp_path_factory.mktemp("demo")) as running:
        running.publish("public/news", {"title": "hello", "text": "world"}, "--event")
        yield running


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """Open an empty page in this scheme, where nothing is half faded in."""
    scheme: Scheme = request.param
    with watched_page(browser) as opened:
        opened.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        yield opened


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)
    page.add_script_tag(path=AXE)


def find_violations(page: Page) -> list[str]:
    """Say what axe finds at each width, such as `375: color-contrast: .remark (4.1, …)`."""
    found: list[str] = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        result: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
        found += [
            f"{width}: {rule['id']}: {node['html']} {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]
    return found


def test_the_dashboard_without_and_with_its_panel(page: Page, demo: RunningService) -> None:
    open_page(page, demo.url)
    expect(page.get_by_test_id("delay")).to_contain_text("p50")
    assert find_violations(page) == []
    page.get_by_role("button", name="Misbehave").click()
    page.get_by_role("button", name="Cut the connection").click()
    expect(page.get_by_test_id("story")).to_contain_text("Live again", timeout=WITHIN_MS)
    assert find_violations(page) == []


def test_the_page_of_people(page: Page, demo: RunningService) -> None:
    open_page(page, f"{demo.url}/people.html")
    assert find_violations(page) == []
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("present")).to_have_text("alice", timeout=WITHIN_MS)
    assert find_violations(page) == []


def test_axe_would_find_something(page: Page, demo: RunningService) -> None:
    open_page(page, demo.url)
    page.evaluate("document.querySelector('#host').style.color = 'var(--line)'")
    page.evaluate("document.querySelector('#misbehave-toggle').textContent = ''")
    found = "\n".join(find_violations(page))
    assert "color-contrast" in found
    assert "button-name" in found
