"""The demo's backend job: publishes this machine's own pulse to `public/host`, from psutil."""

import logging
import os
import platform
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import psutil

from bellwire.errors import BellwireError
from bellwire.publisher import Publisher
from bellwire.wire_json import Json

logger = logging.getLogger(__name__)

CHANNEL = "public/host"
INTERVAL_S = 0.25
PROCESSES_EVERY = 6  # asking every process costs the machine more than the rest together
HOST_EVERY = 240
BUSIEST = 8


class HostJob:
    """Samples and publishes in a thread until stopped."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="host-job", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sample under way."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        samples = read_samples(time.monotonic)
        is_failing = False
        while not self._stopping.wait(INTERVAL_S):
            try:
                self._publish(next(samples))
                is_failing = False
            except BellwireError as error:
                if not is_failing:
                    logger.warning("the demo cannot publish, goes on trying: %s", error.message)
                is_failing = True

    def _publish(self, sample: dict[str, Json]) -> None:
        results = self._publisher.publish(
            [
                {"channel": CHANNEL, "op": "set", "key": key, "data": value}
                for key, value in sample.items()
            ]
        )
        failures = [result for result in results if isinstance(result, BellwireError)]
        if failures:
            raise failures[0]


def read_samples(clock_s: Callable[[], float]) -> Iterator[dict[str, Json]]:
    """Read the machine again and again; each sample holds the keys that are due.

    Args:
        clock_s: a monotonic clock, for rates.
    """
    psutil.cpu_percent(percpu=True)  # the first call only starts the measurement
    network, read_at = _network_bytes(), clock_s()
    count = 0
    while True:
        before, before_at = network, read_at
        network, read_at = _network_bytes(), clock_s()
        elapsed_s = max(read_at - before_at, 0.001)
        sample: dict[str, Json] = {
            "cpu": _cpu(),
            "memory": _memory(),
            "load": _load(),
            "network": {
                "received_bytes_per_s": _rate(before[0], network[0], elapsed_s),
                "sent_bytes_per_s": _rate(before[1], network[1], elapsed_s),
            },
        }
        if count % PROCESSES_EVERY == 0:
            sample["processes"] = _busiest_processes()
        if count % HOST_EVERY == 0:
            sample["host"] = _host()
        count += 1
        yield sample


def _cpu() -> Json:
    cores: list[Json] = [*psutil.cpu_percent(percpu=True)]
    total = sum(core for core in cores if isinstance(core, float))
    return {"percent": round(total / max(len(cores), 1), 1), "cores": cores}


def _memory() -> Json:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "total_bytes": memory.total,
        "used_bytes": memory.used,
        "available_bytes": memory.available,
        "percent": memory.percent,
        "swap_total_bytes": swap.total,
        "swap_used_bytes": swap.used,
    }


def _load() -> Json:
    m1, m5, m15 = (round(value, 2) for value in os.getloadavg())
    return {"m1": m1, "m5": m5, "m15": m15, "cores": os.cpu_count()}


def _network_bytes() -> tuple[int, int]:
    """Read bytes received and sent; what this machine says to itself is no traffic."""
    counters = psutil.net_io_counters(pernic=True)
    outside = [found for name, found in counters.items() if not name.startswith("lo")]
    return sum(one.bytes_recv for one in outside), sum(one.bytes_sent for one in outside)


def _rate(before: int, after: int, elapsed_s: float) -> Json:
    return round(max(after - before, 0) / elapsed_s)  # the counters of a lost interface go back


def _busiest_processes() -> Json:
    found: list[tuple[float, dict[str, Json]]] = []
    for process in psutil.process_iter(["pid", "name", "cpu_percent", "memory_info"]):
        seen = process.info
        memory, cpu_percent = seen["memory_info"], seen["cpu_percent"] or 0.0
        found.append(
            (
                cpu_percent,
                {
                    "pid": seen["pid"],
                    "name": seen["name"] or "?",
                    "cpu_percent": cpu_percent,
                    "memory_bytes": memory.rss if memory is not None else 0,
                },
            )
        )
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [process for _, process in found[:BUSIEST]]


def _host() -> Json:
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "booted_at_ms": int(psutil.boot_time() * 1000),
    }
