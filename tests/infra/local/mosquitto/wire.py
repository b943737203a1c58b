"""One MQTT client made of bytes on a WebSocket, the same for every broker."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mqtt_bytes import PINGREQ, Received, split

DEADLINE_S = 10
PINGRESP = Received(13, 0, b"")
_DATA, _CLOSE, _PING = (0, 2), 8, 9

Open = Callable[[], "Wire"]
"""Opens one more connection to a broker."""


@dataclass
class Wire:
    """A WebSocket on which a test writes packets and reads those that come."""

    socket: socket.socket
    is_ended: bool = False
    heard: list[Received] = field(default_factory=list)
    _frames: bytes = b""
    _stream: bytes = b""

    def send(self, packets: bytes) -> None:
        """Send one binary frame."""
        with contextlib.suppress(ConnectionError):  # its end is seen by reading
            self.socket.sendall(_frame(packets))

    def settle(self) -> list[Received]:
        """Return what came until the answer to a ping, or until the end; the pong is left out."""
        self.send(PINGREQ)
        return self.read_until(lambda heard: heard[-1] == PINGRESP)

    def read_until(self, is_enough: Callable[[list[Received]], bool]) -> list[Received]:
        """Return what came until it is enough or the connection has ended."""
        while not self.is_ended and not (self.heard and is_enough(self.heard)):
            self._read()
        heard, self.heard = self.heard, []
        return [one for one in heard if one != PINGRESP]

    def read_to_end(self) -> list[Received]:
        """Return what came until the broker closed the connection."""
        return self.read_until(lambda _: False)

    def _read(self) -> None:
        piece = b""
        with contextlib.suppress(ConnectionError):
            piece = self.socket.recv(65_536)
        self.is_ended = not piece
        self._frames += piece
        while (frame := _cut_frame(self._frames)) is not None:
            kind, payload, self._frames = frame
            if kind in _DATA:
                packets, self._stream = split(self._stream + payload)
                self.heard += packets
            self.is_ended = self.is_ended or kind == _CLOSE


def _frame(payload: bytes, kind: int = 2) -> bytes:
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((0x80 | kind,)) + length + bytes(4) + payload


def _cut_frame(stream: bytes) -> tuple[int, bytes, bytes] | None:
    if len(stream) < 4:
        whole = len(stream) >= 2 and len(stream) >= 2 + stream[1]
        return (stream[0] & 0x0F, stream[2:], b"") if whole else None
    start, size = 2, stream[1]
    if size == 126:
        start, size = 4, int.from_bytes(stream[2:4], "big")
    if len(stream) < start + size:
        return None
    return stream[0] & 0x0F, stream[start : start + size], stream[start + size :]


@contextlib.contextmanager
def opening(url: str) -> Iterator[Open]:
    """Give a way to open connections to a URL; all end with the test."""
    parts = urlsplit(url)
    with contextlib.ExitStack() as until_done:

        def open_one() -> Wire:
            address = (parts.hostname or "", parts.port or 0)
            connected = socket.create_connection(address, DEADLINE_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            until_done.enter_context(connected)
            lines = (
                f"GET {parts.path}?{parts.query} HTTP/1.1",
                f"Host: {parts.netloc}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Protocol: mqtt",
                "\r\n",
            )
            connected.sendall("\r\n".join(lines).encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connected.recv(1)
            assert answer.startswith(b"HTTP/1.1 101"), answer
            return Wire(connected)

        yield open_one


def fresh_id() -> str:
    """Make a client id that nobody else has."""
    return f"c{os.urandom(6).hex()}"
