"""What 10,000 clients do that lose the broker at one moment, in virtual time."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def measure_herd() -> Iterator[tuple[str, str]]:
    """Yield a label and the figures for each time that the broker is away."""
    command = ["npm", "run", "--silent", "herd"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        label, figures = line.split("\t")
        yield label, figures
