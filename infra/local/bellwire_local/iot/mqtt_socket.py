"""One upgraded socket: WebSocket frames on one side, the broker on the other."""

import asyncio
from collections.abc import Callable
from typing import Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from bellwire_local.identity.credentials import Grant
from bellwire_local.iot import limits
from bellwire_local.iot.broker import Broker, Connection

_FAREWELL_WAIT_S: Final = 5
"""How long what waits for a client may keep its socket after its connection has ended. Ours."""

_BINARY: Final = WSMsgType.BINARY  # an enum's member takes a while to find

_JOINED_BYTES: Final = 65_536
"""What is joined at most before it is written, which tells whether the client keeps up. Ours."""

_DATA_KINDS: Final = (WSMsgType.BINARY, WSMsgType.CONTINUATION)

_CONTROL_HEAD_BYTES: Final = 6
"""What precedes the payload of a client's PING or PONG. Source: RFC 6455, sections 5.2 and 5.5."""


class Flusher:
    """Joins what is sent to one socket within one turn of the loop into one frame."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[WSTransport, list[bytes]]] = []

    def add(self, transport: WSTransport, unsent: list[bytes]) -> None:
        """Write what is in `unsent` when the present turn of the loop is over."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append((transport, unsent))

    def abort_later(self, transport: WSTransport) -> None:
        """End a socket whose client does not take its farewell."""
        self._loop.call_later(_FAREWELL_WAIT_S, _abort, transport)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport, unsent in waiting:
            if unsent:
                _write(transport, unsent)


def _write(transport: WSTransport, unsent: list[bytes]) -> None:
    transport.send(_BINARY, unsent[0] if len(unsent) == 1 else b"".join(unsent))
    unsent.clear()


def _abort(transport: WSTransport) -> None:
    if not transport.is_disconnected:
        transport.disconnect(False)  # noqa: FBT003 - picows takes it by place


class MqttSocket(WSListener):
    """The broker's outlet, and picows' listener.

    `on_open` is told of the connection as soon as the broker knows it; `close_code` is what the
    Close frame says when the broker ends it, 0: none is sent.
    """

    __slots__ = (
        "_broker",
        "_close_code",
        "_connection",
        "_flusher",
        "_grant",
        "_is_within_message",
        "_joined_bytes",
        "_on_open",
        "_transport",
        "_unsent",
        "is_stalled",
    )

    def __init__(
        self,
        broker: Broker,
        flusher: Flusher,
        grant: Grant,
        on_open: Callable[[Broker, Connection], None],
        close_code: int = 0,
    ) -> None:
        super().__init__()
        self.is_stalled = False
        self._broker = broker
        self._flusher = flusher
        self._grant = grant
        self._on_open = on_open
        self._close_code = close_code
        self._transport: WSTransport | None = None
        self._connection: Connection | None = None
        self._unsent: list[bytes] = []
        self._joined_bytes = 0
        self._is_within_message = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Introduce the socket to the broker."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(limits.STALLED_SUBSCRIBER_BYTES)
        peer = transport.underlying_transport.get_extra_info("peername")
        source_ip, source_port = (peer[0], peer[1]) if peer else ("unknown", 0)
        principal = self._grant.principal
        self._connection = self._broker.open(self, principal, source_ip, source_port)
        self._connection.expires_at = self._grant.expires_at
        self._on_open(self._broker, self._connection)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand the bytes of data frames on; frame borders mean nothing to MQTT [MQTT-6.0.0-2]."""
        connection = self._connection
        if connection is None or not connection.is_open:
            return
        fault = self._find_fault(frame)
        if fault is not None:
            self._broker.reject(connection, fault)
        elif frame.msg_type in _DATA_KINDS:
            self._is_within_message = not frame.fin
            self._broker.receive(connection, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self._broker.leave(connection)
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            self._flusher.abort_later(transport)
        else:
            self._broker.count_inbound(connection, _CONTROL_HEAD_BYTES + frame.payload_size)
            if frame.msg_type == WSMsgType.PING and not self.is_stalled:
                transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """Tell the broker that the socket is gone."""
        self._transport = None
        self._unsent.clear()
        if self._connection is not None:
            self._broker.lose(self._connection)

    def pause_writing(self) -> None:
        """Remember that the client does not keep up."""
        self.is_stalled = True

    def resume_writing(self) -> None:
        """Remember that the client keeps up again."""
        self.is_stalled = False

    @property
    def is_unread(self) -> bool:
        """See `broker.Outlet`."""
        return self.is_stalled

    def send(self, encoded: bytes) -> None:
        """See `broker.Outlet`."""
        unsent = self._unsent
        if unsent:
            self._join(encoded)
        elif self._transport is not None:
            self._flusher.add(self._transport, unsent)
            unsent.append(encoded)

    def pause_reading(self) -> None:
        """See `broker.Outlet`. What has arrived already is still handed on: 256 KiB at most."""
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """See `broker.Outlet`."""
        if self._transport is not None:
            self._transport.underlying_transport.resume_reading()

    def close(self) -> None:
        """See `broker.Outlet`. A client that does not read loses what waits for it."""
        transport = self._transport
        if transport is None:
            return
        if self._unsent:
            _write(transport, self._unsent)
        if self._close_code and not self.is_stalled:
            transport.send_close(self._close_code)  # type: ignore[arg-type]  # any number will do
        transport.disconnect(not self.is_stalled)
        self._flusher.abort_later(transport)

    def _join(self, encoded: bytes) -> None:
        unsent = self._unsent
        if len(unsent) == 1:
            self._joined_bytes = len(unsent[0])
        unsent.append(encoded)
        self._joined_bytes += len(encoded)
        if self._joined_bytes > _JOINED_BYTES and self._transport is not None:
            _write(self._transport, unsent)

    def _find_fault(self, frame: WSFrame) -> str | None:
        """Check what picows leaves to its user. Source: RFC 6455, sections 5.2 and 5.4."""
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            return "a frame with reserved bits; no extension was negotiated"
        if frame.msg_type == WSMsgType.TEXT:  # [MQTT-6.0.0-1]
            return "a text frame; MQTT travels in binary ones"
        if frame.msg_type not in _DATA_KINDS:
            return None
        is_continued = frame.msg_type == WSMsgType.CONTINUATION
        if is_continued and not self._is_within_message:
            return "a continuation frame that continues nothing"
        if self._is_within_message and not is_continued:
            return "a new message before the last one's final frame"
        return None
