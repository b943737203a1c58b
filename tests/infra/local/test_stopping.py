"""Ctrl-C while clients are in the middle of something: an end without complaints."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.command_process import running_command
from services import running_service

HALF_A_REQUEST = b"POST /v1/publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nabc"


@contextlib.contextmanager
def _half_sent(url: str) -> Iterator[socket.socket]:
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as client:
        client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 ")  # it is served
        client.sendall(HALF_A_REQUEST)
        yield client


def test_the_stand_in_hangs_up_on_half_a_request(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with running_command(tmp_path) as (ready, log):
            stack.enter_context(_half_sent(ready["aws"]))
        lines = log.read_text().splitlines()
    assert [line for line in lines if "refused" not in line] == []


def test_the_whole_service_hangs_up_on_half_a_request(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as service, contextlib.ExitStack() as stack:
        for url in (service.url, service.ready["aws"]):
            stack.enter_context(_half_sent(url))
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(20) == 0
        lines = service.log.read_text().splitlines()
    assert [line for line in lines if "refused" not in line] == []
