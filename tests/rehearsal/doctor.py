"""`bellwire doctor --stack`, as whoever has deployed runs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rehearsal.stack import NAME, Stack

BELLWIRE: Final = Path(sys.executable).with_name("bellwire")


def doctor_finds_all_well(stack: Stack, log_in: Callable[..., str]) -> bool:
    """The doctor's every step is well; what it says is printed if one is not."""
    done = subprocess.run(
        [BELLWIRE, "doctor", "--stack", NAME, "--kick", "doctor"],
        env={**stack.emulator.environment(), "BELLWIRE_TOKEN": log_in("doctor")},
        capture_output=True,
        text=True,
        timeout=180,
    )
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    return done.returncode == 0
