"""Checkups as tests run and read them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services import BELLWIRE, RunningService

STEPS = (
    "config",
    "session",
    "credentials",
    "subscribe",
    "publish",
    "received",
    "polled",
    "presence",
    "kicked",
)


class Report:
    """What a checkup printed, step by step."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        assert done.stderr == ""
        lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(set(line) == {"step", "ok", "found", "ms"} for line in lines)
        self.code = done.returncode
        self.steps = [line["step"] for line in lines]
        self.found = {line["step"]: line["found"] for line in lines}
        self.is_ok = {line["step"]: line["ok"] for line in lines}
        self.ms = {line["step"]: line["ms"] for line in lines}

    @property
    def failed(self) -> list[str]:
        return [step for step in self.steps if self.is_ok[step] is False]

    @property
    def skipped(self) -> list[str]:
        return [step for step in self.steps if self.is_ok[step] is None]


def check_up(service: RunningService, *words: str, **environment: str) -> Report:
    """Run `bellwire doctor --json`."""
    return report_of({**service.environment, **environment}, *words)


def report_of(
    environment: Mapping[str, str], *words: str, program: Sequence[str | Path] = (BELLWIRE,)
) -> Report:
    """Run it in an environment; `program` in the place of `bellwire`."""
    done = subprocess.run(
        [*program, "doctor", "--json", *words],
        capture_output=True,
        text=True,
        timeout=110,
        env=dict(environment),
    )
    return Report(done)
