"""The load generator finds every fault of a server; otherwise its figures would mean nothing."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.fanout_load import Load, Reading, drive
from mosquitto import running_mosquitto

SUBSCRIBERS = 3

Cheat = Callable[[bytes], bytes]


def _load(port: int, pid: int, *, is_raw: bool, rate_per_s: float) -> Load:
    return Load(
        server_pid=pid,
        host="127.0.0.1",
        port=port,
        subscriber_path="/mqtt",
        publisher_path="/mqtt",
        subscriber_ids="guest-",
        publisher_id="job",
        topic="bench/t",
        subscribers=SUBSCRIBERS,
        messages=20,
        payload_bytes=200,
        rate_per_s=rate_per_s,
        window=5,
        is_raw=is_raw,
        within_s=2,
    )


@pytest.mark.parametrize("rate_per_s", [0, 200])
def test_every_delivery_of_a_broker_is_counted(tmp_path: Path, rate_per_s: float) -> None:
    with running_mosquitto(tmp_path) as broker:
        load = _load(broker.websocket_port, os.getpid(), is_raw=False, rate_per_s=rate_per_s)
        reading = asyncio.run(drive(load))
    assert reading.delivered == 60
    assert 0 < reading.p50_ms <= reading.p99_ms <= reading.max_ms < 2000


def test_an_honest_copy_is_counted() -> None:
    assert _drive_against(lambda piece: piece).delivered == 60


@pytest.mark.parametrize(
    "cheat",
    [
        pytest.param(lambda piece: piece.replace(b"00000007", b"00000008"), id="another message"),
        pytest.param(lambda piece: piece + piece, id="doubled"),
        pytest.param(lambda piece: b"" if b"00000007" in piece else piece, id="one is lost"),
    ],
)
def test_a_wrong_delivery_fails_the_run(cheat: Cheat) -> None:
    with pytest.raises(RuntimeError, match="was not published there"):
        _drive_against(cheat)


def test_a_lost_last_message_fails_the_run() -> None:
    with pytest.raises(TimeoutError):
        _drive_against(lambda piece: b"" if b"00000019" in piece else piece)


def _drive_against(cheat: Cheat) -> Reading:
    """Drive a raw load against a server that copies what it is sent as `cheat` has it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = threading.Thread(target=_copy, args=(listening, cheat))
        server.start()
        try:
            return asyncio.run(drive(_load(port, os.getpid(), is_raw=True, rate_per_s=200)))
        finally:
            server.join()


def _copy(listening: socket.socket, cheat: Cheat) -> None:
    with contextlib.ExitStack() as until_done:
        *readers, publisher = [
            until_done.enter_context(listening.accept()[0]) for _ in range(SUBSCRIBERS + 1)
        ]
        with contextlib.suppress(ConnectionError):  # a client that found the fault has left
            while piece := publisher.recv(65_536):
                for reader in readers:
                    reader.sendall(cheat(piece))
