"""The tests of the tests: with any rule of the log switched off, the histories notice."""

from collections.abc import Callable, Iterator

import pytest

from backend.histories.chronicle import Violation
from backend.histories.dynamodb_history import Mood
from backend.histories.playing import explain, play_in_memory, schedule_of, small_blocks
from backend.histories.rules_off import RULES, Patch, no_fence

MAX_SEEDS = 4_000


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with small_blocks():
        yield


@pytest.mark.parametrize(
    ("rule_off", "mood"), RULES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_rule_that_is_off_is_missed(
    rule_off: Callable[[Patch], None], mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_off(monkeypatch)
    for seed in range(MAX_SEEDS):
        try:
            play_in_memory(schedule_of(seed, 180), mood=mood)
        except Violation:
            return
    pytest.fail(f"no violation in {MAX_SEEDS} histories")


def test_a_violation_is_explained_by_a_short_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    no_fence(monkeypatch)
    seed = next(seed for seed in range(MAX_SEEDS) if is_violated(schedule_of(seed, 180)))
    told = explain(play_in_memory, schedule_of(seed, 180)).splitlines()
    assert told[0].startswith('bytes.fromhex("')
    assert told[-1].startswith(("DEAD_EPOCH", "STALE", "LOST"))
    assert len(told) < 60


def is_violated(schedule: bytes) -> bool:
    try:
        play_in_memory(schedule)
    except Violation:
        return True
    return False
