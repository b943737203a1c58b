"""`bellwire/react` in React 19 and a real browser: the built package as applications bundle it."""

import os
import subprocess

import pytest
from playwright.sync_api import Page, expect

from bellwire.publisher import Publisher
from documents import REPOSITORY
from services import RunningService

ESBUILD = REPOSITORY / "node_modules" / ".bin" / "esbuild"
SOURCE = REPOSITORY / "tests" / "end_to_end" / "react_page.jsx"
WITHIN_MS = 15_000


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bundle the page's script with React and the client, found by its package's exports."""
    packages = tmp_path_factory.mktemp("packages")
    (packages / "bellwire").symlink_to(REPOSITORY / "browser_client")
    done = subprocess.run(
        [ESBUILD, SOURCE, "--bundle", "--format=esm", "--jsx=automatic"],
        env={**os.environ, "NODE_PATH": str(packages), "NODE_ENV": "development"},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_components_show_what_is_published(
    page: Page, script: str, service: RunningService, publisher: Publisher, channel: str
) -> None:
    publisher.set(channel, "cpu", 1)
    publisher.set(f"{channel}.other", "doors", "open")
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(f"{service.url}/v1/health#{channel}")
    page.add_script_tag(content=script, type="module")
    values = page.get_by_test_id("values")
    expect(page.get_by_test_id("status")).to_have_text("live", timeout=WITHIN_MS)
    expect(values).to_have_text(["cpu 1", "cpu 1"])

    publisher.set(channel, "cpu", 2)
    publisher.event(channel, "a")
    publisher.event(channel, "b")
    expect(page.get_by_test_id("events")).to_have_text("a, b")
    expect(values).to_have_text(["cpu 2", "cpu 2"])

    page.get_by_role("button", name="Next").click()
    expect(values).to_have_text(['doors "open"', 'doors "open"'])
    publisher.delete(f"{channel}.other", "doors")
    expect(values).to_have_text(["", ""])
    page.get_by_role("button", name="Next").click()
    expect(values).to_have_text(["unknown", "unknown"])
    assert page.evaluate("reactPage.follows") == [
        ["ChannelAdded", channel],
        ["ChannelAdded", f"{channel}.other"],
        ["ChannelRemoved", channel],
        ["ChannelRemoved", f"{channel}.other"],
    ]
