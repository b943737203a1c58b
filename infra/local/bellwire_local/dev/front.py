"""The HTTP front of the one-process service: what API Gateway is on AWS.

It turns requests into the events of payload format 2.0, calls the same handlers in threads (they
call boto3, which calls this very process: its loop must stay free), and serves the dashboard.
"""

import asyncio
import base64
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.datastructures import URL
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bellwire.config import LOOPBACK
from bellwire.errors import BellwireError, NotAllowed, NotFound, TooLarge, TooMany
from bellwire.handlers import edge
from bellwire.handlers.config import handle_config
from bellwire.handlers.edge import Deployment, Handle
from bellwire.handlers.people import handle_kick, handle_user
from bellwire.handlers.poll import handle_poll, handle_signed_poll
from bellwire.handlers.presence import handle_presence
from bellwire.handlers.publish import handle_publish
from bellwire.handlers.session import handle_session
from bellwire_local.dev.assets import client_dir
from bellwire_local.dev.gate import Authorized, Gate

MAX_BODY_BYTES: Final = 10_485_760  # API Gateway quota "payload size", 10 MB
EXPOSED: Final = "ETag, Age, Date, Retry-After, Bellwire-Poll-After-Ms"

ALLOWED: Final = "authorization, content-type, x-amz-date, x-amz-security-token"
JOINING: Final = 32
"""How many sessions are opened at once. Ours: Lambda would take a thousand."""

COME_BACK_S: Final = (2, 8)
ANY_METHOD: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - told so by --host, and warned of
CLIENT_FILES: Final = (
    "bellwire-poll.js",
    *(
        f"{name}.js{ending}"
        for name in ("bellwire", "bellwire-worker", "core", "react")
        for ending in ("", ".map")
    ),
)

Endpoint = Callable[[Request], Awaitable[Response]]
Admit = Callable[[Request, bytes], Authorized]


class KnownHost:
    """Answers only to this machine's names, so that no page can come by a name of its own.

    A page of `evil.example` whose name resolves to 127.0.0.1 is of the same origin to a browser.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._known = None if host in ANYWHERE else {host, *LOOPBACK}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        name = URL(scope=scope).hostname if scope["type"] == "http" else None
        if self._known is not None and name not in self._known:
            error = NotAllowed(f"expected this machine as the Host, found {name!r}")
            answer = edge.error_response(error)
            refusal = Response(answer["body"], answer["statusCode"], answer["headers"])
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Threads:
    """Where handlers run; each kind waits for something else, and must not hold up the others.

    `writing` may wait for the log's lock, `joining` for AWS IoT's control plane.
    """

    reading: Executor
    writing: Executor
    joining: Executor


class Front:
    """Builds the ASGI application for one deployment."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        gate: Gate,
        origin: str,
        threads: Threads,
        host: str,
        dev: ASGIApp,
    ) -> None:
        self._deployment = deployment
        self._gate = gate
        self._origin = origin
        self._threads = threads
        self._host = host
        self._dev = dev
        self._joining = 0

    def app(self) -> Starlette:
        """Route every endpoint, the client's files and the dashboard."""
        reading, writing = self._threads.reading, self._threads.writing
        # A poll has to be signed, since the key is no reader's.
        caller, signer = self._gate.admit, self._gate.admit_signer
        pages: list[tuple[str, str, Endpoint]] = [
            ("GET", "/v1/config", self._open(handle_config, reading)),
            ("GET", "/v1/updates", self._open(handle_poll, reading)),
            ("GET", "/v1/signed/updates", self._admitting(signer, handle_signed_poll, reading)),
            ("GET", "/v1/presence", self._open(handle_presence, reading)),
            ("POST", "/v1/session", self._join),
        ]
        backends: list[tuple[str, Endpoint]] = [
            ("/v1/publish", self._admitting(caller, handle_publish, writing)),
            ("/v1/users", self._admitting(caller, handle_user, writing)),
            ("/v1/kick", self._admitting(caller, handle_kick, writing)),
        ]
        return Starlette(
            middleware=[Middleware(KnownHost, host=self._host)],
            routes=[
                *[
                    Route(path, self._with_preflight(answer), methods=[method, "OPTIONS"])
                    for method, path, answer in pages
                ],
                *[Route(path, answer, methods=["POST"]) for path, answer in backends],
                Route("/v1/health", self._health, methods=["GET"]),
                Route("/v1/{rest:path}", self._no_such_endpoint, methods=ANY_METHOD),
                Mount("/dev", self._dev),
                *[Route(f"/{name}", self._client_file(name)) for name in CLIENT_FILES],
                Mount("/", StaticFiles(directory=client_dir() / "dashboard", html=True)),
            ],
        )

    def _with_preflight(self, answer: Endpoint) -> Endpoint:
        async def answer_or_allow(request: Request) -> Response:
            return self._preflight() if request.method == "OPTIONS" else await answer(request)

        return answer_or_allow

    def _open(self, handle: Handle, threads: Executor) -> Endpoint:
        """Let everybody in."""

        async def answer(request: Request) -> Response:
            return await self._answer(handle, request, threads)

        return answer

    def _admitting(self, admit: Admit, handle: Handle, threads: Executor) -> Endpoint:
        """Let in whom the gate admits."""

        async def answer(request: Request) -> Response:
            return await self._answer(handle, request, threads, admit)

        return answer

    async def _join(self, request: Request) -> Response:
        """Take as many at once as there are threads: whoever waited longer would give up."""
        try:
            event = await _read_event(request)
            if self._joining >= JOINING:
                raise TooMany(f"{JOINING} sessions are being opened: come back", _come_back_s())
        except BellwireError as error:
            return self._response(edge.error_response(error))
        self._joining += 1
        try:
            return await self._handle(handle_session, event, self._threads.joining)
        finally:
            self._joining -= 1

    def _client_file(self, name: str) -> Endpoint:
        async def answer(_request: Request) -> Response:
            return FileResponse(client_dir() / name, headers={"cache-control": "no-cache"})

        return answer

    async def _health(self, _request: Request) -> Response:
        return self._response(edge.json_response(200, {"ok": True}))

    async def _no_such_endpoint(self, request: Request) -> Response:
        error = NotFound(f"no endpoint {request.method} {request.url.path}")
        return self._response(edge.error_response(error))

    async def _answer(
        self, handle: Handle, request: Request, threads: Executor, admit: Admit | None = None
    ) -> Response:
        try:
            event = await _read_event(request, admit)
        except BellwireError as error:
            return self._response(edge.error_response(error))
        return await self._handle(handle, event, threads)

    async def _handle(self, handle: Handle, event: edge.Event, threads: Executor) -> Response:
        loop = asyncio.get_running_loop()
        return self._response(
            await loop.run_in_executor(threads, edge.answer, handle, event, self._deployment)
        )

    def _response(self, answer: Mapping[str, Any]) -> Response:
        response = Response(answer.get("body", ""), answer["statusCode"], answer["headers"])
        response.headers["access-control-allow-origin"] = self._origin
        response.headers["access-control-expose-headers"] = EXPOSED
        return response

    def _preflight(self) -> Response:
        return Response(
            status_code=204,
            headers={
                "access-control-allow-origin": self._origin,
                "access-control-allow-methods": "GET, POST",
                "access-control-allow-headers": ALLOWED,
                "access-control-max-age": "600",
            },
        )


def _come_back_s() -> int:
    return random.randint(*COME_BACK_S)  # noqa: S311 - so that they do not come together


async def _read_event(request: Request, admit: Admit | None = None) -> edge.Event:
    """Wait for the whole of a request, however slowly it comes, and see whether it is admitted."""
    body = await _body_of(request)
    event = _event_of(request, body)
    if admit is not None:
        event["requestContext"]["authorizer"] = admit(request, body)
    return event


async def _body_of(request: Request) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise TooLarge(f"expected a body of at most {MAX_BODY_BYTES} bytes, found more")
    except ClientDisconnect:
        return b""
    return bytes(body)


def _event_of(request: Request, body: bytes) -> dict[str, Any]:
    """Shape a request as API Gateway would.

    Source: API Gateway guide, "HTTP API: working with AWS Lambda proxy integrations", format 2.0.
    """
    path, method = request.url.path, request.method
    now_s = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": request.url.query,
        "headers": {name: ",".join(request.headers.getlist(name)) for name in request.headers},
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client.host if request.client else "",
                "userAgent": request.headers.get("user-agent", ""),
            },
            "requestId": str(uuid4()),
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "timeEpoch": int(now_s * 1000),
        },
        "isBase64Encoded": False,
    }
    if body:
        try:
            event["body"] = body.decode()
        except UnicodeDecodeError:
            event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
    return event
