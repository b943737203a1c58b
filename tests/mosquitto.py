"""Mosquitto in a process of its own: the broker to compare with in tests and benchmarks."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Debian puts it where only root's PATH looks.
SEARCH_PATH = os.pathsep.join(
    (os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
)
STOP_WITHIN_S = 10


@dataclass(frozen=True)
class RunningMosquitto:
    """Where it listens, on 127.0.0.1, and as which process."""

    mqtt_port: int
    websocket_port: int
    pid: int


@contextmanager
def running_mosquitto(directory: Path) -> Iterator[RunningMosquitto]:
    """Start the system's Mosquitto without persistence and with everybody allowed, then end it.

    Raises:
        AssertionError: it did not start; the message is what it printed.
    """
    path = shutil.which("mosquitto", path=SEARCH_PATH)
    assert path, "no mosquitto found; `make test` installs it"
    mqtt_port, websocket_port = _free_ports(2)
    settings = directory / "mosquitto.conf"
    settings.write_text(
        f"listener {mqtt_port} 127.0.0.1\n"
        f"listener {websocket_port} 127.0.0.1\n"
        "protocol websockets\n"
        "allow_anonymous true\n"
        "persistence false\n"
        "max_queued_messages 0\n"
        "log_dest stderr\n"
        "connection_messages false\n"
    )
    process = subprocess.Popen([path, "-c", settings], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.rstrip().endswith("running"):
            break
    else:
        raise AssertionError(f"mosquitto did not start: {''.join(said)}")
    reader = threading.Thread(target=process.stderr.read, daemon=True)  # or the pipe fills up
    reader.start()
    try:
        yield RunningMosquitto(mqtt_port, websocket_port, process.pid)
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)
        reader.join(STOP_WITHIN_S)
        process.stderr.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
