"""README's examples, run as they stand against a running service; and its links."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from browsers import watched_page
from documents import REPOSITORY, anchors, blocks, links
from services import RunningService, running_service

PAGES = (
    "README.md",
    "PROTOCOL.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "browser_client/README.md",
    "docs/cross_account.md",
    "docs/failures.md",
    "docs/log.md",
    "docs/polling.md",
    "docs/presence.md",
    "infra/aws/COSTS.md",
    "infra/aws/README.md",
    "infra/local/README.md",
    "iot_policies/README.md",
    "iot_policies/TRUTH_TABLE.md",
)
COMMANDS = [block for block in blocks("README.md", "sh") if ".venv/bin/" in block]

# For machines without curl: README uses nothing of it but this.
CURL = """command -v curl >/dev/null || curl() {
  "$PYTHON" -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[2]).read().decode())' "$@"
}
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """What `make demo` starts, on free ports; two events are there already, as for a reader."""
    with running_service(tmp_path_factory.mktemp("demo")) as running:
        for title in ("first", "second"):
            running.publish("public/news", {"title": title}, "--event")
        yield running


def test_there_are_commands_to_run() -> None:
    assert len(COMMANDS) == 6


@pytest.mark.parametrize("commands", COMMANDS, ids=lambda text: text.splitlines()[0][:60])
def test_shell_commands_work(commands: str, demo: RunningService) -> None:
    commands = commands.replace("http://127.0.0.1:8080", demo.url)
    commands = commands.replace(".venv/bin/", shlex.quote(f"{Path(sys.executable).parent}/"))
    done = subprocess.run(
        ["sh", "-e", "-c", CURL + commands],
        cwd=REPOSITORY,
        env={**demo.environment, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_the_cursor_commands_bring_what_was_published_between(demo: RunningService) -> None:
    with_cursor = next(commands for commands in COMMANDS if "cursor" in commands)
    test_shell_commands_work(with_cursor, demo)
    told = demo.run("tail", "public/news", "--poll", "--rewind", "1", "--count", "1").stdout
    assert told.endswith('event {"title": "again"}\n')


def test_the_python_example_publishes(demo: RunningService) -> None:
    (example,) = [text for text in blocks("README.md", "python") if "Publisher" in text]
    done = subprocess.run(
        [sys.executable, "-c", example],
        env=demo.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    seqs = re.findall(r"Published\(channel='public/orders', epoch='\w+', seq=(\d+)", done.stdout)
    assert seqs == ["3"]


def test_the_python_example_reads(demo: RunningService) -> None:
    (example,) = [text for text in blocks("README.md", "python") if "Subscriber" in text]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", example.replace("http://127.0.0.1:8080", demo.url)],
        env=demo.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as reading:
        assert reading.stdout is not None
        line = reading.stdout.readline()
        reading.kill()
    assert line.startswith("public/host set ")


@pytest.fixture
def page_name() -> Iterator[str]:
    """Save README's page where README says, under a name that is nobody's."""
    (page,) = blocks("README.md", "html")
    saved = REPOSITORY / "browser_client" / "dist" / "dashboard" / f"hello-{os.getpid()}.html"
    saved.write_text(page)
    yield saved.name
    saved.unlink()


def test_the_page_shows_what_is_published(
    demo: RunningService, browser: Browser, page_name: str
) -> None:
    with watched_page(browser) as page:
        page.goto(f"{demo.url}/{page_name}")
        expect(page.locator("#status")).to_have_text("live", timeout=20_000)
        demo.publish("public/news", {"title": "to the page"}, "--event")
        expect(page.locator("#news li")).to_have_text('{"title":"to the page"}')


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = os.path.normpath(Path(page).parent / path) if path else page
        assert (REPOSITORY / target).exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", ["docs/failures.md", "infra/aws/README.md"])
def test_the_tests_named_are_there(page: str) -> None:
    named = set(re.findall(r"`(test_[a-z_]+)`", (REPOSITORY / page).read_text()))
    sources = [path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py")]
    there = {
        name for text in sources for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    }
    assert len(named) > 5
    assert named <= there


def test_the_tree_named_is_there() -> None:
    (tree,) = [block for block in blocks("README.md", "text") if block.startswith("backend/")]
    for line in tree.splitlines():
        assert (REPOSITORY / line.split()[0]).is_dir(), line


def test_the_make_targets_named_are_there() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (REPOSITORY / "README.md").read_text()))
    makefile = (REPOSITORY / "Makefile").read_text()
    development = {"check", "bench", "soak", "soak-client", "fuzz", "format", "clean", "help"}
    assert named == {"demo", "test", "test-engines"} | development
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_the_words_of_dev_named_are_there(demo: RunningService) -> None:
    text = (REPOSITORY / "README.md").read_text()
    section = text.partition("### Words of")[2].partition("## ")[0]
    named = set(re.findall(r"`(--[a-z-]+)", section))
    known = set(re.findall(r"(--[a-z-]+)", demo.run("dev", "--help").stdout)) - {"--help"}
    assert named == known
