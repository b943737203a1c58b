"""The application's own login, as `bellwire dev` plays it: whoever asks is believed.

Its key, and the one that signs the bearers of narrowed sessions, are derived from a secret that is
made at the first start and kept with the data, so that a restart logs nobody out.
"""

import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bellwire.errors import Upstream
from bellwire.grants import check_groups
from bellwire.json_web_tokens import SharedSecret, sign
from bellwire.logins import OwnLogin, check_user

SECRET_FILE: Final = "login_secret"  # noqa: S105 - the name of a file
ISSUER: Final = "bellwire-dev"
LOGIN_S: Final = 12 * 3600
"""How long a login lasts: a working day. Ours."""


@dataclass(frozen=True, slots=True)
class DevLogin:
    """Signs login tokens; `audience` names the stage."""

    secret: bytes
    audience: str

    @property
    def rules(self) -> OwnLogin:
        """How its tokens are read."""
        return OwnLogin(SharedSecret(self._key), ISSUER, self.audience)

    @property
    def bearer_secret(self) -> bytes:
        """What the bearers of narrowed sessions are signed with."""
        return self._derive(b"bearers")

    def sign(self, user: object, groups: Sequence[object], now_s: float) -> str:
        """Make a token for a user of some groups.

        Raises:
            Malformed: that is no user's name, or no group's.
        """
        claims = {
            "iss": ISSUER,
            "aud": self.audience,
            "sub": check_user(user),
            "groups": list(check_groups(groups)),
            "iat": int(now_s),
            "exp": int(now_s) + LOGIN_S,
        }
        return sign(claims, self._key)

    @property
    def _key(self) -> bytes:
        return self._derive(b"logins")

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, purpose, "sha256")


def open_login(data_dir: Path, stage: str) -> DevLogin:
    """Read the secret, or make it at the first start.

    Raises:
        Upstream: the file cannot be used.
    """
    path = data_dir / SECRET_FILE
    try:
        if not path.exists():
            _write(path, secrets.token_hex(32))
        path.chmod(0o600)  # a copy of the folder may have opened it to others
        secret = bytes.fromhex(path.read_text())
    except (OSError, ValueError) as error:
        raise Upstream(f"cannot use the login secret {path}: {error}") from error
    if len(secret) != 32:
        raise Upstream(
            f"expected 32 bytes in hexadecimal in {path}; delete it to log everybody out"
        )
    return DevLogin(secret, f"bellwire/{stage}")


def _write(path: Path, text: str) -> None:
    """Write a private file as a whole or not at all, whenever this process dies."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
