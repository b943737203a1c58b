"""The dashboard's panel: what a visitor breaks mends before their eyes, and nothing is lost."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browsers import watched_page
from services import RunningService, running_service

WITHIN_MS = 60_000
STOPS = [
    *("Close", "Chaos", "All well again", "Cut the connection", "Expire credentials"),
    *("drop", "duplicate", "reorder", "let in", "What the client does, newest first"),
    *("Copy the command", "News, newest first"),
]
NAME_OF_FOCUS = """() => {
    const { ariaLabel, labels, textContent } = document.activeElement;
    return ariaLabel ?? (labels?.[0]?.querySelector("span") ?? labels?.[0])?.textContent.trim()
        ?? textContent;
}"""
KEPT = "lost\u00a00 · doubled\u00a00 · out\u00a0of\u00a0order\u00a00"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run a fresh service with the demo on: its faults are nobody else's."""
    with running_service(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def dashboard(browser: Browser, demo: RunningService) -> Iterator[Page]:
    """Open the dashboard and its panel; whatever was broken is well again afterwards."""
    with watched_page(browser, is_refused=True) as page:
        page.goto(demo.url)
        expect(page.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)
        page.get_by_role("button", name="Misbehave").click()
        yield page
        page.get_by_role("button", name="All well again").click()
        expect(page.get_by_test_id("in-force")).to_have_text("In force: nothing")
        expect(page.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)
        expect(page.get_by_test_id("verdict")).to_have_text(KEPT)


def story(page: Page, words: str) -> Locator:
    return page.get_by_test_id("story").locator("li").filter(has_text=re.compile(words))


def expect_story(page: Page, words: str) -> None:
    expect(story(page, words).first).to_be_attached(timeout=WITHIN_MS)


def count(page: Page, name: str) -> int:
    figure: int = page.evaluate(f"bellwireDashboard.story.counts.{name}")
    return figure


def test_chaos_by_keyboard_is_recovered_from_and_nothing_is_lost(dashboard: Page) -> None:
    for name in ("Close", "Chaos"):
        dashboard.keyboard.press("Tab")
        expect(dashboard.get_by_role("button", name=name)).to_be_focused()
    dashboard.keyboard.press("Enter")
    expect(dashboard.get_by_test_id("in-force")).to_contain_text("drop 10\u00a0%")
    expect(dashboard.get_by_role("slider", name="drop")).to_have_value("10")
    for words in ("missing on public/host", "Filled: ", "Socket lost", "Live again after"):
        expect_story(dashboard, words)
    told = count(dashboard, "told")
    assert (told > 0, count(dashboard, "gaps") > 0, count(dashboard, "filled") > 0) == (True,) * 3
    dashboard.wait_for_function(
        f"bellwireDashboard.story.counts.told >= {told + 40}", timeout=WITHIN_MS
    )
    expect(dashboard.get_by_test_id("verdict")).to_have_text(KEPT)
    expect(dashboard.locator("body")).to_have_attribute("data-freshness", "fresh")


def test_the_tab_key_stops_at_every_control_once_and_leaves(dashboard: Page) -> None:
    stops = []
    for _ in STOPS:
        dashboard.keyboard.press("Tab")
        stops.append(dashboard.evaluate(NAME_OF_FOCUS))
        assert dashboard.evaluate("document.activeElement.matches(':focus-visible')")
    assert stops == STOPS
    dashboard.keyboard.press("Tab")
    assert dashboard.evaluate("document.activeElement === document.body")


@pytest.mark.parametrize("how", ["refused", "hijacked"])
def test_a_blocked_socket_is_polled_for_until_it_is_let_in(dashboard: Page, how: str) -> None:
    dashboard.get_by_role("radio", name=how).check()
    expect(dashboard.get_by_test_id("status")).to_have_text("Polling", timeout=WITHIN_MS)
    expect(dashboard.get_by_test_id("transport")).to_have_text("poll over HTTP")
    expect_story(dashboard, "Socket refused")
    expect_story(dashboard, "Polled.*public/host")
    dashboard.get_by_role("radio", name="let in").check()
    expect(dashboard.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)


def test_a_cut_and_an_expiry_mend_by_themselves(dashboard: Page) -> None:
    dashboard.get_by_role("button", name="Cut the connection").click()
    expect_story(dashboard, "Socket lost")
    expect_story(dashboard, r"Live again after \d+\.\d")
    dashboard.get_by_role("button", name="Expire credentials").click()
    expect_story(dashboard, "New credentials")
    expect(dashboard.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)


def test_a_chance_is_set_by_arrow_keys_beside_the_others(dashboard: Page) -> None:
    dashboard.get_by_role("slider", name="duplicate").press("ArrowRight")
    expect(dashboard.get_by_test_id("in-force")).to_have_text("In force: duplicate 5\u00a0%")
    dashboard.get_by_role("slider", name="reorder").press("ArrowRight")
    expect(dashboard.get_by_test_id("in-force")).to_have_text(
        "In force: duplicate 5\u00a0%, reorder 5\u00a0%"
    )
    expect_story(dashboard, "Duplicate dropped on public/host")


def test_escape_closes_the_panel_and_goes_back_to_where_it_was_opened(dashboard: Page) -> None:
    toggle = dashboard.locator("#misbehave-toggle")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    dashboard.get_by_role("button", name="Chaos").press("Escape")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    expect(toggle).to_be_focused()
    expect(dashboard.get_by_test_id("misbehave")).to_be_hidden()
    dashboard.keyboard.press("Enter")
    expect(dashboard.get_by_test_id("misbehave")).to_be_visible()


def test_where_nothing_can_be_broken_there_is_no_panel(page: Page, demo: RunningService) -> None:
    page.route("**/dev/faults", lambda route: route.fulfill(status=200, body="no JSON"))
    with page.expect_response("**/dev/faults"):
        page.goto(demo.url)
    expect(page.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)
    expect(page.locator("#misbehave-toggle")).to_be_hidden()
    expect(page.get_by_test_id("misbehave")).to_be_hidden()
