"""Open the database of the SQL log, and turn its errors into Bellwire's.

SQLite runs in WAL mode with `synchronous=FULL`: what was acknowledged is on the disk. PostgreSQL
keeps its own promise of the same (`synchronous_commit`, on unless somebody turned it off).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from bellwire.errors import Upstream
from bellwire.sql.incarnation import claim_postgres, claim_sqlite
from bellwire.sql.schema import metadata

BUSY_TIMEOUT_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 15_000
STARTING_LOCK: Final = 0x62656C6C  # "bell": any number that no other program uses


@dataclass(frozen=True, slots=True)
class _Turn:
    """Whose turn it is to write a SQLite file, among the threads of this process.

    SQLite's own waiting is by sleeping and trying again: with many writers one of them may find
    the file locked for a second on end.
    """

    lock: Lock
    timeout_s: float


_turns: WeakKeyDictionary[Engine, _Turn] = WeakKeyDictionary()


def open_sqlite(
    path: Path, *, pool_size: int = 5, busy_timeout_ms: int = BUSY_TIMEOUT_MS
) -> Engine:
    """Open or create a log in a SQLite file.

    Args:
        path: the file; its directory must be there.
        pool_size: how many threads may use it at the same time.
        busy_timeout_ms: how long another process's lock is waited for.

    Raises:
        Upstream: the file cannot be opened, is not a database, or not one of this version.
    """
    with mapped_errors(f"the update log {path}"):
        engine = create_engine(
            f"sqlite:///{path}",
            pool_size=pool_size,
            connect_args={"timeout": busy_timeout_ms / 1000},
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        _turns[engine] = _Turn(Lock(), busy_timeout_ms / 1000)
        metadata.create_all(engine)
        with writing(engine) as connection:
            claim_sqlite(connection, path)
    return engine


def open_postgres(
    url: str, *, pool_size: int = 5, lock_timeout_ms: int = BUSY_TIMEOUT_MS
) -> Engine:
    """Open or create a log in a PostgreSQL database, e.g. `"postgresql+psycopg://host/bellwire"`.

    Args:
        url: SQLAlchemy's form; needs psycopg (the extra `postgres`).
        pool_size: how many threads may use it at the same time.
        lock_timeout_ms: how long another writer's lock is waited for.

    Raises:
        Upstream: the server does not answer or does not admit us, or holds another version.
    """
    options = f"-c lock_timeout={lock_timeout_ms} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    with mapped_errors("the update log in PostgreSQL"):
        engine = create_engine(
            url,
            pool_size=pool_size,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",  # what is read together is of one moment
            connect_args={"options": options, "connect_timeout": 5},
        )
        with writing(engine) as connection:
            # One at a time: CREATE TABLE IF NOT EXISTS of two who start together can collide.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({STARTING_LOCK})"))
            metadata.create_all(connection)
            claim_postgres(connection)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read in one transaction, which sees one moment of the database."""
    with mapped_errors("the update log"), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Write in one transaction, all or nothing.

    Writers on SQLite go one after another; on PostgreSQL those of one channel do, by its head's
    lock, after which they must see what the one before wrote.
    """
    options: dict[str, Any] = {"is_writing": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "READ COMMITTED"
    with (
        mapped_errors("the update log"),
        _turn(engine),
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    turn = _turns.get(engine)
    if turn is None:
        yield
        return
    if not turn.lock.acquire(timeout=turn.timeout_s):
        raise Upstream("the update log could not be used: database is locked")
    try:
        yield
    finally:
        turn.lock.release()


def insert_if_absent(connection: Connection, table: Table, **values: object) -> bool:
    """Insert a row, unless one with its key is there; tell whether it was inserted."""
    put = _insert(connection, table, values).on_conflict_do_nothing()
    return connection.execute(put.returning(*table.primary_key)).first() is not None


def insert_or_replace(connection: Connection, table: Table, **values: object) -> None:
    """Insert a row, in the place of the one with its key if there is one."""
    key = [column.name for column in table.primary_key]
    rest = {name: value for name, value in values.items() if name not in key}
    inserted = _insert(connection, table, values)
    connection.execute(inserted.on_conflict_do_update(index_elements=key, set_=rest))


def _insert(
    connection: Connection, table: Table, values: dict[str, object]
) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).values(values)
    return sqlite.insert(table).values(values)


@contextmanager
def mapped_errors(what: str) -> Iterator[None]:
    """Turn every error of the database layer into `Upstream`, told in the database's words."""
    try:
        yield
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise Upstream(f"{what} could not be used: {reason}") from error
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
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
