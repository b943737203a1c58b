"""A provider of opaque access tokens, of a test's own: real HTTP, whatever it is told to answer."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Write = Callable[[bytes], object]
Script = Callable[[Write], object]


@dataclass
class ProfileServer:
    """A running provider; `profiles` maps tokens to what `/me` tells of them.

    Another token is refused with `refusal`. `script`, if there is one, writes the answer instead;
    `asked` lists path and Authorization header of each request, `held` delays the answers.
    """

    url: str = ""
    profiles: dict[str, object] = field(default_factory=dict)
    refusal: int = 400
    script: Script | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    held: threading.Event | None = None

    @property
    def profile_url(self) -> str:
        return f"{self.url}/me?fields=id"


def answer_with(status: str, body: bytes = b"{}", *headers: str) -> Script:
    """Script one whole answer."""
    lines = (f"HTTP/1.0 {status}", *headers, f"Content-Length: {len(body)}", "", "")
    whole = "\r\n".join(lines).encode() + body
    return lambda write: write(whole)


@contextmanager
def running_profile_server() -> Iterator[ProfileServer]:
    """Run a provider that knows nobody yet."""
    provider = ProfileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers["Authorization"]
            provider.asked.append((self.path, authorization))
            if provider.held is not None:
                provider.held.wait(10)
            script = provider.script or answer_with(*self._answer(authorization))
            try:
                script(self.wfile.write)
            except OSError:
                self.close_connection = True  # whoever asked has given up

        def _answer(self, authorization: str | None) -> tuple[str, bytes]:
            token = (authorization or "").removeprefix("Bearer ")
            if self.path != "/me?fields=id" or token not in provider.profiles:
                error = {"error": {"message": f"Invalid: {token}", "code": 190}}
                return f"{provider.refusal} Refused", json.dumps(error).encode()
            return "200 OK", json.dumps(provider.profiles[token]).encode()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
