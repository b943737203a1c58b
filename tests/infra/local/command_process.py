"""`bellwire-local` as a process of its own, and boto3 clients for what it prints."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

PROGRAM = (sys.executable, "-m", "bellwire_local.dev.local_command")


@contextmanager
def running_command(directory: Path, *words: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """Run it on free ports; yields the ready line and the file of what it complains about."""
    ports = ("--port", "0", "--iot-port", "0")
    log = directory / "stderr.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*PROGRAM, "--json", *ports, "--data", str(directory / "data"), *words],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        yield json.loads(line), log
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        process.stdout.close()


def run_and_fail(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=30)


def client_of(ready: dict[str, Any], service: Any, role: str) -> Any:
    """Return a client that signs as a role of the ready line."""
    return client_with(ready, service, **ready["credentials"][role])


def client_with(
    ready: dict[str, Any],
    service: Any,
    access_key_id: str,
    secret_access_key: str,
    session_token: str | None,
) -> Any:
    """Return a client that signs with these credentials and does not try again."""
    return boto3.client(
        service,
        region_name=ready["region"],
        endpoint_url=ready["aws"],
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token,
        config=Config(retries={"max_attempts": 0}),
    )
