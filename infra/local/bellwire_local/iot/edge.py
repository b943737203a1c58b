"""The WebSocket port: signed upgrades in, an upgraded socket for each one admitted.

Every rule is elsewhere: admission in `admission`, MQTT in `session`, delivery in `broker`.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from multidict import CIMultiDict
from picows import (
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from bellwire_local.fault_plan import FaultPlan, UpgradeFault
from bellwire_local.identity.credentials import Grant
from bellwire_local.identity.sigv4 import Verifier
from bellwire_local.iot.admission import EdgeChoices, UpgradeRequest, admit, choose_sub_protocol
from bellwire_local.iot.broker import Broker, Connection
from bellwire_local.iot.mqtt_socket import Flusher, MqttSocket
from bellwire_local.iot.refusals import HttpRefusal, refuse
from bellwire_local.listening import BACKLOG

WEBSOCKET_SERVICES = ("iotdevicegateway", "iotdata")
"""The documented scope, and the one that the device SDK v1 signs."""

logger = logging.getLogger(__name__)

_PACKETS_PER_FRAME: Final = 4
"""How many of the largest packets a frame may hold. Ours."""

_HANDSHAKE_WAIT_S: Final = 10
"""How long a client may take for its TLS handshake, and again for its request. Ours."""

_PORTAL = b"<!doctype html><title>Welcome</title><p>Please accept the terms of this network."


class _Server(Protocol):
    """What picows' server can do; typeshed knows the last two from Python 3.13 on only."""

    def close(self) -> None: ...
    async def wait_closed(self) -> None: ...
    def abort_clients(self) -> None: ...


class _FrameLog(logging.LoggerAdapter[logging.Logger]):
    """picows' log: bytes that are no frames are a client's fault, and no error of ours."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See logging."""
        is_ours = kwargs.get("exc_info") is not None or level > logging.ERROR
        super().log(level if is_ours else min(level, logging.WARNING), msg, *args, **kwargs)


class WebSocketPort:
    """Admits upgrades and hands each to the broker of its signer's account."""

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        verifier: Verifier,
        wall_clock_s: Callable[[], float],
        choices: EdgeChoices,
        *,
        max_packet_bytes: int,
    ) -> None:
        self._brokers = brokers
        self.verifier = verifier
        self._wall_clock_s = wall_clock_s
        self._choices = choices
        self._max_frame_bytes = _PACKETS_PER_FRAME * max_packet_bytes
        self._servers: list[_Server] = []
        self.fault_plan: Callable[[], FaultPlan | None] = lambda: None
        self.on_open: Callable[[Broker, Connection], None] = lambda _broker, _connection: None

    async def listen(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a socket that is bound already; may be called again for another one."""
        flusher = Flusher(asyncio.get_running_loop())

        def answer(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            return self._answer(request, flusher)

        options: dict[str, Any] = {}
        if tls is not None:
            options = {"ssl": tls, "ssl_handshake_timeout": _HANDSHAKE_WAIT_S}
        server = await ws_create_server(
            answer,
            sock=bound,
            websocket_handshake_timeout=_HANDSHAKE_WAIT_S,
            max_frame_size=self._max_frame_bytes,
            enable_auto_pong=False,  # its answers would pile up for a client that does not read
            backlog=BACKLOG,  # it listens anew; a smaller one makes a crowd wait for a second
            logger_name=_FrameLog(logger.getChild("frames")),
            use_aiofastnet=True,  # its server can abort clients on Python 3.11 too
            **options,
        )
        self._servers.append(cast("_Server", server))

    async def close(self) -> None:
        """End every connection, half-open ones included, and close the port."""
        for broker in self._brokers.values():
            broker.close()
        for server in self._servers:
            server.close()
        await asyncio.sleep(0)  # farewells leave first
        for server in self._servers:
            server.abort_clients()
            await server.wait_closed()

    def _answer(self, request: WSUpgradeRequest, flusher: Flusher) -> WSUpgradeResponseWithListener:
        asked = UpgradeRequest(
            request.method.decode("latin-1"),
            request.path.decode("latin-1"),
            {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers},
        )
        _simplify_connection(request.headers)  # of which the signature knows nothing
        admitted = admit(asked, self.verifier, self._wall_clock_s(), self._choices)
        plan = self.fault_plan()
        if isinstance(admitted, Grant) and plan is not None:
            admitted = _misbehave(plan) or admitted
        if isinstance(admitted, HttpRefusal):
            return WSUpgradeResponseWithListener(_word(admitted), None)
        accepted = WSUpgradeResponse.create_101_response(_accepted_headers(asked))
        broker = self._brokers[admitted.principal.account_id]
        listener = MqttSocket(broker, flusher, admitted, self.on_open, self._choices.close_code)
        return WSUpgradeResponseWithListener(accepted, listener)


def _misbehave(plan: FaultPlan) -> HttpRefusal | None:
    fault = plan.on_upgrade()
    if fault is None:
        return None
    logger.warning("upgrade fails as asked for: %s", fault.name.lower())
    if fault is UpgradeFault.HIJACKED:
        return HttpRefusal(200, (("content-type", "text/html"),), _PORTAL)
    return refuse(403, "ForbiddenException", "Forbidden")


def _word(refusal: HttpRefusal) -> WSUpgradeResponse:
    make = WSUpgradeResponse.create_ok_response
    if refusal.status == 200:
        return cast("WSUpgradeResponse", make(refusal.body, refusal.headers))
    answer = WSUpgradeResponse.create_error_response(refusal.status, refusal.body, refusal.headers)
    return cast("WSUpgradeResponse", answer)


def _simplify_connection(headers: CIMultiDict[str]) -> None:
    """Let picows see the one word it knows: Firefox sends `Connection: keep-alive, Upgrade`."""
    words = ",".join(headers.getall("connection", [])).lower().split(",")
    if "upgrade" in map(str.strip, words):
        headers["connection"] = "upgrade"


def _accepted_headers(asked: UpgradeRequest) -> list[tuple[str, str]]:
    chosen = choose_sub_protocol(asked.headers)
    headers = [("access-control-allow-origin", "*")]
    return headers if chosen is None else [*headers, ("sec-websocket-protocol", chosen)]
