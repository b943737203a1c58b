"""The least that a fan-out can cost: `send()` of the same bytes to the same number of sockets.

`python -m benchmarks.fanout_floor SOCKETS` prints its port, takes that many sockets and one more,
and copies what comes from the last to all the others until it ends.
"""

import socket
import sys

PIECE_BYTES = 65_536


def main(sockets: int) -> None:
    """Serve one load, in blocking calls: no loop, no parsing, no decision."""
    with socket.create_server(("127.0.0.1", 0), backlog=sockets) as listening:
        print(listening.getsockname()[1], flush=True)
        readers = [_accept(listening) for _ in range(sockets)]
        publisher = _accept(listening)
    while piece := publisher.recv(PIECE_BYTES):
        for reader in readers:
            reader.sendall(piece)


def _accept(listening: socket.socket) -> socket.socket:
    accepted, _ = listening.accept()
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return accepted


if __name__ == "__main__":
    main(int(sys.argv[1]))
