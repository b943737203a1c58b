"""Fixtures that every test shares."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from browsers import running_browser
from services import RunningService, running_service

# How long an example takes says more about the machine than about the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests of a process; a test keeps to channels of its own."""
    with running_service(tmp_path_factory.mktemp("service"), "--no-demo") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module: longer, and its event loop would be in the way of others."""
    with running_browser() as running:
        yield running
