"""Percentiles and how they are worded."""

from collections.abc import Callable, Sequence
from math import ceil
from time import perf_counter


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of all do not exceed (nearest rank)."""
    return sorted(values)[ceil(len(values) * percent / 100) - 1]


def in_words(values_ms: Sequence[float]) -> str:
    """Word a sample: `p50 1.2 ms · p99 3.4 ms · max 5.6 ms · n 500`."""
    p50, p99 = percentile(values_ms, 50), percentile(values_ms, 99)
    return (
        f"p50 {p50:6.2f} ms · p99 {p99:6.2f} ms · max {max(values_ms):7.2f} ms · n {len(values_ms)}"
    )


def durations_ms(call: Callable[[], object], *, times: int, warm_up: int) -> list[float]:
    """Time a call again and again, after some that do not count."""
    for _ in range(warm_up):
        call()
    return [_duration_ms(call) for _ in range(times)]


def _duration_ms(call: Callable[[], object]) -> float:
    began_s = perf_counter()
    call()
    return (perf_counter() - began_s) * 1000
