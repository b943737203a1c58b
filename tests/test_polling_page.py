"""The pollers of docs/polling.md, run as they stand: each update comes out once and in order."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any

import pytest
from playwright.sync_api import Browser, expect

from bellwire.cursors import decode_cursor
from bellwire.errors import BadCursor
from bellwire.publisher import HttpOutlet, Publisher
from browsers import watched_page
from documents import REPOSITORY, blocks
from services import RunningService, running_service, same_ports

PAGE = "docs/polling.md"
CHANNEL = "public/news"
WITHIN_S = 40  # pollers wait up to 30 s between tries


class Printed:
    """The lines of a program's output, as they come."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._lines: list[str] = []

    def read(self, stream: IO[str]) -> None:
        """Read to the end."""
        for line in stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()

    def wait_for(self, is_there: Callable[[list[str]], bool]) -> list[str]:
        """Return the lines as soon as they have what is waited for."""
        with self._changed:
            found = self._changed.wait_for(lambda: is_there(self._lines), WITHIN_S)
            assert found, f"not within {WITHIN_S} s; printed: {self._lines}"
            return list(self._lines)


@contextmanager
def running(command: list[str], directory: Path, printed: Printed) -> Iterator[None]:
    """Run a poller in a directory, which keeps its cursor."""
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reading = Thread(target=printed.read, args=[process.stdout])
        reading.start()
        try:
            yield
        finally:
            process.terminate()
            reading.join(WITHIN_S)


def shell_seqs(lines: list[str]) -> list[int]:
    """Return the numbers that the curl loop printed; a line is an answer."""
    answers = [json.loads(line) for line in lines]
    return [update["s"] for one in answers for update in one["channels"][CHANNEL]["u"]]


def python_seqs(lines: list[str]) -> list[int]:
    """Return the numbers that the Python poller printed; a line is an update or a state."""
    updates = [json.loads(rest) for channel, rest in map(_split, lines) if channel == CHANNEL]
    return [update["s"] for update in updates if "s" in update]


def _split(line: str) -> list[str]:
    return line.split(" ", 1)


POLLERS = {
    "sh": (["sh", "-eu", "-c"], shell_seqs),
    "python": ([sys.executable, "-c"], python_seqs),
}


def publish(service: RunningService, *values: Any) -> None:
    publisher = Publisher(HttpOutlet(service.url, service.key))
    for value in values:
        publisher.event(CHANNEL, value)


@pytest.mark.parametrize("language", POLLERS)
def test_a_poller_prints_each_update_once_over_restarts_of_both(
    language: str, tmp_path: Path
) -> None:
    (example,) = blocks(PAGE, language)
    words, seqs = POLLERS[language]
    printed, kept = Printed(), tmp_path / "news.cursor"

    def wait_for(seq: int) -> None:
        printed.wait_for(lambda lines: seqs(lines)[-1:] == [seq])

    with running_service(tmp_path / "service", "--no-demo") as doomed:
        command = [*words, example.replace("http://127.0.0.1:8080", doomed.url)]
        with running(command, tmp_path, printed):
            printed.wait_for(lambda lines: len(lines) > 0)
            publish(doomed, 1, 'a "quote"], {"u":[]}', {"recovered": True, "u": []})
            wait_for(3)
            doomed.kill()
            with running_service(tmp_path / "service", "--no-demo", *same_ports(doomed)) as risen:
                publish(risen, 4, 5)
                wait_for(5)
                wait_until_kept(kept, 5)
        with running_service(tmp_path / "service", "--no-demo", *same_ports(doomed)) as risen:
            publish(risen, 6, 7)
            with running(command, tmp_path, printed):
                wait_for(7)
                publish(risen, 8)
                wait_for(8)
                wait_until_kept(kept, 8)
    assert seqs(printed.wait_for(lambda _: True)) == [1, 2, 3, 4, 5, 6, 7, 8]


def wait_until_kept(kept: Path, seq: int) -> None:
    """Wait until the file's cursor is there; killed sooner, a poller would print it again."""
    until_s = time.monotonic() + WITHIN_S
    while _seq_in(kept) != seq:
        assert time.monotonic() < until_s, f"not within {WITHIN_S} s: {seq} in {kept.read_text()}"
        time.sleep(0.01)


def _seq_in(kept: Path) -> int | None:
    try:
        return decode_cursor(kept.read_text()).positions[CHANNEL].seq
    except BadCursor:  # half of it is written
        return None


def test_the_python_poller_has_twenty_lines() -> None:
    (example,) = blocks(PAGE, "python")
    assert len(example.splitlines()) == 20


@pytest.fixture
def page_name() -> Iterator[str]:
    """Save the page where it says, under a name that is nobody's."""
    (page,) = blocks(PAGE, "html")
    saved = REPOSITORY / "browser_client" / "dist" / "dashboard" / f"old-{os.getpid()}.html"
    saved.write_text(page)
    yield saved.name
    saved.unlink()


def test_the_page_shows_what_is_published_once(
    tmp_path: Path, browser: Browser, page_name: str
) -> None:
    with running_service(tmp_path, "--no-demo") as service, watched_page(browser) as page:
        page.goto(f"{service.url}/{page_name}")
        expect(page.locator("#status")).to_have_text("polling", timeout=20_000)
        publish(service, {"title": "one"}, {"title": "two"})
        shown = page.locator("#news li")
        expect(shown).to_have_text(['{"title":"one"}', '{"title":"two"}'], timeout=20_000)
        publish(service, "three")
        expect(shown.nth(2)).to_have_text('"three"', timeout=20_000)
        expect(shown).to_have_count(3)
