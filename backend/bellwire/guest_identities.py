"""Where a guest's identity is kept, so that a reader stays the same guest: GetId is rate-limited.

Source: Amazon Cognito quotas, GetId.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Protocol
from urllib.parse import quote

from bellwire.channels import is_identity_id

logger = logging.getLogger(__name__)


class GuestIdentities(Protocol):
    """Keeps one identity for each identity pool."""

    def find(self, identity_pool_id: str) -> str | None:
        """Return the identity kept, None if there is none."""
        ...

    def keep(self, identity_pool_id: str, identity_id: str | None) -> None:
        """Keep an identity in the place of the one before; None: forget it."""
        ...


class RememberedGuests:
    """Keeps them for as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def find(self, identity_pool_id: str) -> str | None:
        """See `GuestIdentities.find`."""
        return self._kept.get(identity_pool_id)

    def keep(self, identity_pool_id: str, identity_id: str | None) -> None:
        """See `GuestIdentities.keep`."""
        if identity_id is None:
            self._kept.pop(identity_pool_id, None)
        else:
            self._kept[identity_pool_id] = identity_id


class GuestFiles:
    """Keeps them in files that only their owner reads: who knows a guest's identity can be it.

    A directory that cannot be written keeps nothing; each process is a new guest then.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, identity_pool_id: str) -> str | None:
        """See `GuestIdentities.find`."""
        with suppress(OSError, UnicodeDecodeError):
            kept = self._path(identity_pool_id).read_text().strip()
            return kept if is_identity_id(kept) else None
        return None

    def keep(self, identity_pool_id: str, identity_id: str | None) -> None:
        """See `GuestIdentities.keep`."""
        path = self._path(identity_pool_id)
        try:
            if identity_id is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, identity_id)
        except OSError as error:
            logger.info("the guest's identity is not kept: %s", error)

    def _path(self, identity_pool_id: str) -> Path:
        return self._directory / quote(identity_pool_id, safe="")


def _write(path: Path, text: str) -> None:
    """Write whole or not at all: other processes and threads may read and write meanwhile."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, fresh = mkstemp(dir=path.parent)  # a name of its own, and 0600 from the beginning
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
