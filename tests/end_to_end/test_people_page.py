"""The page of people: two windows, two users, one room; and nothing left after a logout."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from browsers import watched_page
from services import RunningService

WITHIN_MS = 15_000


@pytest.fixture
def group() -> str:
    return f"ops-{uuid4().hex[:8]}"


@pytest.fixture
def window(browser: Browser, service: RunningService) -> Iterator[Page]:
    with watched_page(browser, is_refused=True) as page:
        page.goto(f"{service.url}/people.html")
        expect(page.get_by_test_id("status")).to_have_text("Live", timeout=WITHIN_MS)
        yield page


@pytest.fixture
def other_window(browser: Browser, service: RunningService) -> Iterator[Page]:
    with watched_page(browser) as page:
        page.goto(f"{service.url}/people.html")
        yield page


def log_in(page: Page, user: str, group: str) -> None:
    page.get_by_label("Name").fill(user)
    page.get_by_label("Groups").fill(f"{group}, {group}")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_test_id("who")).to_have_text(f"{user} of {group}", timeout=WITHIN_MS)


def test_two_people_see_each_other_and_only_their_own(
    window: Page, other_window: Page, service: RunningService, group: str
) -> None:
    alice, bob = f"alice-{group}", f"bob-{group}"
    expect(window.get_by_test_id("who")).to_have_text("A guest")
    log_in(window, alice, group)
    log_in(other_window, bob, group)
    for page in (window, other_window):
        expect(page.get_by_test_id("present")).to_have_text(f"{alice}, {bob}", timeout=WITHIN_MS)
    service.publish("inbox", {"title": "for alice"}, "--user", alice)
    service.publish(f"group/{group}/room", {"title": "for both"})
    expect(window.get_by_test_id("inbox").locator("li strong")).to_have_text("for alice")
    for page in (window, other_window):
        expect(page.locator("#rooms li strong")).to_have_text("for both")
    expect(other_window.get_by_test_id("inbox").locator("li")).to_have_count(0)

    window.get_by_role("button", name="Log out").click()
    expect(window.get_by_test_id("who")).to_have_text("A guest")
    expect(window.locator("li")).to_have_count(0)
    expect(other_window.get_by_test_id("present")).to_have_text(bob, timeout=WITHIN_MS)
    expect(window.get_by_test_id("problem")).to_be_empty()


def test_a_name_that_is_none_is_told(window: Page) -> None:
    window.get_by_label("Groups").fill("a/b")
    window.get_by_role("button", name="Log in").click()
    expect(window.get_by_test_id("problem")).to_contain_text("expected groups named by")
    expect(window.get_by_test_id("who")).to_have_text("A guest")
