"""Random histories of the log in DynamoDB break none of its promises."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from backend.histories.chronicle import Violation
from backend.histories.moto_shelf import MotoShelf
from backend.histories.playing import (
    explain,
    nobody,
    play_in_memory,
    play_in_moto,
    schedule_of,
    small_blocks,
)

GROUPS, GROUP_SIZE = 8, 500
MOTO_HISTORIES = 60


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with small_blocks():
        yield


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_history_breaks_a_promise(group: int) -> None:
    for seed in range(group * GROUP_SIZE, (group + 1) * GROUP_SIZE):
        schedule = schedule_of(seed, 180)
        try:
            play_in_memory(schedule)
        except Violation:
            pytest.fail(explain(play_in_memory, schedule))


@settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.binary(min_size=40, max_size=400))
def test_no_history_that_hypothesis_finds_does(schedule: bytes) -> None:
    play_in_memory(schedule)


def test_the_same_schedule_is_the_same_history() -> None:
    first, second = list[str](), list[str]()
    for lines in (first, second):
        play_in_memory(schedule_of(7, 400), lines.append)
    assert first == second
    assert len(first) > 100


def test_histories_reach_what_they_are_for() -> None:
    """Without this, all of them could pass by doing nothing."""
    said: list[str] = []
    for seed in range(60):
        play_in_memory(schedule_of(seed, 180), said.append)
    text = "\n".join(said)
    for word in ("dies", "late", "expired", "s pass", "lost", "unanswered", "settle", "follow"):
        assert text.count(word) >= 10, word


@pytest.mark.timeout(180)
def test_no_history_in_moto_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        shelf = MotoShelf()
        for seed in range(MOTO_HISTORIES):
            schedule = schedule_of(seed, 100)
            try:
                play_in_moto(schedule, shelf, nobody)
            except Violation:
                pytest.fail(explain(lambda s, say: play_in_moto(s, shelf, say), schedule))
