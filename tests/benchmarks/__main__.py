"""`make bench`: measure on this machine, print the table, leave nothing behind."""

import argparse
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import psutil
from playwright.sync_api import Browser
from sqlalchemy import Engine

from benchmarks.appends import measure_appends
from benchmarks.cold_start import measure_cold_starts
from benchmarks.endurance import measure_endurance
from benchmarks.fanout import measure_fanout
from benchmarks.figures import in_words
from benchmarks.herd import measure_herd
from benchmarks.members import measure_members
from benchmarks.missed import measure_missed
from benchmarks.page_loads import measure_page_loads
from benchmarks.polls import measure_polls
from benchmarks.push import RATE_PER_S, measure_push
from benchmarks.reads import measure_reads
from benchmarks.sizes import measure_sizes
from benchmarks.stores import sql_stores
from benchmarks.tabs import measure_hand_overs
from benchmarks.writers import WRITERS, measure_writers
from browsers import running_browser
from services import running_service

STARTS = 5
DISK = "/var/tmp"  # unlike /tmp never in memory, see hier(7)

Rows = Iterator[tuple[str, str]]


def main() -> None:
    """Print each figure as soon as it is there."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parts = parser.parse_args().only
    with TemporaryDirectory(dir=DISK, prefix="bellwire-bench-") as name, running_browser() as found:
        for label, words in rows(found, Path(name), parts):
            print(f"{label:<34} {words}".rstrip(), flush=True)


def rows(browser: Browser, directory: Path, parts: list[str]) -> Rows:
    """Yield the conditions, then the figures of each part; every part has a folder of its own."""
    yield from conditions(browser, directory)
    for part in parts:
        yield from PARTS[part](browser, directory / part)


def service_rows(browser: Browser, directory: Path) -> Rows:
    """Yield what one service and one page do: push, publish, poll, members."""
    with running_service(directory, "--no-demo") as service:
        push = measure_push(browser, service)
        yield f"publish → callback, {push.achieved_per_s:.1f}/s", in_words(push.delays_ms)
        yield (
            "  of all: missed, doubled, reordered",
            ", ".join(map(str, (push.missed, push.doubled, push.reordered))),
        )
        yield f"publish call over HTTP, {RATE_PER_S}/s", in_words(push.calls_ms)
        for label, times_ms in measure_polls(service):
            yield f"poll over HTTP, {label}", in_words(times_ms)
        yield from measure_members(service)


def tab_rows(browser: Browser, directory: Path) -> Rows:
    """Yield for how long tabs are not pushed to when the one goes that was there first."""
    with running_service(directory, "--no-demo") as service:
        yield "tabs without push when the first goes", ""
        for label, pauses_ms in measure_hand_overs(browser, service):
            yield f"  {label}", in_words(pauses_ms)


def log_rows(_browser: Browser, directory: Path) -> Rows:
    """Yield what the log does by itself, in each store."""
    directory.mkdir()
    yield "append to SQLite, one update", in_words(measure_appends(directory))
    with sql_stores(directory / "stores") as stores:
        for name, engine in stores.items():
            yield from store_rows(name, engine)


def start_rows(_browser: Browser, directory: Path) -> Rows:
    """Yield how long the service takes to start."""
    starts_ms = measure_starts(directory)
    yield "start of the service until ready", " · ".join(f"{one:.0f} ms" for one in starts_ms)


def store_rows(name: str, engine: Engine) -> Rows:
    """Yield what one store's log does: appends by writers, reads by length."""
    writers = ", ".join(map(str, WRITERS))
    yield f"appends to {name} by {writers} threads", ""
    for label, rates in measure_writers(engine):
        yield f"  {label}", " · ".join(map(str, rates))
    for length, reads in measure_reads(engine):
        yield f"reads of {name}, {length:,} updates long", ""
        for label, times_ms in reads.items():
            yield f"  {label}", in_words(times_ms)


def conditions(browser: Browser, directory: Path) -> Rows:
    """Yield when, where and on what."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    yield "date", datetime.now().astimezone().isoformat(timespec="minutes")
    yield "machine", f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"
    yield "load average at the start", load
    yield "data on", filesystem_of(directory)
    yield (
        "Python, Node, Chromium",
        (f"{platform.python_version()}, {node.stdout.strip()}, {browser.version}"),
    )


def filesystem_of(path: Path) -> str:
    """Name the file system that a path is on."""
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    return next(mounts[place] for place in path.resolve().parents if place in mounts)


def measure_starts(directory: Path) -> Iterator[float]:
    """Time starts on fresh data, from the process's start to its ready line; the first warms up."""
    for number in range(STARTS + 1):
        began_s = perf_counter()
        with running_service(directory / str(number), "--no-demo"):
            took_ms = (perf_counter() - began_s) * 1000
        if number > 0:
            yield took_ms


PARTS: dict[str, Callable[[Browser, Path], Rows]] = {
    "service": service_rows,
    "fanout": lambda _, directory: measure_fanout(directory),
    "log": log_rows,
    "starts": start_rows,
    "functions": lambda _, directory: measure_cold_starts(directory),
    "sizes": lambda *_: measure_sizes(),
    "loads": measure_page_loads,
    "missed": measure_missed,
    "endurance": measure_endurance,
    "tabs": tab_rows,
    "herd": lambda *_: measure_herd(),
}


if __name__ == "__main__":
    main()
