"""Fan-out to many subscribers: the stand-in, Mosquitto and bare `send()` under the same load."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

import boto3

from benchmarks.fanout_load import Load, Reading
from mosquitto import running_mosquitto
from services import running_service
from signing import REGION, Keys, presign

SUBSCRIBERS = 500
PAYLOAD_BYTES = 200
RATE_PER_S = 50
STEADY_MESSAGES = 15 * RATE_PER_S
BURST_MESSAGES = 1000
BURST_WINDOW = 200
ROUNDS = 2
WITHIN_S = 60


@dataclass(frozen=True)
class Target:
    """A server to be loaded and how its clients reach it."""

    pid: int
    host: str
    port: int
    subscriber_path: str = ""
    publisher_path: str = ""
    subscriber_ids: str = ""
    topic: str = "bench/public/t"
    is_raw: bool = False


Start = Callable[[Path], AbstractContextManager[Target]]


def measure_fanout(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield the rows of the table: each round every server in turn, the order turned about."""
    directory.mkdir(exist_ok=True)
    starts: dict[str, Start] = {"stand-in": stand_in, "mosquitto": mosquitto, "send()": floor}
    cpu_us: dict[str, list[float]] = {name: [] for name in starts}
    load = f"{SUBSCRIBERS} subscribers, {RATE_PER_S}/s, {PAYLOAD_BYTES} bytes"
    yield f"fan-out to {load}", "CPU of the server per delivery"
    for number in range(ROUNDS):
        for name in reversed(starts) if number % 2 else starts:
            before = _load_average()
            reading = _measure(starts[name], directory / f"{name}-{number}", is_steady=True)
            cpu_us[name].append(_cpu_us(reading))
            yield f"  {name}, round {number + 1}", f"{_in_words(reading)} · load {before}"
    ours, theirs, least = (mean(cpu_us[name]) for name in starts)
    yield (
        "  the stand-in's CPU compared",
        f"{ours / theirs:.2f} of mosquitto · {ours / least:.2f} of send()",
    )
    for name, start in {"stand-in": unlimited_stand_in, "mosquitto": mosquitto}.items():
        reading = _measure(start, directory / f"{name}-burst", is_steady=False)
        rate = f"{reading.delivered / reading.seconds:,.0f} deliveries/s"
        yield f"  as fast as it goes: {name}", f"{rate} · {_cpu_us(reading):.1f} µs"


@contextmanager
def stand_in(directory: Path, *words: str) -> Iterator[Target]:
    """Start a whole service; subscribers are guests by Cognito, the publisher is the job."""
    with running_service(directory, "--no-demo", *words) as service:
        ready = service.ready
        identity_id, guest = _guest(ready)
        job = Keys(**ready["job"])
        iot = urlsplit(ready["iot"])
        yield Target(
            pid=ready["pid"],
            host=iot.hostname or "",
            port=iot.port or 0,
            subscriber_path=_path(presign(ready["iot"], guest)),
            publisher_path=_path(presign(ready["iot"], job)),
            subscriber_ids=f"{identity_id}-",
            topic=f"{ready['stage']}/public/bench",
        )


def unlimited_stand_in(directory: Path) -> AbstractContextManager[Target]:
    """Start it without AWS's quotas, of which 100 messages a second for a connection is one."""
    return stand_in(directory, "--limits", "off")


@contextmanager
def mosquitto(directory: Path) -> Iterator[Target]:
    """Start a Mosquitto that lets everybody in."""
    directory.mkdir()
    with running_mosquitto(directory) as broker:
        yield Target(broker.pid, "127.0.0.1", broker.websocket_port, "/mqtt", "/mqtt", "guest-")


@contextmanager
def floor(_directory: Path) -> Iterator[Target]:
    """Start what does nothing but send."""
    words = [sys.executable, "-m", "benchmarks.fanout_floor", str(SUBSCRIBERS)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Target(process.pid, "127.0.0.1", int(process.stdout.readline()), is_raw=True)
        finally:
            process.kill()


def _guest(ready: dict[str, Any]) -> tuple[str, Keys]:
    cognito = boto3.client(
        "cognito-identity",
        region_name=REGION,
        endpoint_url=ready["aws"],
        aws_access_key_id="unused",
        aws_secret_access_key="unused",
    )
    identity_id = cognito.get_id(IdentityPoolId=ready["identity_pool_id"])["IdentityId"]
    issued = cognito.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
    return identity_id, Keys(issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"])


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _measure(start: Start, directory: Path, *, is_steady: bool) -> Reading:
    with start(directory) as target:
        load = Load(
            server_pid=target.pid,
            host=target.host,
            port=target.port,
            subscriber_path=target.subscriber_path,
            publisher_path=target.publisher_path,
            subscriber_ids=target.subscriber_ids,
            publisher_id="job-bench",
            topic=target.topic,
            subscribers=SUBSCRIBERS,
            messages=STEADY_MESSAGES if is_steady else BURST_MESSAGES,
            payload_bytes=PAYLOAD_BYTES,
            rate_per_s=RATE_PER_S if is_steady else 0,
            window=BURST_WINDOW,
            is_raw=target.is_raw,
            within_s=WITHIN_S,
        )
        return _drive(load)


def _drive(load: Load) -> Reading:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fanout_load"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=3 * WITHIN_S,
    )
    return Reading(**json.loads(done.stdout))


def _cpu_us(reading: Reading) -> float:
    return reading.server_cpu_s / reading.delivered * 1_000_000


def _in_words(reading: Reading) -> str:
    delays = f"p50 {reading.p50_ms:5.2f} ms · p99 {reading.p99_ms:6.2f} ms"
    return f"{_cpu_us(reading):5.2f} µs · {delays} · {reading.delivered:,} delivered"


def _load_average() -> str:
    return f"{os.getloadavg()[0]:.2f}"
