"""The WebSocket port: signed upgrades in, binary frames between sockets and the broker.

Every rule is elsewhere: signatures in `sigv4`, MQTT in `session`, delivery in `broker`.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from bellwire_local.identity.principals import Principal
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.iot import limits
from bellwire_local.iot.broker import Broker, Connection
from bellwire_local.iot.refusals import HttpRefusal, refuse

logger = logging.getLogger(__name__)

MQTT_PATH = "/mqtt"
SUB_PROTOCOLS = ("mqtt", "mqttv3.1")
_HANDSHAKE_WAIT_S = 10
_MAX_FRAME_BYTES = 4 * limits.PAYLOAD_BYTES
_DATA_FRAMES = (WSMsgType.BINARY, WSMsgType.CONTINUATION)


class Flusher:
    """Joins what is sent to one socket within one turn of the loop into one frame."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[MqttSocket] = []

    def add(self, mqtt_socket: "MqttSocket") -> None:
        """Flush this socket when the present turn of the loop is over."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(mqtt_socket)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for mqtt_socket in waiting:
            mqtt_socket.flush()


class MqttSocket(WSListener):
    """One upgraded socket: the broker's outlet on one side, picows' listener on the other."""

    def __init__(self, broker: Broker, flusher: Flusher, principal: Principal) -> None:
        super().__init__()
        self._broker = broker
        self._flusher = flusher
        self._principal = principal
        self._transport: WSTransport | None = None
        self._connection: Connection | None = None
        self._unsent: list[bytes] = []
        self._is_paused = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce the socket to the broker."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(limits.STALLED_SUBSCRIBER_BYTES)
        peer = transport.underlying_transport.get_extra_info("peername")
        source_ip, source_port = (peer[0], peer[1]) if peer else ("unknown", 0)
        self._connection = self._broker.open(self, self._principal, source_ip, source_port)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand the bytes of data frames on; frame borders mean nothing to MQTT [MQTT-6.0.0-2]."""
        if self._connection is None:
            return
        if frame.msg_type in _DATA_FRAMES:
            self._broker.receive(self._connection, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.TEXT:  # [MQTT-6.0.0-1]
            self._broker.reject(self._connection, "a text frame; MQTT travels in binary ones")
        elif frame.msg_type == WSMsgType.CLOSE:
            self._broker.leave(self._connection)
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Tell the broker that the socket is gone."""
        self._transport = None
        self._unsent.clear()
        if self._connection is not None:
            self._broker.lose(self._connection)

    def pause_writing(self) -> None:
        """Remember that the client does not keep up."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Remember that the client keeps up again."""
        self._is_paused = False

    def send(self, encoded: bytes) -> None:
        """See `broker.Outlet`."""
        if not self._unsent:
            self._flusher.add(self)
        self._unsent.append(encoded)

    def is_stalled(self) -> bool:
        """See `broker.Outlet`."""
        return self._is_paused

    def pause_reading(self) -> None:
        """See `broker.Outlet`."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """See `broker.Outlet`."""
        if self._transport is not None:
            self._transport.underlying_transport.resume_reading()

    def close(self) -> None:
        """See `broker.Outlet`. A client that does not read loses what waits for it."""
        self.flush()
        if self._transport is not None:
            self._transport.disconnect(not self._is_paused)

    def flush(self) -> None:
        """Write what was sent since the last flush."""
        unsent = self._unsent
        if not unsent or self._transport is None:
            return
        self._unsent = []
        message = unsent[0] if len(unsent) == 1 else b"".join(unsent)
        self._transport.send(WSMsgType.BINARY, message)


class _Server(Protocol):
    """What picows' server can do; typeshed knows the last two from Python 3.13 on only."""

    def close(self) -> None: ...
    async def wait_closed(self) -> None: ...
    def abort_clients(self) -> None: ...


class WebSocketPort:
    """The port itself: admits upgrades and hands each to the broker of its signer's account."""

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        verifier: Verifier,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._brokers = brokers
        self._verifier = verifier
        self._wall_clock_s = wall_clock_s
        self._server: _Server | None = None

    async def listen(self, bound: socket.socket) -> None:
        """Serve on a socket that is bound already."""
        flusher = Flusher(asyncio.get_running_loop())

        def answer(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
            return self._answer(request, flusher)

        server = await ws_create_server(
            answer,
            sock=bound,
            websocket_handshake_timeout=_HANDSHAKE_WAIT_S,
            max_frame_size=_MAX_FRAME_BYTES,
            logger_name=logger.getChild("frames"),
        )
        self._server = cast("_Server", server)

    async def close(self) -> None:
        """End every connection, half-open ones included, and close the port."""
        for broker in self._brokers.values():
            broker.close()
        if self._server is None:
            return
        self._server.close()
        await asyncio.sleep(0)  # farewells leave first
        self._server.abort_clients()
        await self._server.wait_closed()

    def _answer(self, request: WSUpgradeRequest, flusher: Flusher) -> WSUpgradeResponseWithListener:
        admitted = _admit(request, self._verifier, self._wall_clock_s())
        if isinstance(admitted, HttpRefusal):
            refusal = WSUpgradeResponse.create_error_response(
                admitted.status, admitted.body, admitted.headers
            )
            return WSUpgradeResponseWithListener(refusal, None)
        accepted = WSUpgradeResponse.create_101_response(_accepted_headers(request))
        listener = MqttSocket(self._brokers[admitted.account_id], flusher, admitted)
        return WSUpgradeResponseWithListener(accepted, listener)


def _admit(request: WSUpgradeRequest, verifier: Verifier, now_s: float) -> Principal | HttpRefusal:
    path, _, query = request.path.decode("latin-1").partition("?")
    if path != MQTT_PATH:
        return refuse(404, "ResourceNotFoundException", f"No such path: {path}; MQTT is at /mqtt")
    headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
    received = ReceivedRequest(request.method.decode("latin-1"), path, query, headers)
    try:
        return verifier.verify(received, now_s).principal
    except SignatureRefused as refusal:
        logger.warning("upgrade refused: %s", refusal)
        return refuse(403, "ForbiddenException", str(refusal))


def _accepted_headers(request: WSUpgradeRequest) -> list[tuple[str, str]]:
    offered = ",".join(request.headers.getall("sec-websocket-protocol", [])).split(",")
    names = [name.strip() for name in offered]
    chosen = next((name for name in names if name in SUB_PROTOCOLS), None)
    headers = [("access-control-allow-origin", "*")]
    return headers if chosen is None else [*headers, ("sec-websocket-protocol", chosen)]
