"""The stand-in's own small database: what AWS would remember across a restart of ours.

Each part makes its own tables. What can be derived from the keyring is not in here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bellwire_local.errors import DataDirectoryUnusable

STORAGE_FILE = "stand_in.db"

_LOCK_WAIT_S = 0.2
"""How long a statement waits for another process that holds the file; nothing else runs meanwhile.
Ours: only somebody who looks into the file by hand can hold it."""


def open_storage(data_dir: Path) -> sqlite3.Connection:
    """Open, or make, the database; every statement commits by itself.

    For the thread that calls this alone. A killed process loses nothing; a machine that loses its
    power may lose the last writes.

    Raises:
        DataDirectoryUnusable: the file cannot be used, or is no database.
    """
    path = data_dir / STORAGE_FILE
    try:
        storage = sqlite3.connect(path, _LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        storage.execute("PRAGMA journal_mode = WAL")
        storage.execute("PRAGMA synchronous = NORMAL")
    except (sqlite3.Error, OSError) as error:
        raise DataDirectoryUnusable(path, str(error)) from error
    return storage


@contextmanager
def transaction(storage: sqlite3.Connection) -> Iterator[None]:
    """Make statements take effect together, or not at all."""
    storage.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        storage.execute("ROLLBACK")
        raise
    storage.execute("COMMIT")
