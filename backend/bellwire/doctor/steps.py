"""The steps of a checkup: what came of each, in which order they can be taken, and their look."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bellwire.errors import BellwireError
from bellwire.wire_json import Json

_WORDS: Final = {True: "ok", False: "FAIL", None: "skip"}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step that was not taken, and what it would take."""

    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step; `take` returns what it found, or raises `BellwireError`.

    Attributes:
        needs: the steps without whose success this one would say nothing.
    """

    name: str
    take: Callable[[], str | Skipped]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFinding:
    """What came of a step, in words; `is_ok` is None where it was not taken."""

    step: str
    is_ok: bool | None
    found: str
    took_ms: int = 0

    def to_line(self) -> str:
        """Write `ok    polled        public/doctor k3f9x0ab 7`."""
        return f"{_WORDS[self.is_ok]:<6}{self.step:<14}{self.found}"

    def to_wire(self) -> dict[str, Json]:
        """Shape `{"step":"polled","ok":true,"found":"public/doctor k3f9x0ab 7","ms":12}`."""
        return {"step": self.step, "ok": self.is_ok, "found": self.found, "ms": self.took_ms}


def take(steps: Iterable[Step]) -> Iterator[StepFinding]:
    """Take steps one after another, except for those that need one that did not succeed."""
    lacking: set[str] = set()
    for step in steps:
        missing = next((name for name in step.needs if name in lacking), None)
        if missing is None:
            finding = take_one(step)
        else:
            finding = StepFinding(step.name, None, f"needs {missing}")
        if finding.is_ok is not True:
            lacking.add(step.name)
        yield finding


def take_one(step: Step) -> StepFinding:
    """Take a step."""
    began_s = time.monotonic()
    is_ok: bool | None = True
    try:
        found = step.take()
    except BellwireError as error:
        is_ok, found = False, error.message
    if isinstance(found, Skipped):
        is_ok, found = None, found.why
    # One line, whatever a service has answered.
    line = " ".join(found.split())
    return StepFinding(step.name, is_ok, line, round((time.monotonic() - began_s) * 1000))
