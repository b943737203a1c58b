"""How many updates a second threads of one process append: alone, and met by `GroupingAppends`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from sqlalchemy import Engine

from bellwire.errors import Upstream
from bellwire.grouping import GroupingAppends
from bellwire.ports import Appends
from bellwire.updates import Draft
from benchmarks.figures import percentile
from benchmarks.stores import log_on

WRITERS = (1, 4, 16)
CHANNELS = (1, 16)
FOR_S = 1.5
DRAFT = Draft("event", data={"title": "an event of ordinary size", "number": 7})


@dataclass(frozen=True)
class Rate:
    """What all writers together did; each append carried one update."""

    appends_per_s: float
    p99_ms: float
    refused: int

    def __str__(self) -> str:
        """Word it: `1234/s, p99 5.6 ms`."""
        refused = f", {self.refused} refused" if self.refused else ""
        return f"{self.appends_per_s:.0f}/s, p99 {self.p99_ms:.1f} ms{refused}"


def measure_writers(engine: Engine) -> Iterator[tuple[str, list[Rate]]]:
    """Yield a row for one channel and for many, one by one and grouped, with a rate by writers."""
    log = log_on(engine)
    ways: dict[str, Appends] = {"": log, ", grouped": GroupingAppends(log)}
    for way, appends in ways.items():
        for channels in CHANNELS:
            label = f"{channels} channel{'s' if channels > 1 else ''}{way}"
            yield label, [_rate(appends, writers, channels) for writers in WRITERS]


def _rate(log: Appends, writers: int, channels: int) -> Rate:
    """Let each writer take its channels in turn, those of its own as far as there are enough."""
    names = [f"public/bench.{number}" for number in range(channels)]
    began_s = perf_counter()
    with ThreadPoolExecutor(writers) as threads:
        runs = threads.map(
            lambda writer: _write(log, names[writer % channels :: writers], began_s + FOR_S),
            range(writers),
        )
        found = list(runs)
    elapsed_s = perf_counter() - began_s
    times_ms = [one for run, _ in found for one in run]
    return Rate(
        len(times_ms) / elapsed_s, percentile(times_ms, 99), sum(refused for _, refused in found)
    )


def _write(log: Appends, channels: list[str], until_s: float) -> tuple[list[float], int]:
    """Append as fast as it goes; return how long each took, and how many were refused."""
    times_ms: list[float] = []
    refused = 0
    while (called_s := perf_counter()) < until_s:
        try:
            log.append(channels[len(times_ms) % len(channels)], [DRAFT])
        except Upstream:
            refused += 1
        else:
            times_ms.append((perf_counter() - called_s) * 1000)
    return times_ms, refused
