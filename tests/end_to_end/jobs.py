"""Backend jobs as processes of their own, and the log as a poller reads it from the beginning."""

import json
from collections.abc import Iterator
from threading import Condition
from typing import IO, Any
from urllib.parse import urlencode
from urllib.request import urlopen

from services import RunningService

WAITING_TOGETHER = 3


class Tally:
    """What has been acknowledged so far: the position of every id."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.positions: dict[str, tuple[str, int]] = {}

    def note(self, update_id: str, result: dict[str, Any]) -> None:
        """Take down an acknowledgement; one id stands at one position, however often it is told."""
        position = (result["epoch"], result["seq"])
        with self._changed:
            assert self.positions.setdefault(update_id, position) == position
            self._changed.notify_all()

    def wait_for(self, count: int, *, within_s: float = 20) -> None:
        """Wait until that many have been acknowledged."""
        with self._changed:
            found = self._changed.wait_for(lambda: len(self.positions) >= count, within_s)
        assert found, f"not within {within_s} s: {count} acknowledged; seen: {len(self.positions)}"


def publish_lines(
    service: RunningService, channel: str, name: str, lines: int, tally: Tally
) -> tuple[int, str]:
    """Have `bellwire publish` publish `"name 1"`, `"name 2"` …; return its exit code and stderr.

    A job that failed is started again with all of its lines: their ids are the same again.
    """
    process = service.start("publish", channel, "-", "--id", name)
    assert process.stdin is not None
    assert process.stdout is not None
    numbers = range(1, lines + 1)
    for start in range(0, lines, WAITING_TOGETHER):
        together = numbers[start : start + WAITING_TOGETHER]
        if not _feed(process.stdin, "".join(f'"{name} {number}"\n' for number in together)):
            break
        for number in together:
            line = process.stdout.readline()
            if line:
                tally.note(f"{name}.{number}", json.loads(line))
    _, errors = process.communicate(timeout=20)
    return process.returncode, errors


def _feed(stdin: IO[str], lines: str) -> bool:
    try:
        stdin.write(lines)
        stdin.flush()
    except BrokenPipeError:
        return False
    return True


def read_from_the_beginning(service: RunningService, channel: str, cursor: str) -> dict[str, Any]:
    """Poll on from a cursor until there is no more, as one answer for the channel."""
    answers = list(_answers(service.url, cursor))
    parts = [answer["channels"][channel] for answer in answers]
    assert {part["recovered"] for part in parts} == {True}
    return {
        "epochs": {part["e"] for part in parts},
        "l": parts[-1]["l"],
        "u": [update for part in parts for update in part["u"]],
    }


def first_cursor(service: RunningService, channel: str) -> str:
    """Ask for a channel for the first time."""
    return str(_ask(service.url, {"channels": channel})["cursor"])


def _answers(url: str, cursor: str) -> Iterator[dict[str, Any]]:
    has_more = True
    while has_more:
        answer = _ask(url, {"cursor": cursor})
        yield answer
        cursor, has_more = answer["cursor"], answer["more"]


def _ask(url: str, query: dict[str, str]) -> dict[str, Any]:
    with urlopen(f"{url}/v1/updates?{urlencode(query)}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
