"""Where the decisions of a history come from: a schedule of bytes.

The same schedule replays the same history. A zero is always the calmest choice, so that shorter
schedules with more zeros are simpler histories, for Hypothesis and for `shorten` alike.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Reads one schedule, a byte a decision; behind its end everything is calm."""

    def __init__(self, schedule: bytes) -> None:
        self._schedule = schedule
        self._at = 0

    @property
    def is_spent(self) -> bool:
        """Tell whether the schedule has been read to its end."""
        return self._at >= len(self._schedule)

    def pick(self, count: int) -> int:
        """Choose one of 0 … count-1, at most 256."""
        if self.is_spent:
            return 0
        self._at += 1
        return self._schedule[self._at - 1] * count >> 8

    def chance(self, percent: int) -> bool:
        """Say yes to so many in a hundred; a zero says no."""
        return self.pick(100) >= 100 - percent

    def among(self, options: Sequence[T]) -> T:
        """Choose one of several, the first being the calmest."""
        return options[self.pick(len(options))]


def shorten(schedule: bytes, is_bad: Callable[[bytes], bool]) -> bytes:
    """Cut and calm a schedule as far as it stays bad."""
    size = len(schedule) // 2
    while size:
        for start in range(len(schedule) - size, -1, -1):
            shorter = schedule[:start] + schedule[start + size :]
            if len(shorter) < len(schedule) and is_bad(shorter):
                schedule = shorter
        size //= 2
    for at in range(len(schedule)):
        calmer = schedule[:at] + b"\0" + schedule[at + 1 :]
        if schedule[at] and is_bad(calmer):
            schedule = calmer
    return schedule.rstrip(b"\0") if is_bad(schedule.rstrip(b"\0")) else schedule
