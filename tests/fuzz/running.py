"""How a target is run: for so many seconds, from a few inputs that are worth changing.

Source of the options: https://llvm.org/docs/LibFuzzer.html#options
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris

SECONDS_PER_INPUT = 5
"""An input that takes longer is reported as a hang."""

FOUND = Path(".fuzz")

MAX_INPUT_BYTES = 4096
"""Larger inputs are slower and reach nothing new: no target has a border beyond."""


def run(target: Callable[[bytes], None], seeds: Sequence[bytes]) -> None:
    """Feed `target` until FUZZ_SECONDS are over, or it raises; then the process ends.

    libFuzzer prints the coverage reached (`cov`) and the executions (`Done … runs`). Inputs that
    reached something new are kept in FOUND, where the next run begins with them; whatever made
    the target raise is left beside them.
    """
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    corpus = FOUND / Path(sys.argv[0]).stem
    corpus.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(seeds):
        (corpus / f"seed-{place}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={FOUND}/{corpus.name}-",
        "-print_final_stats=1",
        "-reload=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()
