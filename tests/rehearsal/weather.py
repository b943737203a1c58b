"""What goes wrong in functions, by a file that they read at each call: see `faulty`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAULTY = Path(__file__).parent / "faulty"


@dataclass(frozen=True, slots=True)
class Weather:
    """The file."""

    path: Path

    def for_functions(self) -> dict[str, str]:
        """Return the environment by which functions read it."""
        return {
            "WEATHER": str(self.path),
            "CALLS": str(self._calls),
            "PYTHONPATH": str(FAULTY),
        }

    @property
    def _calls(self) -> Path:
        return self.path.with_name("calls.txt")

    def calls(self) -> dict[str, set[str]]:
        """Tell which actions each function has taken, e.g. `{"wire-poll": {"dynamodb:Query"}}`."""
        taken: dict[str, set[str]] = {}
        for line in self._calls.read_text().splitlines():
            function, action = line.split()
            taken.setdefault(function, set()).add(action)
        return taken

    @contextmanager
    def of(self, **faults: Any) -> Iterator[None]:
        """Have some things go wrong until the block ends, e.g. `of(crash=0.05)`."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(faults))
        fresh.replace(self.path)
        try:
            yield
        finally:
            self.path.unlink()
