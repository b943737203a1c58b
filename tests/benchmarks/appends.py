"""Appends to the SQL log itself, without HTTP."""

from pathlib import Path

from bellwire.sql.engine import open_sqlite
from bellwire.updates import Draft
from benchmarks.figures import durations_ms
from benchmarks.stores import log_on

TIMES = 2000
WARM_UP = 200


def measure_appends(directory: Path) -> list[float]:
    """Append one event at a time to a SQLite file as the service opens it."""
    engine = open_sqlite(directory / "appends.db")
    log = log_on(engine)
    draft = Draft("event", data={"title": "an event of ordinary size", "number": 7})
    try:
        return durations_ms(
            lambda: log.append("public/bench", [draft]), times=TIMES, warm_up=WARM_UP
        )
    finally:
        engine.dispose()
