"""An HTTP service that answers POSTs as a test tells it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


@contextmanager
def serving(
    answer: Callable[[BaseHTTPRequestHandler, bytes], Answer], **headers: str
) -> Iterator[str]:
    """Serve at the URL yielded; each answer is a status, and JSON or bytes as they are.

    Args:
        headers: what each answer has besides, `_` for `-` in their names.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            status, content = answer(self, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            with suppress(ConnectionError):  # whoever asked has gone
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_GET = do_POST  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
