"""The bearer of private polls: whose it is and for what. Signed by the identity pool, or by us.

A member's is the pool's own OpenID token. That of a narrowed session is ours, since the pool's
would open everything that its owner may read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from bellwire.errors import Unauthenticated
from bellwire.json_web_tokens import (
    SYMMETRIC,
    Expected,
    Keys,
    SharedSecret,
    read_header,
    read_issue_time,
    sign,
    verify,
)

POOL_ISSUER: Final = "https://cognito-identity.amazonaws.com"
AUTHENTICATED: Final = "authenticated"


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a bearer token says: `channels`, whole names, are all that a narrowed one is for."""

    identity_id: str
    issued_at_s: int
    channels: tuple[str, ...] | None = None


class Bearers:
    """Reads bearer tokens, and signs those of narrowed sessions."""

    def __init__(
        self,
        *,
        pool_id: str,
        pool_keys: Keys,
        secret: Callable[[], bytes],
        stage: str,
        developer_provider: str | None = None,
    ) -> None:
        """Keep what they are checked with.

        Args:
            pool_keys: those of the identity pool.
            developer_provider: who has to have vouched for a member, so that no provider's login
                makes a bearer past `POST /v1/session`; None: it is not looked at.
            secret: returns our own, 32 bytes at least; asked when the first token of ours comes.
        """
        self._pool_keys = pool_keys
        self._developer_provider = developer_provider
        self._pool_tokens = Expected(POOL_ISSUER, pool_id)
        self._secret = cache(secret)
        self._own_tokens = Expected(
            "bellwire", f"bellwire/{stage}", ("exp", "iat", "sub", "channels"), leeway_s=0
        )

    def read(self, token: str, now_s: float) -> Bearer:
        """Read a token.

        Raises:
            Unauthenticated: it does not hold here.
            Upstream: the pool's keys could not be fetched.
        """
        if read_header(token).get("alg") in SYMMETRIC:
            claims = verify(token, SharedSecret(self._secret()), self._own_tokens, now_s)
            channels = tuple(str(channel) for channel in claims["channels"])
            return Bearer(str(claims["sub"]), read_issue_time(claims), channels)
        claims = verify(token, self._pool_keys, self._pool_tokens, now_s)
        if not has_logged_in(claims.get("amr")):
            raise Unauthenticated("the token is a guest's: poll public channels without one")
        if self._developer_provider not in (None, *claims["amr"]):
            raise Unauthenticated("expected the token of a session, by POST /v1/session")
        return Bearer(str(claims["sub"]), read_issue_time(claims))

    def sign(
        self, identity_id: str, channels: Sequence[str], *, issued_at_s: int, lifetime_s: int
    ) -> str:
        """Sign a token for some channels, whole names, and nothing else."""
        claims = {
            "iss": self._own_tokens.issuer,
            "aud": self._own_tokens.audience,
            "sub": identity_id,
            "iat": issued_at_s,
            "exp": issued_at_s + lifetime_s,
            "channels": list(channels),
        }
        return sign(claims, self._secret())


def has_logged_in(methods: object) -> bool:
    """Tell a member from a guest by the pool's `amr`, e.g. `["authenticated", "login.example"]`.

    Source: Cognito guide, role-trust-and-permissions.
    """
    return isinstance(methods, list) and AUTHENTICATED in methods
