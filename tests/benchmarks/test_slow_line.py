"""A slow line is as slow as asked, keeps bytes in order, and can be cut."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import perf_counter

import pytest

from benchmarks.slow_line import slow_line

ONE_WAY_S = 0.05


@contextmanager
def echo_server() -> Iterator[int]:
    """Send back whatever comes, one connection after another; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_echo, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _echo(listening: socket.socket) -> None:
    with suppress(OSError):  # the end of listening
        while True:
            connection, _ = listening.accept()
            with connection, suppress(ConnectionError):
                while piece := connection.recv(65_536):
                    connection.sendall(piece)


def ask(connection: socket.socket, question: bytes) -> bytes:
    """Send, and wait for as much to come back."""
    connection.sendall(question)
    answer = b""
    while len(answer) < len(question):
        piece = connection.recv(65_536)
        if not piece:
            raise ConnectionError("ended")
        answer += piece
    return answer


def test_a_round_trip_is_late_and_the_first_by_a_handshake_more() -> None:
    with echo_server() as port, slow_line([port], ONE_WAY_S) as line:
        began_s = perf_counter()
        with socket.create_connection(("127.0.0.1", line.relaying[port])) as connection:
            assert ask(connection, b"a") == b"a"
            first_s = perf_counter() - began_s
            began_s = perf_counter()
            assert ask(connection, b"b") == b"b"
            second_s = perf_counter() - began_s
        assert first_s >= 4 * ONE_WAY_S
        assert second_s >= 2 * ONE_WAY_S
        assert [(piece.is_of_page, piece.head) for piece in line.pieces] == [
            (True, b"a"),
            (False, b"a"),
            (True, b"b"),
            (False, b"b"),
        ]
        assert len(line.opened_s) == 1


def test_much_stays_in_order() -> None:
    question = b"".join(b"%07d\n" % number for number in range(100_000))
    with (
        echo_server() as port,
        slow_line([port], 0) as line,
        socket.create_connection(("127.0.0.1", line.relaying[port])) as connection,
    ):
        thread = threading.Thread(target=connection.sendall, args=(question,))
        thread.start()
        answer = b""
        while len(answer) < len(question):
            answer += connection.recv(65_536)
        thread.join()
    assert answer == question


def test_a_cut_line_ends_connections_until_it_is_mended() -> None:
    with echo_server() as port, slow_line([port], 0) as line:
        place = ("127.0.0.1", line.relaying[port])
        with socket.create_connection(place) as connection:
            assert ask(connection, b"a") == b"a"
            line.cut()
            with pytest.raises(ConnectionError):
                ask(connection, b"b")
        with socket.create_connection(place) as connection, pytest.raises(ConnectionError):
            ask(connection, b"c")
        line.mend()
        with socket.create_connection(place) as connection:
            assert ask(connection, b"d") == b"d"
