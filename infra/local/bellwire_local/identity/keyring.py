"""What the stand-in must remember across restarts: one small file in the data directory, mode 0600.

Everything else (secrets, session tokens, guest identities) is derived from it.
"""

import base64
import binascii
import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from bellwire_local.errors import DataDirectoryUnusable

KEYRING_FILE = "standin_keys.json"
_VERSION = 1
_MASTER_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Keyring:
    """`pool_guid` is the identity pool's id without its region."""

    master_key: bytes
    pool_guid: str


def open_keyring(data_dir: Path) -> Keyring:
    """Read the keyring, or make it at the first start.

    Raises:
        DataDirectoryUnusable: the directory or the file cannot be used.
    """
    path = data_dir / KEYRING_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise DataDirectoryUnusable(data_dir, error.strerror or str(error)) from error


def _create(path: Path) -> None:
    content = {
        "version": _VERSION,
        "master_key": base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES)).decode(),
        "pool_guid": str(uuid.uuid4()),
    }
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        # Unlike a rename, a link never replaces the file of another process that was faster.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()


def _read(path: Path) -> Keyring:
    try:
        content = json.loads(path.read_text())
        keyring = Keyring(
            base64.b64decode(content["master_key"], validate=True),
            str(uuid.UUID(content["pool_guid"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise DataDirectoryUnusable(path, f"it is not a keyring of ours ({error!r})") from error
    if content.get("version") != _VERSION or len(keyring.master_key) != _MASTER_KEY_BYTES:
        raise DataDirectoryUnusable(path, f"it is not a keyring of version {_VERSION}")
    return keyring
