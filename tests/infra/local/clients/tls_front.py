"""TLS in front of a plain port, for clients that speak nothing else."""

import contextlib
import select
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme

PIECE_BYTES = 65_536


@dataclass(frozen=True)
class TlsFront:
    url: str
    ca_path: Path


@contextlib.contextmanager
def running_tls_front(url: str) -> Iterator[TlsFront]:
    """Listen on `wss://localhost:…` for what `ws://…` answers."""
    behind = urlsplit(url)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        ca_path = Path(directory) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_path))
        port = listening.getsockname()[1]
        address = (behind.hostname or "", behind.port or 0)
        threading.Thread(target=_serve, args=(listening, context, address), daemon=True).start()
        yield TlsFront(f"wss://localhost:{port}{behind.path}", ca_path)


def _serve(listening: socket.socket, context: ssl.SSLContext, address: tuple[str, int]) -> None:
    while True:
        try:
            accepted, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(accepted, context, address), daemon=True).start()


def _relay(accepted: socket.socket, context: ssl.SSLContext, address: tuple[str, int]) -> None:
    with (
        contextlib.suppress(OSError),
        socket.create_connection(address) as plain,
        context.wrap_socket(accepted, server_side=True) as encrypted,
    ):
        while True:
            is_waiting = encrypted.pending() > 0
            ready = [] if is_waiting else select.select([encrypted, plain], [], [])[0]
            if is_waiting or encrypted in ready:
                if not _pass_on(encrypted, plain):
                    return
            elif not _pass_on(plain, encrypted):
                return


def _pass_on(one: socket.socket, other: socket.socket) -> bool:
    piece = one.recv(PIECE_BYTES)
    other.sendall(piece)
    return bool(piece)
