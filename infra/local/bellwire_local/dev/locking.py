"""One process at a time on a data directory."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bellwire_local.errors import DataDirectoryUnusable


@contextmanager
def lock_directory(path: Path) -> Iterator[None]:
    """Hold a data directory; the kernel lets go of it if this process dies.

    Raises:
        DataDirectoryUnusable: it cannot be written, or another process holds it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = (path / "lock").open("a")
    except OSError as error:
        raise DataDirectoryUnusable(path, error.strerror or str(error)) from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirectoryUnusable(path, "another process is using it") from error
        yield
