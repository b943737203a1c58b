"""Login and bearer tokens that must not hold, made of those that do or of nothing. Pure."""

import json
from base64 import urlsafe_b64encode
from typing import Final

from bellwire.wire_json import Json

POOL_ISSUER: Final = "https://cognito-identity.amazonaws.com"
SOMEBODY: Final = "00000000-0000-4000-8000-00000000000d"
_SIGNATURE_BYTES: Final = 256
"""As long as a signature by RSA with 2048 bits."""


def forge(token: str) -> str:
    """Spoil the signature of a token and nothing else."""
    said, _, signature = token.rpartition(".")
    return f"{said}.{'B' if signature.startswith('A') else 'A'}{signature[1:]}"


def token_of_another_pool(region: str, now_s: int) -> str:
    """Write a token as another identity pool would, by a key that nobody knows."""
    header: Json = {"alg": "RS512", "kid": "doctor", "typ": "JWS"}
    claims: Json = {
        "iss": POOL_ISSUER,
        "aud": f"{region}:{SOMEBODY}",
        "sub": f"{region}:{SOMEBODY}",
        "amr": ["authenticated"],
        "iat": now_s,
        "exp": now_s + 3600,
    }
    parts = [json.dumps(part).encode() for part in (header, claims)]
    return ".".join(
        urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, bytes(_SIGNATURE_BYTES))
    )
