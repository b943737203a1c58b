"""JSON Web Tokens, checked at a time that is given; what they say is for `logins` and `bearers`.

Source: RFC 7519; RFC 8725 (best current practices): the algorithms are the key's, never the
token's choice. PyJWT is imported when the first token comes: what never meets one starts without.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from bellwire.errors import Internal, Unauthenticated

if TYPE_CHECKING:
    from types import ModuleType

MAX_CHARACTERS: Final = 16_384
LAST_S: Final = 2**53
"""The latest time that a number of JSON tells to the second. Source: RFC 8259, section 6."""

HASH_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""How long a secret has to be. Source: RFC 7518, section 3.2: as long as the hash."""

MIN_SECRET_BYTES: Final = min(HASH_BYTES.values())
SYMMETRIC: Final = tuple(HASH_BYTES)
ASYMMETRIC: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)

Claims = Mapping[str, Any]


class Keys(Protocol):
    """What tokens of one issuer are checked with."""

    @property
    def algorithms(self) -> Collection[str]:
        """The algorithms that these keys are for."""
        ...

    def find(self, key_id: str | None, algorithm: str) -> Any:
        """Return the key that a token names, as PyJWT takes it.

        Args:
            algorithm: one of `algorithms`, which the token claims to be signed with.

        Raises:
            Unauthenticated: there is no such key, or it is for other algorithms.
            Upstream: the keys could not be fetched.
        """
        ...


class SharedSecret:
    """A secret that issuer and verifier share, 32 bytes at least; 48 or 64 for larger hashes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < MIN_SECRET_BYTES:
            raise Internal(
                f"expected a shared secret of at least {MIN_SECRET_BYTES} bytes, found"
                f" {len(secret)}"
            )
        self._secret = secret
        self.algorithms = tuple(name for name, size in HASH_BYTES.items() if size <= len(secret))

    def find(self, key_id: str | None, algorithm: str) -> bytes:  # noqa: ARG002 - the only key
        """See `Keys.find`."""
        return self._secret


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say; None: whatever it does.

    `leeway_s` is how far the issuer's clock may be off, in s.
    """

    issuer: str | None
    audience: str | None
    required: tuple[str, ...] = ("exp", "iat", "sub")
    leeway_s: int = 30


def verify(token: str, keys: Keys, expected: Expected, now_s: float) -> Claims:
    """Return what a token says, if it holds.

    Args:
        now_s: in s since 1970.

    Raises:
        Unauthenticated: it does not; the message says why and shows nothing of it.
        Upstream: the keys could not be fetched.
    """
    header = read_header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in keys.algorithms:
        raise Unauthenticated(
            f"expected a token signed by {' or '.join(keys.algorithms)},"
            f" found {str(algorithm)!r:.20}"
        )
    options: Any = {
        "require": list(expected.required),
        "verify_aud": expected.audience is not None,
        **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False),  # held to `now_s`
    }
    jwt = _pyjwt()
    try:
        claims: Claims = jwt.decode(
            token,
            keys.find(_text_or_none(header.get("kid")), algorithm),
            algorithms=[algorithm],
            audience=expected.audience,
            issuer=expected.issuer,
            options=options,
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"the token does not hold: {error}") from error
    _check_times(claims, expected.leeway_s, now_s)
    return claims


def sign(claims: Claims, secret: bytes) -> str:
    """Make a token of one's own."""
    token: str = _pyjwt().encode(dict(claims), secret, algorithm=SYMMETRIC[0])
    return token


def read_header(token: str) -> Mapping[str, Any]:
    """Read what a token says of itself, which nobody has checked.

    Raises:
        Unauthenticated: it is no token.
    """
    if len(token) > MAX_CHARACTERS:
        raise Unauthenticated(
            f"expected a token of at most {MAX_CHARACTERS} characters, found {len(token)}"
        )
    if not token.isascii():
        raise Unauthenticated("expected a JSON Web Token, found letters that are in none")
    jwt = _pyjwt()
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"expected a JSON Web Token: {error}") from error
    return header


def read_unverified(token: str) -> Claims | None:
    """Read the claims of a token that somebody else is to check; None: it is no such token."""
    if not token.isascii():
        return None
    jwt = _pyjwt()
    try:
        claims: Claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return None
    return claims


def read_issue_time(claims: Claims) -> int:
    """Read when a token was issued, in whole s since 1970.

    Raises:
        Unauthenticated: it does not tell.
    """
    return int(_time_of(claims, "iat", None))


def _check_times(claims: Claims, leeway_s: int, now_s: float) -> None:
    if now_s >= _time_of(claims, "exp", now_s) + leeway_s:
        raise Unauthenticated("the token has expired: log in again")
    if max(_time_of(claims, "nbf", now_s), _time_of(claims, "iat", now_s)) > now_s + leeway_s:
        raise Unauthenticated("the token is from the future: is a clock wrong?")


def _time_of(claims: Claims, name: str, default_s: float | None) -> float:
    value = claims.get(name, default_s)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LAST_S:  # nor is NaN
        raise Unauthenticated(f"expected {name} of the token to be a number of seconds")
    return float(value)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _pyjwt() -> "ModuleType":
    import jwt  # noqa: PLC0415 - a third of a poll's start, and most polls bring no token

    return jwt
