"""Starts of the functions on AWS: what each imports, its memory, and what is deployed of it.

The layer is built by SAM as for a deployment, but for the Python that measures, and every module
is imported from it by a fresh interpreter that sees nothing else. boto3 is imported first, since
every function needs it; a function's own imports are what comes on top of it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

REPOSITORY: Final = Path(__file__).parents[2]
SAM: Final = REPOSITORY / ".tools" / "sam" / "bin" / "sam"
FOLDER: Final = REPOSITORY / "infra" / "aws"
TIMES: Final = 5

_PROGRAM: Final = """
import json, resource, sys
from time import perf_counter

began_s = perf_counter()
import boto3
boto3_s = perf_counter() - began_s
began_s = perf_counter()
__import__(sys.argv[1])
own_s = perf_counter() - began_s
if sys.platform == "linux":  # whose ru_maxrss counts the process that started this one
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    peak_bytes = int(status["VmHWM"].split()[0]) * 1024
else:
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([boto3_s * 1000, own_s * 1000, peak_bytes / 1e6]))
"""


class Start(NamedTuple):
    """The medians of one module."""

    boto3_ms: float
    own_ms: float
    peak_mb: float

    @property
    def share(self) -> float:
        """Its own imports in proportion to boto3's, e.g. 0.25."""
        return self.own_ms / self.boto3_ms


def measure_cold_starts(directory: Path) -> Iterator[tuple[str, str]]:
    """Build into a directory, and yield a row for each function and for what was built."""
    build(directory)
    starts = measure_starts(directory)
    boto3_ms = median(one.boto3_ms for one in starts.values())
    yield "boto3, which every function imports", f"{boto3_ms:6.1f} ms"
    yield "functions on AWS", "own imports · in proportion to boto3's · peak memory"
    for name, start in starts.items():
        yield f"  {name}", in_words(start)
    for label, folder in (("layer", "LibraryLayer"), ("package of a function", "PollFunction")):
        unpacked, packed = size_of(directory / folder, directory / f"{folder}.zip")
        yield f"  {label}", f"{unpacked:,} bytes, {packed:,} zipped"


def build(directory: Path) -> None:
    """Have SAM build for this Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = {"LIBRARY_PYTHON": version, "PYTHON": sys.executable, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [SAM, "build", "--build-dir", directory],
        cwd=FOLDER,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"sam build: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def measure_starts(directory: Path) -> dict[str, Start]:
    """Import every function's module some times, by turns; return the medians by their names."""
    names = sorted(one.name.removesuffix("Function").lower() for one in directory.glob("*Function"))
    library = directory / "LibraryLayer" / "python"
    found: dict[str, list[Start]] = {name: [] for name in names}
    start_of(library, names[0])  # reads the files from the disk for the first time
    for _ in range(TIMES):
        for name in names:
            found[name].append(start_of(library, name))
    return {name: Start(*map(median, zip(*found[name], strict=True))) for name in names}


def start_of(library: Path, name: str) -> Start:
    """Import a function's module in a new interpreter that finds the layer and nothing else."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _PROGRAM, f"bellwire.functions.{name}"],
        env={"PYTHONPATH": str(library), "AWS_LAMBDA_FUNCTION_NAME": f"bellwire-{name}"},
        check=True,
        capture_output=True,
        text=True,
    )
    return Start(*json.loads(done.stdout))


def size_of(folder: Path, archive: Path) -> tuple[int, int]:
    """Return the bytes of a folder's files, and of the archive that is made of them."""
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    with ZipFile(archive, "w", ZIP_DEFLATED) as made:
        for file in files:
            made.write(file, file.relative_to(folder))
    return sum(file.stat().st_size for file in files), archive.stat().st_size


def in_words(start: Start) -> str:
    """Word a start: `  18.3 ms ·  21% ·   41 MB`."""
    return f"{start.own_ms:6.1f} ms · {start.share:4.0%} · {start.peak_mb:4.0f} MB"
