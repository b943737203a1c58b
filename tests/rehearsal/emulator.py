"""MiniStack as a process of its own, on loopback."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import urllib3
from botocore.config import Config

REPOSITORY: Final = Path(__file__).parents[2]
MINISTACK: Final = REPOSITORY / ".tools" / "ministack" / "bin" / "ministack"
REGION: Final = "us-east-1"
ACCOUNT_ID: Final = "000000000000"
READY_WITHIN_S: Final = 30
POOL: Final = urllib3.PoolManager(retries=False)


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running MiniStack; who asks as `root` may do anything."""

    url: str
    directory: Path

    def client(self, service: str) -> Any:
        """Return a client with all rights."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # any that it plays
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 5}),
        )

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that is to work here as root."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def running_emulator(
    directory: Path, port: int, functions_see: Mapping[str, str]
) -> Iterator[Emulator]:
    """Run MiniStack until the block ends, with IAM in force.

    Args:
        directory: for its log and what it unpacks.
        port: to listen on.
        functions_see: environment variables that functions find, besides those of their own.
    """
    directory.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "SFTP_ENABLED": "0",
        "LAMBDA_ACCOUNT_CONCURRENCY": "64",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",  # a minute on AWS
        **functions_see,
    }
    with (directory / "ministack.log").open("w") as log:
        process = subprocess.Popen(
            [MINISTACK], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        emulator = Emulator(f"http://127.0.0.1:{port}", directory)
        _wait_until_ready(process, emulator)
        yield emulator
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_ports(count: int) -> list[int]:
    """Find ports that are free at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_until_ready(process: "subprocess.Popen[bytes]", emulator: Emulator) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            log = (emulator.directory / "ministack.log").read_text()
            raise RuntimeError(f"MiniStack ended with {process.returncode}: {log[-2000:]}")
        try:
            if POOL.request("GET", f"{emulator.url}/_ministack/health").status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
    raise RuntimeError(f"MiniStack was not ready within {READY_WITHIN_S} s")
