"""The HTTP front of the one-process service: what API Gateway is on AWS.

It turns requests into the events of payload format 2.0, calls the same handlers in threads (they
call boto3, which calls this very process: its loop must stay free), and serves the dashboard.
"""

import asyncio
import base64
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
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
from bellwire.errors import BellwireError, NotAllowed, NotFound, TooLarge, Unauthenticated
from bellwire.handlers import edge
from bellwire.handlers.config import handle_config
from bellwire.handlers.edge import Deployment, Handle
from bellwire.handlers.poll import handle_poll
from bellwire.handlers.publish import handle_publish
from bellwire.handlers.session import handle_session
from bellwire_local.dev.assets import client_dir

MAX_BODY_BYTES: Final = 10_485_760  # API Gateway quota "payload size", 10 MB
EXPOSED: Final = "ETag, Age, Date, Retry-After, Bellwire-Poll-After-Ms"

ANY_METHOD: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - told so by --host, and warned of
CLIENT_FILES: Final = ("bellwire.js", "bellwire.js.map")

Endpoint = Callable[[Request], Awaitable[Response]]


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


class Front:
    """Builds the ASGI application for one deployment.

    Publishing has threads of its own: it may wait for the log's lock, and reading must not.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        publish_key: str,
        origin: str,
        reading: Executor,
        writing: Executor,
        host: str,
        dev: ASGIApp,
    ) -> None:
        self._host = host
        self._dev = dev
        self._deployment = deployment
        self._publish_key = publish_key
        self._origin = origin
        self._reading = reading
        self._writing = writing

    def app(self) -> Starlette:
        """Route every endpoint, the client's files and the dashboard."""
        handlers: list[tuple[str, str, Handle]] = [
            ("GET", "/v1/config", handle_config),
            ("GET", "/v1/updates", handle_poll),
            ("POST", "/v1/session", handle_session),
        ]
        routes = [
            Route(path, self._endpoint(handle), methods=[method, "OPTIONS"])
            for method, path, handle in handlers
        ]
        return Starlette(
            middleware=[Middleware(KnownHost, host=self._host)],
            routes=[
                *routes,
                Route("/v1/publish", self._publish, methods=["POST"]),
                Route("/v1/health", self._health, methods=["GET"]),
                Route("/v1/{rest:path}", self._no_such_endpoint, methods=ANY_METHOD),
                Mount("/dev", self._dev),
                *[Route(f"/{name}", self._client_file(name)) for name in CLIENT_FILES],
                Mount("/", StaticFiles(directory=client_dir() / "dashboard", html=True)),
            ],
        )

    def _endpoint(self, handle: Handle) -> Endpoint:
        async def answer(request: Request) -> Response:
            if request.method == "OPTIONS":
                return self._preflight()
            return await self._answer(handle, request, self._reading)

        return answer

    async def _publish(self, request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            key.strip().encode(), self._publish_key.encode()
        ):
            error = Unauthenticated("expected the key of this service as a bearer token")
            return self._response(edge.error_response(error))
        return await self._answer(handle_publish, request, self._writing)

    def _client_file(self, name: str) -> Endpoint:
        async def answer(_request: Request) -> Response:
            return FileResponse(client_dir() / name, headers={"cache-control": "no-cache"})

        return answer

    async def _health(self, _request: Request) -> Response:
        return self._response(edge.json_response(200, {"ok": True}))

    async def _no_such_endpoint(self, request: Request) -> Response:
        error = NotFound(f"no endpoint {request.method} {request.url.path}")
        return self._response(edge.error_response(error))

    async def _answer(self, handle: Handle, request: Request, threads: Executor) -> Response:
        try:
            event = _event_of(request, await _body_of(request))
        except BellwireError as error:
            return self._response(edge.error_response(error))
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
                "access-control-allow-headers": "authorization, content-type",
                "access-control-max-age": "600",
            },
        )


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
