"""How a target is run: for so many seconds, from a few inputs that are worth changing.

Source of the options: https://llvm.org/docs/LibFuzzer.html#options
"""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris

SECONDS_PER_INPUT = 5
"""An input that takes longer is reported as a hang."""

MAX_INPUT_BYTES = 4096
"""Larger inputs are slower and reach nothing new: no target has a border beyond."""


def run(target: Callable[[bytes], None], seeds: Sequence[bytes]) -> None:
    """Feed `target` until FUZZ_SECONDS are over, or it raises; then the process ends.

    libFuzzer prints the coverage reached (`cov`) and the executions (`Done … runs`). Whatever made
    the target raise is left in a file that libFuzzer names.
    """
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    corpus, found = Path(tempfile.mkdtemp(prefix="fuzz-")), tempfile.mkdtemp(prefix="fuzz-found-")
    for place, seed in enumerate(seeds):
        (corpus / f"seed-{place}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        "-reload=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()
