"""AWS credentials that prove themselves: what was granted is read out of them, not out of a table.

The secret follows from the access key id and a master key; the session token carries its claims
under a seal. Whoever holds the master key can check what another process issued, or an earlier one.
"""

import base64
import binascii
import hmac
import json
import math
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass

from bellwire_local.identity.principals import Principal

TEMPORARY_PREFIX, LONG_LIVED_PREFIX = "ASIA", "AKIA"
_SEAL_BYTES = 32


class CredentialsRefused(Exception):
    """The credentials are not ours, or not good any more; the message is what AWS answers."""


class CredentialsExpired(CredentialsRefused):
    """The credentials were ours."""

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired.")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs with; long-lived ones have neither a session token nor an expiry."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    expires_at: int | None
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What credentials stand for, and the secret that their signatures are checked with."""

    principal: Principal
    secret_access_key: str
    expires_at: float | None = None
    """Seconds since 1970; None for long-lived ones."""


class CredentialIssuer:
    """Issues credentials under one master key and recognises them again.

    With `account_ids`, only those of these accounts: credentials may outlive an account's setting.
    """

    def __init__(self, master_key: bytes, account_ids: Collection[str] | None = None) -> None:
        self._master_key = master_key
        self._account_ids = account_ids
        self._long_lived: dict[str, Principal] = {}
        self._adopted: dict[str, tuple[Credentials, Principal]] = {}
        self._longest_s: float | None = None
        self._ended_s = -math.inf

    def shorten(self, longest_s: float | None) -> None:
        """End temporary credentials so long after they were issued, those in use as well.

        None lets everybody have their own time again.
        """
        self._longest_s = longest_s

    def expire(self, now_s: float) -> None:
        """End the temporary credentials that were issued until now; later ones are not touched."""
        self._ended_s = now_s

    def issue_temporary(
        self, principal: Principal, issued_at: float, lifetime_s: int
    ) -> Credentials:
        """Make credentials that last `lifetime_s` from `issued_at`, in seconds since 1970."""
        expires_at = int(issued_at) + lifetime_s
        if self._longest_s is not None:
            expires_at = min(expires_at, int(issued_at + self._longest_s))
        access_key_id = TEMPORARY_PREFIX + _key_id_tail(secrets.token_bytes(10))
        claims = {
            "key": access_key_id,
            "iat": issued_at,
            "exp": expires_at,
            **asdict(principal),
        }
        content = json.dumps(claims, separators=(",", ":")).encode()
        token = base64.urlsafe_b64encode(self._derive("seal", content) + content).decode()
        return Credentials(access_key_id, self._secret_of(access_key_id), token, expires_at)

    def issue_long_lived(self, principal: Principal) -> Credentials:
        """Make, or make again, the one key pair of a principal; good while this issuer lives."""
        name = f"{principal.account_id}/{principal.role}/{principal.session_name}".encode()
        access_key_id = LONG_LIVED_PREFIX + _key_id_tail(self._derive("key id", name)[:10])
        self._long_lived[access_key_id] = principal
        return Credentials(access_key_id, self._secret_of(access_key_id), None, None)

    def adopt(self, credentials: Credentials, principal: Principal) -> None:
        """Take credentials that somebody else has given out for those of a principal."""
        self._adopted[credentials.access_key_id] = (credentials, principal)

    def look_up(self, access_key_id: str, session_token: str | None, now_s: float) -> Grant:
        """Say what credentials stand for.

        Raises:
            CredentialsRefused: they were not issued under this master key, have expired, or are of
                an account that is not there.
        """
        if access_key_id in self._adopted:
            return _adopted_grant(*self._adopted[access_key_id], session_token, now_s)
        if access_key_id in self._long_lived and session_token is None:
            return Grant(self._long_lived[access_key_id], self._secret_of(access_key_id))
        claims = self._open(session_token or "")
        if claims is None or claims.pop("key") != access_key_id or not self._is_at_home(claims):
            raise CredentialsRefused("The security token included in the request is invalid.")
        expires_at = self._read_end(claims)
        if now_s >= expires_at:
            raise CredentialsExpired
        return Grant(_read_principal(claims), self._secret_of(access_key_id), expires_at)

    def _is_at_home(self, claims: dict[str, object]) -> bool:
        return self._account_ids is None or claims.get("account_id") in self._account_ids

    def _read_end(self, claims: dict[str, object]) -> float:
        expires_at, issued_at = float(str(claims["exp"])), claims.get("iat")
        if issued_at is None:
            return expires_at
        issued_s = float(str(issued_at))
        if issued_s <= self._ended_s:
            expires_at = min(expires_at, self._ended_s)
        if self._longest_s is not None:
            expires_at = min(expires_at, issued_s + self._longest_s)
        return expires_at

    def _open(self, session_token: str) -> dict[str, object] | None:
        try:
            sealed = base64.b64decode(session_token, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        seal, content = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._derive("seal", content)):
            return None
        claims = json.loads(content)
        return claims if isinstance(claims, dict) else None

    def _secret_of(self, access_key_id: str) -> str:
        return base64.b64encode(self._derive("secret", access_key_id.encode()))[:40].decode()

    def _derive(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._master_key, purpose.encode() + b"\0" + content, "sha256")


def _adopted_grant(
    credentials: Credentials, principal: Principal, session_token: str | None, now_s: float
) -> Grant:
    if (session_token or None) != credentials.session_token:
        raise CredentialsRefused("The security token included in the request is invalid.")
    if credentials.expires_at is not None and now_s >= credentials.expires_at:
        raise CredentialsExpired
    return Grant(principal, credentials.secret_access_key, credentials.expires_at)


def _key_id_tail(entropy: bytes) -> str:
    return base64.b32encode(entropy).decode()


def _read_principal(claims: dict[str, object]) -> Principal:
    identity_id, pool_id = claims["identity_id"], claims["pool_id"]
    return Principal(
        account_id=str(claims["account_id"]),
        role=str(claims["role"]),
        session_name=str(claims["session_name"]),
        identity_id=None if identity_id is None else str(identity_id),
        pool_id=None if pool_id is None else str(pool_id),
        amr=_texts(claims["amr"]),
        session_policies=_texts(claims["session_policies"]),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
