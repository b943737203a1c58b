"""TLS on this machine: a certificate authority kept in the data directory, and what it signs.

Only the authority is kept, so that who trusts it does so for good; the server's certificate is made
at each start for the names it listens under, and forgotten.
TLS 1.2 and 1.3 are spoken. AWS also refuses clients that do not name the host (SNI); we do not,
since no client names an IP address (RFC 6066, section 3), by which we are mostly reached.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
"""

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from bellwire_local.errors import DataDirectoryUnusable

CA_FILE = "local_ca.pem"
CA_KEY_FILE = "local_ca.key"
CERTIFICATE_DAYS = 397
"""How long the server's certificate is good: a process that runs for longer is started again."""


@dataclass(frozen=True, slots=True)
class LocalTls:
    """What a port needs to speak TLS, and the file that its clients are to trust."""

    context: ssl.SSLContext
    ca_path: Path


def open_tls(data_dir: Path, names: Iterable[str], now: datetime) -> LocalTls:
    """Read the authority, or make it at the first time, and have it sign for `names`.

    Args:
        names: host names and IP addresses, `("localhost", "127.0.0.1", "::1")`.

    Raises:
        DataDirectoryUnusable: the authority's files cannot be read or written.
    """
    authority = _open_authority(data_dir)
    certificate = authority.issue_cert(
        *names,
        organization_name="Bellwire's stand-in",
        not_before=now.astimezone(UTC).replace(tzinfo=None) - timedelta(days=1),
        not_after=now.astimezone(UTC).replace(tzinfo=None) + timedelta(days=CERTIFICATE_DAYS),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    return LocalTls(context, data_dir / CA_FILE)


def _open_authority(data_dir: Path) -> trustme.CA:
    certificate, key = data_dir / CA_FILE, data_dir / CA_KEY_FILE
    try:
        if not certificate.exists():
            _make_authority(certificate, key)
        _check_pair(certificate, key)
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    except (ssl.SSLError, ValueError) as error:
        why = f"it and {CA_KEY_FILE} are no certificate with its key; delete both to have new ones"
        raise DataDirectoryUnusable(certificate, why) from error
    except OSError as error:
        raise DataDirectoryUnusable(data_dir, error.strerror or str(error)) from error


def _check_pair(certificate: Path, key: Path) -> None:
    """Have OpenSSL read both files: it compares the key with the one in the certificate."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def _make_authority(certificate: Path, key: Path) -> None:
    authority = trustme.CA(organization_name="Bellwire's stand-in", path_length=0)
    _write(key, authority.private_key_pem.bytes())
    _write(certificate, authority.cert_pem.bytes())  # last: without it, both are made again


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
