"""JSON Web Tokens as an attacker makes them: whatever header, whatever content, any secret."""

import base64
import hmac
import json
from typing import Any


def signed_text(content: bytes, secret: bytes, header: Any = None) -> str:
    """Sign by HMAC-SHA256 without asking whether that makes sense.

    Args:
        header: `{"alg": "HS256"}` by default; bytes are taken as they are.
    """
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    signing = f"{encode(text)}.{encode(content)}"
    return f"{signing}.{encode(hmac.digest(secret, signing.encode(), 'sha256'))}"


def encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
