"""An OpenID Connect issuer of a test's own: real HTTP, real keys, whatever it is told to answer."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

AUDIENCE = "dashboard"


def make_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=2048)


@cache
def _first_key() -> RSAPrivateKey:
    return make_key()  # the same for all issuers: making one takes a while


def jwk_of(key: RSAPrivateKey, key_id: str) -> dict[str, object]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": key_id, "n": _number(numbers.n), "e": _number(numbers.e)}


def _number(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


@dataclass
class Issuer:
    """A running issuer; `answers` maps paths to what is sent for them, `asked` counts."""

    url: str = ""
    keys: dict[str, RSAPrivateKey] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: threading.Event | None = None

    def publish(self, *more: dict[str, object]) -> None:
        """Show the present keys, and `more`, at the usual places."""
        listed = [*more, *(jwk_of(key, key_id) for key_id, key in self.keys.items())]
        self.answers = {
            "/.well-known/openid-configuration": json.dumps(
                {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
            ).encode(),
            "/keys": json.dumps({"keys": listed}).encode(),
        }

    def sign(self, subject: str = "ann", key_id: str = "one", **claims: Any) -> str:
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 600,
            **claims,
        }
        return jwt.encode(content, self.keys[key_id], "RS256", {"kid": key_id})


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer with one key, `one`."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            if issuer.held is not None:
                issuer.held.wait(10)
            body = issuer.answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    issuer.keys["one"] = _first_key()
    issuer.publish()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
