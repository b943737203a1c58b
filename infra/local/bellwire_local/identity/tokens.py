"""The OpenID tokens that the identity pool signs: RS512, and the key set to check them with.

Source: facts of sample tokens, and
https://docs.aws.amazon.com/cognito/latest/developerguide/developer-authenticated-identities.html
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ISSUER = "https://cognito-identity.amazonaws.com"
"""What `iss` says, wherever the keys are fetched from."""

COGNITO_PROVIDER = "cognito-identity.amazonaws.com"
"""The key of `Logins` and the federated principal of trust policies that stand for these tokens."""

JWKS_PATH = "/.well-known/jwks_uri"
CONFIGURATION_PATH = "/.well-known/openid-configuration"
_ALGORITHM = "RS512"
_TAGS_CLAIM = "https://aws.amazon.com/tags"
_POOL_CLAIM = "https://cognito-identity.amazonaws.com/identity-pool-arn"


class TokenRefused(Exception):
    """The token is not one of ours."""


class TokenExpired(TokenRefused):
    """The token was one of ours; `expired_at` in seconds since 1970."""

    def __init__(self, expired_at: int) -> None:
        self.expired_at = expired_at
        super().__init__(f"Token expired: {expired_at}")


@dataclass(frozen=True, slots=True)
class OpenIdToken:
    """What a token says. `amr` is `("unauthenticated",)` or `("authenticated", "login.x", …)`.

    `expires_at`, in seconds since 1970, is set in tokens that were read.
    """

    identity_id: str
    pool_id: str
    amr: tuple[str, ...]
    principal_tags: Mapping[str, str]
    expires_at: int | None = None


class TokenSigner:
    """Signs and recognises the tokens of one pool."""

    def __init__(self, key: RSAPrivateKey, region: str, account_id: str) -> None:
        self._key = key
        self._region = region
        self._account_id = account_id
        numbers = key.public_key().public_numbers()
        self._jwk = {
            "kty": "RSA",
            "alg": _ALGORITHM,
            "use": "sig",
            "n": _encode_number(numbers.n),
            "e": _encode_number(numbers.e),
        }
        thumbprint = hashlib.sha256(self._jwk["n"].encode()).hexdigest()[:8]
        self._key_id = f"{region}-{thumbprint}"

    def sign(self, token: OpenIdToken, issued_at: int, lifetime_s: int) -> str:
        """Make the text that goes over the wire."""
        arn = f"arn:aws:cognito-identity:{self._region}:{self._account_id}"
        claims: dict[str, object] = {
            "sub": token.identity_id,
            "aud": token.pool_id,
            "amr": list(token.amr),
            _POOL_CLAIM: f"{arn}:identitypool/{token.pool_id}",
            "iss": ISSUER,
            "exp": issued_at + lifetime_s,
            "iat": issued_at,
        }
        if token.principal_tags:
            tags = {name: [value] for name, value in token.principal_tags.items()}
            claims[_TAGS_CLAIM] = {"principal_tags": tags}
        headers = {"kid": self._key_id, "typ": "JWS"}
        return jwt.encode(claims, self._key, _ALGORITHM, headers)

    def read(self, text: str, now_s: float) -> OpenIdToken:
        """Check a token and return what it says.

        Raises:
            TokenExpired: it was ours, and is no longer good.
            TokenRefused: it is not ours.
        """
        try:
            # PyJWT would look at the machine's clock; ours is given.
            claims = jwt.decode(
                text,
                self._key.public_key(),
                [_ALGORITHM],
                issuer=ISSUER,
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["sub", "aud", "amr", "exp"],
                },
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise TokenRefused(str(error)) from error
        if now_s >= claims["exp"]:
            raise TokenExpired(claims["exp"])
        tags = claims.get(_TAGS_CLAIM, {}).get("principal_tags", {})
        return OpenIdToken(
            claims["sub"],
            claims["aud"],
            tuple(claims["amr"]),
            {name: values[0] for name, values in tags.items()},
            claims["exp"],
        )

    def key_set(self) -> bytes:
        """Return the public key as a JWK set."""
        return json.dumps({"keys": [{**self._jwk, "kid": self._key_id}]}).encode()

    def configuration(self, base_url: str) -> bytes:
        """Return the discovery document; `base_url` is where this very answer was asked for."""
        document = {
            "issuer": ISSUER,
            "jwks_uri": f"{base_url}{JWKS_PATH}",
            "authorization_endpoint": ISSUER,
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [_ALGORITHM],
        }
        return json.dumps(document).encode()


def _encode_number(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
