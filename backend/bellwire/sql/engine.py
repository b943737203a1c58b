"""Open the database of the SQL log, and turn its errors into Bellwire's.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged is on the disk.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from bellwire.errors import Upstream
from bellwire.sql.tables import metadata

BUSY_TIMEOUT_MS = 5_000


def open_sqlite(
    path: Path, *, pool_size: int = 5, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> Engine:
    """Open or create a log in a SQLite file.

    Args:
        path: the file; its directory must be there.
        pool_size: how many threads may use it at the same time.
        busy_timeout_ms: how long another process's lock is waited for.

    Raises:
        Upstream: the file cannot be opened, or is not a database.
    """
    with mapped_errors(f"the update log {path}"):
        engine = create_engine(
            f"sqlite:///{path}",
            pool_size=pool_size,
            connect_args={"timeout": busy_timeout_ms / 1000},
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        metadata.create_all(engine)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read in one transaction, which sees one moment of the database."""
    with mapped_errors("the update log"), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Write in one transaction, all or nothing; writers on SQLite go one after another."""
    with (
        mapped_errors("the update log"),
        engine.connect().execution_options(is_writing=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def mapped_errors(what: str) -> Iterator[None]:
    """Turn every error of the database layer into `Upstream`, told in the database's words."""
    try:
        yield
    except DBAPIError as error:
        raise Upstream(f"{what} could not be used: {error.orig}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise Upstream(f"{what} could not be used: {error}") from error


def _configure_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    # SQLAlchemy's documentation, "Serializable isolation / Savepoints / Transactional DDL":
    # the driver must not begin transactions by itself, so that _begin_sqlite can.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")
