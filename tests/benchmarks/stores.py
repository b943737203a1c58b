"""The stores that the log is measured in, opened as a service opens them."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from bellwire.sql.engine import open_postgres, open_sqlite
from bellwire.sql.log import SqlLog
from postgres import running_postgres

DAY_MS = 24 * 3_600_000
CONNECTIONS = 16


def log_on(engine: Engine) -> SqlLog:
    """Make a log that keeps everything for a day."""
    return SqlLog(
        engine,
        retention_ms=DAY_MS,
        id_window_ms=DAY_MS,
        now_ms=lambda: time.time_ns() // 1_000_000,
        noise=secrets.token_bytes,
    )


@contextmanager
def sql_stores(directory: Path) -> Iterator[dict[str, Engine]]:
    """Open an empty store of each kind, both on the directory's disk."""
    directory.mkdir()
    sqlite = open_sqlite(directory / "log.db", pool_size=CONNECTIONS)
    with running_postgres(directory.parent) as url:
        postgres = open_postgres(url, pool_size=CONNECTIONS)
        yield {"SQLite": sqlite, "PostgreSQL": postgres}
        postgres.dispose()
    sqlite.dispose()
