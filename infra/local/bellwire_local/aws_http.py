"""The AWS HTTP port: reads requests, hands them to the operation behind their path, answers.

Plain ASGI without middleware: a publish passes here on its way to every browser, so each layer
counts.
"""

import asyncio
import contextlib
import hashlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bellwire_local.http_messages import HttpAnswer, HttpRequest, Operation

logger = logging.getLogger(__name__)

_SHUTDOWN_WAIT_S = 1.0
_GIVE_UP_AFTER_S = 3
"""When an answer that nobody waits for any more is no longer waited for, either."""


KEPT_BODY_BYTES = 131_072
"""IoT's largest payload."""


def make_app(operation: Operation, kept_body_bytes: int = KEPT_BODY_BYTES) -> ASGIApp:
    """Build the ASGI application around what answers requests.

    Args:
        kept_body_bytes: a body that is longer is read and hashed, but not kept.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answering = operation(await _read(request, kept_body_bytes))
            answer = answering if isinstance(answering, HttpAnswer) else await answering
        except ClientDisconnect:
            return  # hung up in the middle of the request: there is nobody to answer
        response = Response(answer.body, answer.status, dict(answer.headers))
        await response(scope, receive, send)

    return app


async def _read(request: Request, kept_body_bytes: int) -> HttpRequest:
    digest, kept, size_bytes = hashlib.sha256(), bytearray(), 0
    async for piece in request.stream():
        digest.update(piece)
        size_bytes += len(piece)
        if size_bytes <= kept_body_bytes:
            kept += piece
    client = request.client
    return HttpRequest(
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1"),
        query=request.scope["query_string"].decode("latin-1"),
        headers={name: ",".join(request.headers.getlist(name)) for name in request.headers},
        body=bytes(kept) if size_bytes <= kept_body_bytes else None,
        body_bytes=size_bytes,
        body_sha256=digest.hexdigest(),
        source_ip=client.host if client else "unknown",
    )


class HttpPort(uvicorn.Server):
    """A uvicorn server that lives inside a loop it does not own."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                _ending_quietly(app),
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_GIVE_UP_AFTER_S,
            )
        )
        self._is_ready = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever owns the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; then tell `listen`."""
        await super().startup(sockets)
        self._is_ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; clients that are still sending are hung up on, which is no error of ours."""
        hanging_up = asyncio.get_running_loop().call_later(_SHUTDOWN_WAIT_S, self._hang_up)
        await super().shutdown(sockets)
        hanging_up.cancel()

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def listen(self, bound: socket.socket) -> None:
        """Serve on a socket that is bound already; returns once it accepts."""
        self._serving = asyncio.create_task(self.serve([bound]))
        await self._is_ready.wait()

    async def close(self) -> None:
        """Finish the requests under way and close the port."""
        if self._serving is not None:
            self.should_exit = True
            await self._serving


def _ending_quietly(app: ASGIApp) -> ASGIApp:
    """Let uvicorn cancel, when it has waited long enough, without a traceback in the log."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet
