"""Ports to listen on: had, or refused in words."""

import errno
import socket
from typing import Final

from bellwire_local.errors import PortInUse, PortUnusable

BACKLOG: Final = 2048


def bind(host: str, port: int, used_for: str) -> socket.socket:
    """Listen on a port (0: any free one) and say what for if it cannot be had.

    Raises:
        PortInUse: another process has it.
        PortUnusable: the host is not this machine's, or the port needs more rights.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
        bound.settimeout(0)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port, used_for=used_for) from error
        raise PortUnusable(host, port, error.strerror or str(error)) from error
    return bound


def authority_of(bound: socket.socket) -> str:
    """Name where a socket listens, as it stands in a URL: `127.0.0.1:8080`."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
