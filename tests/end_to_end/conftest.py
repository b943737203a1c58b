"""Fixtures of the end-to-end stories."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from end_to_end.followers import Follower
from services import RunningService


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open an empty page."""
    with watched_page(browser) as opened:
        yield opened


@pytest.fixture
def page_in_outage(browser: Browser) -> Iterator[Page]:
    """Open an empty page whose network the story is going to break."""
    with watched_page(browser, has_outage=True) as opened:
        yield opened


@pytest.fixture
def publisher(service: RunningService) -> Publisher:
    """Publish to the shared service."""
    return Publisher(HttpOutlet(service.url, service.key))


@pytest.fixture
def channel(request: pytest.FixtureRequest) -> str:
    """Name a channel that no other test uses."""
    words = "".join(letter if letter.isalnum() else "." for letter in request.node.name)
    return f"public/{words[:64]}"


@pytest.fixture
def follower(page: Page, service: RunningService, channel: str) -> Follower:
    """Make ready a page that will follow the channel."""
    return Follower(page, service.url, channel)


@pytest.fixture
def follower_in_outage(page_in_outage: Page, service: RunningService, channel: str) -> Follower:
    """Make ready a page whose network the story is going to break."""
    return Follower(page_in_outage, service.url, channel)
