"""A whole Bellwire service in a process of its own, started and ended by a test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BELLWIRE = Path(sys.executable).with_name("bellwire")
START_WITHIN_S = 30


@dataclass
class RunningService:
    """`bellwire dev` when it is ready, and the environment in which the command line finds it."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    environment: dict[str, str]
    log: Path

    @property
    def url(self) -> str:
        return str(self.ready["web"])

    @property
    def data(self) -> Path:
        """The directory that outlives the process."""
        return self.log.parent / "data"

    @property
    def key(self) -> str:
        """The private key that the service left for its user's command line."""
        return next((self.log.parent / "runtime").rglob("*.key")).read_text()

    def kill(self) -> None:
        """End the process as a crash would: it gets to do nothing more."""
        self.process.kill()
        self.process.wait()

    def run(
        self, *arguments: str, stdin: str | bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command of `bellwire` to its end."""
        return subprocess.run(
            [BELLWIRE, *arguments],
            input=stdin.decode("latin-1") if isinstance(stdin, bytes) else stdin,
            encoding="latin-1" if isinstance(stdin, bytes) else "utf-8",
            capture_output=True,
            timeout=60,
            env=self.environment,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of `bellwire` and leave it running."""
        return subprocess.Popen(
            [BELLWIRE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def publish(self, channel: str, data: Any, *op: str) -> dict[str, Any]:
        """Publish one update and return its result line."""
        done = self.run("publish", channel, json.dumps(data), *op)
        assert (done.returncode, done.stderr) == (0, "")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@contextmanager
def running_service(
    directory: Path, *arguments: str, program: Sequence[str | Path] = (BELLWIRE,)
) -> Iterator[RunningService]:
    """Run `bellwire dev` on free ports with everything it keeps under a directory.

    Args:
        program: what to run in the place of `bellwire`; its standard input is open.
    """
    directory.mkdir(parents=True, exist_ok=True)
    runtime = directory / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_EC2_METADATA_DISABLED": "true",  # nobody's credentials but those that a test gives
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    log = directory / "stderr.log"
    words = ["dev", "--json", "--port", "0", "--iot-port", "0", "--aws-port", "0"]
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [*program, *words, "--data", str(directory / "data"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=environment,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"the service did not start: {log.read_text()}"
        ready = json.loads(line)
        environment["BELLWIRE_URL"] = ready["web"]
        yield RunningService(process, ready, environment, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_WITHIN_S)
        process.stdin.close()
        process.stdout.close()


def service_of_pages(site: Path) -> tuple[str | Path, ...]:
    """Return a program for `running_service` whose built client and pages are another folder's."""
    return sys.executable, Path(__file__).with_name("paged_service.py"), site


@contextmanager
def tailing(service: RunningService, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Hold a `bellwire tail --json` that is ended afterwards."""
    process = service.start("tail", "--json", *words)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def same_ports(service: RunningService) -> list[str]:
    """Word the ports of a service that was, for the one that takes its place."""
    places = {"--port": "web", "--iot-port": "iot", "--aws-port": "aws"}
    return [f"{word}={urlsplit(service.ready[place]).port}" for word, place in places.items()]
