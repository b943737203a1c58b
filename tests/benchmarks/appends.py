"""Appends to the SQL log itself, without HTTP."""

import secrets
import time
from pathlib import Path

from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft
from benchmarks.figures import durations_ms

TIMES = 2000
WARM_UP = 200
DAY_MS = 24 * 3_600_000


def measure_appends(directory: Path) -> list[float]:
    """Append one event at a time to a SQLite file as the service opens it."""
    engine = open_sqlite(directory / "appends.db")
    log = SqlLog(
        engine,
        retention_ms=DAY_MS,
        id_window_ms=DAY_MS,
        now_ms=lambda: time.time_ns() // 1_000_000,
        noise=secrets.token_bytes,
    )
    draft = Draft("event", data={"title": "an event of ordinary size", "number": 7})
    try:
        return durations_ms(
            lambda: log.append("public/bench", [draft]), times=TIMES, warm_up=WARM_UP
        )
    finally:
        engine.dispose()
