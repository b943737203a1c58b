"""ID tokens of OpenID Connect providers, checked. Pure: keys and the time are given.

Sources: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation, RFC 8725.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import jwt
from jwt.types import Options

from bellwire_local.accounts import Provider

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
"""What may sign; neither `none` nor a shared secret. Source: IAM guide, OIDC identity providers."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An issuer's public key and the algorithms that it may be used with."""

    public_key: Any
    algorithms: tuple[str, ...]


_SUBJECT_CHARACTERS = 2048
"""Ours; OpenID Connect Core allows 255 ASCII characters, providers do more."""

KeyFinder = Callable[[str | None], SigningKey | None]
"""Key id → key of the issuer."""

_NO_CLOCK_OF_ITS_OWN: Options = {
    "verify_aud": False,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_iss": False,
    "require": ["iss", "sub", "aud", "exp"],
}


class IdTokenRefused(Exception):
    """The token proves nothing; the message is what Cognito says after "Invalid login token."."""


def read_id_token(text: str, provider: Provider, find_key: KeyFinder, now_s: float) -> str:
    """Check a token and return its subject.

    Raises:
        IdTokenRefused: it is not the provider's, not for us, not current, or not a token.
    """
    try:
        header = jwt.get_unverified_header(text)
        claims = jwt.decode(text, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise IdTokenRefused("Not a valid OpenId Connect identity token.") from error
    if not _is_issuer(claims.get("iss"), provider):
        raise IdTokenRefused("Issuer doesn't match providerName")
    key_id = header.get("kid")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise IdTokenRefused(f"Signed with {algorithm!r:.40}; {', '.join(ALGORITHMS)} may sign")
    key = find_key(key_id if isinstance(key_id, str) else None)
    if key is None:
        raise IdTokenRefused("Couldn't verify signed token.")
    verified = _verify(text, key)
    _check_claims(verified, provider, now_s)
    return str(verified["sub"])


def _verify(text: str, key: SigningKey) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys that are short for the algorithm
            return jwt.decode(
                text, key.public_key, list(key.algorithms), options=_NO_CLOCK_OF_ITS_OWN
            )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise IdTokenRefused("Couldn't verify signed token.") from error


def _check_claims(claims: Mapping[str, Any], provider: Provider, now_s: float) -> None:
    expires_at, not_before, subject = claims["exp"], claims.get("nbf", 0), claims["sub"]
    if not _is_time(expires_at) or not _is_time(not_before):
        raise IdTokenRefused("exp and nbf must be numbers")
    if now_s >= expires_at:
        raise IdTokenRefused(f"Token expired: {int(now_s)} >= {int(expires_at)}")
    if now_s < not_before:
        raise IdTokenRefused(f"Token not yet valid: {int(now_s)} < {int(not_before)}")
    audience = claims["aud"]
    audiences = audience if isinstance(audience, list) else [audience]
    if not any(expected in audiences for expected in provider.audiences):
        raise IdTokenRefused("Incorrect token audience.")
    if not is_subject(subject):
        raise IdTokenRefused("sub must be a text")


def _is_issuer(issuer: object, provider: Provider) -> bool:
    # Google's older tokens leave the scheme out.
    return isinstance(issuer, str) and issuer in (
        provider.issuer,
        provider.issuer.removeprefix("https://"),
    )


def is_subject(value: object) -> TypeGuard[str]:
    """Whether it is a text that can be kept: JSON can write halves of characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= _SUBJECT_CHARACTERS:
        return False
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _is_time(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and abs(value) < 1e15
