"""Stands between a page's socket and the broker, frame by frame."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, WebSocketRoute

SOCKETS = re.compile(r"^ws://[^/]+/mqtt\?")
PUBLISH, SUBSCRIBE, SUBACK = 3, 8, 9  # MQTT 3.1.1, table 2.1

Send = Callable[[str | bytes], None]
Pass = Callable[[Send, bytes], None]


def kind_of(frame: bytes) -> int:
    """Read the kind of a frame's first packet: the upper half of its first byte."""
    return frame[0] >> 4


def pass_on(send: Send, frame: bytes) -> None:
    """Do nothing to a frame."""
    send(frame)


def relay_frames(page: Page, *, to_broker: Pass = pass_on, to_page: Pass = pass_on) -> None:
    """Have every frame of the page's sockets passed on by these, from the next socket on."""

    def relay(socket: WebSocketRoute) -> None:
        broker = socket.connect_to_server()
        socket.on_message(lambda frame: to_broker(broker.send, _binary(frame)))
        broker.on_message(lambda frame: to_page(socket.send, _binary(frame)))

    page.route_web_socket(SOCKETS, relay)


def _binary(frame: str | bytes) -> bytes:
    assert isinstance(frame, bytes), f"found a text frame, expected binary: {frame[:80]}"
    return frame
