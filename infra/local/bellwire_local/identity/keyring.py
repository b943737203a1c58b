"""What the stand-in must remember across restarts: one small file in the data directory, mode 0600.

Everything else (secrets, session tokens, guest identities, OpenID tokens) is derived from it.
"""

import base64
import binascii
import fcntl
import json
import os
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bellwire_local.errors import DataDirectoryUnusable

KEYRING_FILE = "standin_keys.json"
_VERSION = 2
_VERSION_WITHOUT_SIGNING_KEY = 1
_MASTER_KEY_BYTES = 32
_SIGNING_KEY_BITS = 2048
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, binascii.Error, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Keyring:
    """`pool_guid` is the identity pool's id without its region; `signing_key` signs its tokens."""

    master_key: bytes
    pool_guid: str
    signing_key: RSAPrivateKey


def open_keyring(data_dir: Path) -> Keyring:
    """Read the keyring, or make it at the first start; an older one gets what it lacks.

    Raises:
        DataDirectoryUnusable: the directory or the file cannot be used.
    """
    path = data_dir / KEYRING_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _held(data_dir):
            if not path.exists():
                _write(path, _make_content())
            content = _read(path)
            if content["version"] == _VERSION_WITHOUT_SIGNING_KEY:
                content |= {"version": _VERSION, "signing_key": _make_signing_key()}
                _write(path, content)
        return _read_keyring(path, content)
    except OSError as error:
        raise DataDirectoryUnusable(data_dir, error.strerror or str(error)) from error


@contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    """Keep other processes from making or upgrading the file meanwhile."""
    directory = os.open(data_dir, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _make_content() -> dict[str, object]:
    return {
        "version": _VERSION,
        "master_key": base64.b64encode(secrets.token_bytes(_MASTER_KEY_BYTES)).decode(),
        "pool_guid": str(uuid.uuid4()),
        "signing_key": _make_signing_key(),
    }


def _make_signing_key() -> str:
    key = generate_private_key(public_exponent=65_537, key_size=_SIGNING_KEY_BITS)
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded.decode()


def _write(path: Path, content: dict[str, object]) -> None:
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise _not_ours(path, error) from error
    versions = (_VERSION_WITHOUT_SIGNING_KEY, _VERSION)
    if not isinstance(content, dict) or content.get("version") not in versions:
        raise DataDirectoryUnusable(path, f"it is not a keyring of version {_VERSION}")
    _read_derived(path, content)
    return content


def _read_derived(path: Path, content: dict[str, object]) -> tuple[bytes, str]:
    try:
        master_key = base64.b64decode(str(content["master_key"]), validate=True)
        pool_guid = str(uuid.UUID(str(content["pool_guid"])))
    except _DAMAGE as error:
        raise _not_ours(path, error) from error
    if len(master_key) != _MASTER_KEY_BYTES:
        found = f"its master key has {len(master_key)} bytes"
        raise DataDirectoryUnusable(path, f"{found}; {_MASTER_KEY_BYTES} are expected")
    return master_key, pool_guid


def _read_keyring(path: Path, content: dict[str, object]) -> Keyring:
    try:
        pem = str(content["signing_key"]).encode()
        signing_key = serialization.load_pem_private_key(pem, password=None)
    except _DAMAGE as error:
        raise _not_ours(path, error) from error
    if not isinstance(signing_key, RSAPrivateKey):
        raise DataDirectoryUnusable(path, "its signing key is no RSA key")
    return Keyring(*_read_derived(path, content), signing_key)


def _not_ours(path: Path, error: Exception) -> DataDirectoryUnusable:
    return DataDirectoryUnusable(path, f"it is not a keyring of ours ({error!r})")
