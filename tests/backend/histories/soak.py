"""Random histories for as long as you like: `python -m backend.histories.soak`.

Ends by itself after SOAK_MINUTES (10 unless set). SOAK_SEED begins elsewhere. Exits with 1 and the
shortest schedule at the first violation.
"""

import os
import sys
from itertools import count
from time import monotonic

from backend.histories.chronicle import Violation
from backend.histories.playing import explain, play_in_memory, schedule_of, small_blocks

PROGRESS_S = 20


def main() -> int:
    """Play until the time is over, and say what was played."""
    began_s, limit_s = monotonic(), float(os.environ.get("SOAK_MINUTES", "10")) * 60
    first_seed = int(os.environ.get("SOAK_SEED", "1000000"))
    steps = updates = epochs = 0
    told_s = began_s
    for seed in count(first_seed):
        schedule = schedule_of(seed, 100 + seed % 7 * 100)
        try:
            history = play_in_memory(schedule)
        except Violation:
            print(f"seed {seed}\n{explain(play_in_memory, schedule)}", flush=True)
            return 1
        steps += history.steps
        updates += len(history.chronicle.entries)
        epochs += history.chronicle.epoch_count
        now_s = monotonic()
        is_over = now_s - began_s >= limit_s
        if is_over or now_s - told_s >= PROGRESS_S:
            told_s = now_s
            print(
                f"{seed + 1 - first_seed:,} histories, {steps:,} steps,"
                f" {updates:,} updates in {epochs:,} epochs, no violation:"
                f" seeds {first_seed} to {seed}, {now_s - began_s:.0f} s,"
                f" {steps / (now_s - began_s):,.0f} steps/s",
                flush=True,
            )
        if is_over:
            return 0
    return 0


if __name__ == "__main__":
    with small_blocks():
        sys.exit(main())
