"""Which store this is: found restored or copied, it changes every epoch before anybody reads.

A store that went back in time would give numbers out again that clients have seen, and what they
carry the second time would vanish without a sign. So the database is compared with something that
does not travel with it.

For SQLite these are two files beside it. The anchor is made once and never touched again: its
change time, which no copy and no archive can bring along, tells whether it is still the one that
was made here. The mark notes that, and how many appends there were. For PostgreSQL it is the
cluster's identity, its timeline (a recovery begins a new one) and the database's own number. A
logical restore into the very same database is for `renew_epochs`, a step of the runbook.
"""

import json
import os
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Final

from sqlalchemy import Connection, insert, select, text, update

from bellwire.epochs import generation_of, new_epoch
from bellwire.errors import Upstream
from bellwire.sql.tables import heads, stores

SCHEMA: Final = 1
MARK_BYTES: Final = 256

_POSTGRES_IDENTITY: Final = text(
    "SELECT system_identifier || '.' || timeline_id || '.' || oid"
    " FROM pg_control_system(), pg_control_checkpoint(), pg_database"
    " WHERE datname = current_database()"
)


def claim_sqlite(connection: Connection, path: Path) -> None:
    """Compare a SQLite store with the file beside it; renew its epochs unless they agree.

    Raises:
        Upstream: the store is of another version of Bellwire.
    """
    row = _read_row(connection)
    if row is None:
        _insert_row(connection, token_hex(16))
    elif not _is_this_store(path, *row):
        renew_epochs(connection, token_hex(16))
    if not _anchor_file(path).exists():
        _anchor_file(path).touch(mode=0o600)
    note_appends(connection, path)


def claim_postgres(connection: Connection) -> None:
    """Compare a PostgreSQL store with the cluster it is in; renew its epochs unless they agree.

    Raises:
        Upstream: the store is of another version of Bellwire.
    """
    identity: str = connection.execute(_POSTGRES_IDENTITY).scalar_one()
    row = _read_row(connection)
    if row is None:
        _insert_row(connection, identity)
    elif row[0] != identity:
        renew_epochs(connection, identity)


def renew_epochs(connection: Connection, incarnation: str) -> None:
    """Begin a new epoch on every channel; the state is kept, clients are told of the break."""
    for channel, epoch in connection.execute(select(heads.c.channel, heads.c.epoch)).all():
        generation = (generation_of(epoch) or 0) + 1
        connection.execute(
            update(heads)
            .where(heads.c.channel == channel)
            .values(epoch=new_epoch(generation, token_bytes(8)), seq=0, pushed=0)
        )
    connection.execute(update(stores).values(incarnation=incarnation))


def count_append(connection: Connection) -> None:
    """Count an append, on SQLite: there writers are one after another anyway."""
    if connection.dialect.name == "sqlite":
        connection.execute(update(stores).values(appends=stores.c.appends + 1))


def note_appends(connection: Connection, path: Path) -> None:
    """Write into the file beside a SQLite store how far it has come; now and then is enough.

    The file may lag behind, which costs nothing: a store that is ahead of it is no older copy.
    """
    row = _read_row(connection)
    if row is None:
        return
    noted = {"incarnation": row[0], "appends": row[1], "anchor": _identity_of(_anchor_file(path))}
    descriptor = os.open(_mark_file(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, json.dumps(noted).encode().ljust(MARK_BYTES), 0)
    finally:
        os.close(descriptor)


def _is_this_store(path: Path, incarnation: str, appends: int) -> bool:
    try:
        noted = json.loads(_mark_file(path).read_bytes())
        is_same: bool = noted["incarnation"] == incarnation
        is_here: bool = noted["anchor"] == _identity_of(_anchor_file(path))
        return is_same and is_here and int(noted["appends"]) <= appends
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _identity_of(anchor: Path) -> list[int]:
    status = anchor.stat()
    return [status.st_ino, status.st_ctime_ns]


def _read_row(connection: Connection) -> tuple[str, int] | None:
    row = connection.execute(select(stores)).first()
    if row is None:
        return None
    if row.schema != SCHEMA:
        raise Upstream(f"expected a log of schema {SCHEMA}, found schema {row.schema}")
    return row.incarnation, row.appends


def _insert_row(connection: Connection, incarnation: str) -> None:
    connection.execute(
        insert(stores).values(id=1, schema=SCHEMA, incarnation=incarnation, appends=0)
    )


def _mark_file(path: Path) -> Path:
    return path.with_name(path.name + ".mark")


def _anchor_file(path: Path) -> Path:
    return path.with_name(path.name + ".anchor")
