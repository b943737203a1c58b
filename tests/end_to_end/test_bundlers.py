"""Applications built by bundlers: tabs still find their worker, and share its socket."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser

from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from documents import REPOSITORY
from end_to_end.tabs import SCRIPT, Tab, count_workers, wait_for_sockets
from services import RunningService, running_service, service_of_pages

pytestmark = pytest.mark.timeout(500)  # the first of them builds with each bundler

BUNDLERS = ("vite-7", "vite-5", "webpack", "esbuild")
BUNDLE = Path(__file__).with_name("bundle.mjs")
PACKAGE = REPOSITORY / "browser_client"
INDEX = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>Tab</title>
<script type="module" src="./main.js"></script>
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that has the pages of each bundler in a folder of its name."""
    directory = tmp_path_factory.mktemp("bundled apps")
    site = directory / "site"
    shutil.copytree(PACKAGE / "dist", site)
    project = write_project(directory / "project")
    for bundler in BUNDLERS:
        bundle(bundler, project, site / "dashboard" / bundler)
    program = service_of_pages(site)
    with running_service(directory / "service", "--no-demo", program=program) as running:
        yield running


def write_project(project: Path) -> Path:
    """Write an application that has the package installed."""
    installed = project / "node_modules" / "bellwire"
    shutil.copytree(PACKAGE / "dist", installed / "dist")
    shutil.copy(PACKAGE / "package.json", installed)
    script = SCRIPT.read_text().replace('"/bellwire.js"', '"bellwire"')
    assert 'from "bellwire"' in script
    (project / "main.js").write_text(script)
    (project / "package.json").write_text('{"name":"application","type":"module"}')
    (project / "index.html").write_text(INDEX)
    return project


def bundle(bundler: str, project: Path, out: Path) -> None:
    done = subprocess.run(
        ["node", BUNDLE, bundler, project, out],
        cwd=project,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},  # the bundlers' own are none of Node's
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("bundler", BUNDLERS)
def test_the_bundled_client_shares_its_socket(
    bundler: str, browser: Browser, service: RunningService
) -> None:
    channel = f"public/{uuid4().hex[:8]}"
    publisher = Publisher(HttpOutlet(service.url, service.key))
    publisher.event(channel, 1)
    with watched_page(browser) as first:
        tabs = [Tab(page, service, f"/{bundler}/") for page in (first, first.context.new_page())]
        for tab in tabs:
            tab.open(channel)
        for tab in tabs:
            tab.wait_for_status("live")
            tab.wait_for_seq(channel, 1)
        wait_for_sockets(service, 1)
        assert count_workers(browser) == 1
        last = publisher.event(channel, "pushed").seq
        for tab in tabs:
            tab.wait_for_push(channel, last)
            tab.wait_for_seq(channel, last)
            assert tab.told(channel) == [last]
