"""Read the rows under tests/vectors/, which the TypeScript tests read as well."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors"


def rows(file: str, group: str) -> list[Any]:
    """Return one group of rows of one file, e.g. `rows("cursors", "valid")`."""
    found: list[Any] = json.loads((VECTORS / f"{file}.json").read_text())[group]
    return found


def name_of(row: dict[str, Any]) -> str:
    """Name a row for a test's id."""
    return str(row.get("name") or row.get("channel"))
