"""What is asked to go wrong, as words and as JSON, and when it does."""

import contextlib
import json
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.errors import FaultsRefused
from bellwire_local.fault_plan import Delivery, FaultPlan, PublishFault, UpgradeFault
from bellwire_local.faults import PRESETS, Faults, read_fault_object, read_faults

CHANCES = st.floats(0, 1, allow_subnormal=False)
SPANS = st.integers(0, 3_600_000).map(lambda ms: f"{ms}ms")
UNHARMED = Delivery(copies=1, delay_s=0, is_overtaken=False, is_last=False)
FAULT_OBJECTS = st.fixed_dictionaries(
    {"seed": st.integers(0, 10**12)},
    optional={
        "drop": CHANCES,
        "duplicate": CHANCES,
        "reorder": CHANCES,
        "delay": st.tuples(st.integers(0, 500), st.integers(500, 2_000)).map(
            lambda ends: f"{ends[0]}..{ends[1]}ms"
        ),
        "late_start": SPANS,
        "cut_after": SPANS,
        "cut_after_messages": st.integers(1, 10_000),
        "cut_reason": st.just("CONNECTION_LOST"),
        "ttl": SPANS,
        "close_at_expiry": st.booleans(),
        "refuse": CHANCES,
        "hijack": CHANCES,
        "throttle": CHANCES,
        "publish_403": CHANCES,
        "expire_credentials": SPANS,
        "propagation": SPANS,
        "lifecycle_double": CHANCES,
        "lifecycle_swap": CHANCES,
    },
)


def test_every_word_is_read() -> None:
    text = (
        "drop=0.1,duplicate=0.05,reorder=0.2,delay=50..200ms,late_start=2s,cut_after=30s,"
        "cut_after_messages=100,cut_reason=CONNECTION_LOST,refuse=0.5,hijack=0.25,throttle=0.3,"
        "expire_credentials=60s,lifecycle_double=0.6,lifecycle_swap=0.7,propagation=5s,"
        "publish_403=0.01,ttl=1h,close_at_expiry,seed=7"
    )
    assert read_faults(text, fresh_seed=1) == Faults(
        seed=7,
        drop=0.1,
        duplicate=0.05,
        reorder=0.2,
        delay_s=(0.05, 0.2),
        late_start_s=2,
        cut_after_s=30,
        cut_after_messages=100,
        cut_reason="CONNECTION_LOST",
        ttl_s=3600,
        close_at_expiry=True,
        refuse=0.5,
        hijack=0.25,
        throttle=0.3,
        publish_403=0.01,
        expire_credentials_s=60,
        propagation_s=5,
        lifecycle_double=0.6,
        lifecycle_swap=0.7,
    )


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("delay=100ms", (0.1, 0.1)),
        ("delay=1..2s", (1, 2)),
        ("delay=500ms..2s", (0.5, 2)),
        ("delay=1.5s", (1.5, 1.5)),
    ],
)
def test_a_delay_is_a_time_or_a_range(text: str, delay_s: tuple[float, float]) -> None:
    assert read_faults(text, fresh_seed=3) == Faults(seed=3, delay_s=delay_s)


def test_later_words_win_over_a_preset() -> None:
    chaos = read_faults("chaos", fresh_seed=3)
    assert chaos is not None
    assert (chaos.drop, chaos.delay_s, chaos.seed) == (0.1, (0.005, 0.1), 3)
    mild = read_faults("chaos,drop=0.01,seed=9", fresh_seed=3)
    assert mild is not None
    assert (mild.drop, mild.delay_s, mild.seed) == (0.01, (0.005, 0.1), 9)
    assert read_fault_object({"preset": "chaos", "drop": 0.01, "seed": 9}, fresh_seed=3) == mild


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_readable(name: str) -> None:
    assert read_faults(name, fresh_seed=3) is not None


def test_off_in_each_form() -> None:
    assert read_faults("off", fresh_seed=3) is None
    assert read_fault_object({}, fresh_seed=3) is None
    assert read_fault_object({"off": True}, fresh_seed=3) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drop=2", "drop is '2'; expected a chance from 0 to 1"),
        ("drop=nan", "drop is 'nan'; expected a chance from 0 to 1"),
        ("drop", "drop is 'true'; expected a chance from 0 to 1"),
        ("delay=5", "delay is '5'; expected a time or a range such as 50..200ms"),
        ("delay=200..50ms", "delay is '200..50ms'; expected a time or a range such as 50..200ms"),
        ("delay=5ms..", "delay is '5ms..'; expected a time or a range such as 50..200ms"),
        ("ttl=1d", "ttl is '1d'; expected a time such as 200ms, 5s, 2m or 1h"),
        ("cut_after_messages=0", "cut_after_messages is '0'; expected a count from 1"),
        ("close_at_expiry=yes", "close_at_expiry is 'yes'; expected no value, true or false"),
        ("seed=-1", "seed is '-1'; expected a whole number from 0"),
        ("dorp=0.1", "there is no fault 'dorp'; expected one of: barred, chaos, close_at_expiry,"),
        ("", "there is no fault ''; expected one of: barred, chaos,"),
        ("off,drop=1", "there is no fault 'off'; expected one of:"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(FaultsRefused) as refused:
        read_faults(text, fresh_seed=3)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "faults are []; an object such as"),
        (None, "faults are null; an object such as"),
        (
            {"off": True, "drop": 1},
            'off is true in {"off": true, "drop": 1}; true and nothing else',
        ),
        ({"off": "yes"}, 'off is "yes" in {"off": "yes"}; true and nothing else'),
        ({"off": False, "drop": [1]}, "drop is [1]; a number, a text or true is expected"),
        ({"drop": None}, "drop is null; a number, a text or true is expected"),
        ({"drop": True}, "drop is 'true'; expected a chance from 0 to 1"),
        ({"preset": "storm"}, "there is no preset 'storm'; expected one of: flaky,"),
        ({"delay": 5}, "delay is '5'; expected a time or a range such as 50..200ms"),
    ],
)
def test_what_cannot_be_read_as_json_is_named(content: object, message: str) -> None:
    with pytest.raises(FaultsRefused) as refused:
        read_fault_object(content, fresh_seed=3)
    assert str(refused.value).startswith(message)


@given(st.text(string.printable, max_size=60) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(FaultsRefused):
        read_faults(text, fresh_seed=3)


@given(FAULT_OBJECTS)
def test_what_is_in_force_reads_back_as_itself(content: dict[str, Any]) -> None:
    faults = read_fault_object(content, fresh_seed=3)
    assert faults is not None
    echoed = json.loads(json.dumps(faults.to_wire()))
    assert read_fault_object(echoed, fresh_seed=4) == faults
    assert read_faults(faults.to_words(), fresh_seed=4) == faults


def _deliveries(faults: Faults, number: int, count: int = 50) -> list[Delivery]:
    plan = FaultPlan(faults).on_connection(number)
    return [plan.on_delivery() for _ in range(count)]


@given(FAULT_OBJECTS, st.lists(st.sampled_from(("upgrade", "publish", "call", "event", "message"))))
def test_the_same_seed_and_questions_give_the_same_answers(
    content: dict[str, Any], questions: list[str]
) -> None:
    faults = read_fault_object(content, fresh_seed=3)
    assert faults is not None

    def ask_all() -> list[object]:
        plan = FaultPlan(faults)
        connection = plan.on_connection(1)
        ask: dict[str, Callable[[], object]] = {
            "upgrade": plan.on_upgrade,
            "publish": plan.on_publish,
            "call": plan.is_call_throttled,
            "event": plan.on_announcement,
            "message": connection.on_delivery,
        }
        return [ask[question]() for question in questions]

    assert ask_all() == ask_all()


def test_another_seed_or_connection_gets_other_answers() -> None:
    faults = Faults(seed=7, drop=0.5)
    assert _deliveries(faults, 1) != _deliveries(faults, 2)
    assert _deliveries(faults, 1) != _deliveries(Faults(seed=8, drop=0.5), 1)


def test_what_befalls_one_connection_does_not_hang_on_another() -> None:
    plan = FaultPlan(Faults(seed=7, drop=0.5))
    first, second = plan.on_connection(1), plan.on_connection(2)
    mixed = []
    for _ in range(50):
        mixed.append(first.on_delivery())
        second.on_delivery()
        plan.on_upgrade()
    assert mixed == _deliveries(Faults(seed=7, drop=0.5), 1)


@given(CHANCES, CHANCES, st.integers(0, 1000))
def test_more_of_one_fault_keeps_what_it_did_and_leaves_the_others(
    one: float, other: float, seed: int
) -> None:
    less, more = sorted((one, other))
    mild = _deliveries(Faults(seed=seed, drop=less, delay_s=(0, 1)), 1)
    harsh = _deliveries(Faults(seed=seed, drop=more, delay_s=(0, 1)), 1)
    for first, second in zip(mild, harsh, strict=True):
        assert second.copies <= first.copies
        assert second.delay_s == first.delay_s


def test_what_is_certain_always_happens_and_what_is_not_asked_never() -> None:
    assert set(_deliveries(Faults(seed=1), 1)) == {UNHARMED}
    assert {found.copies for found in _deliveries(Faults(seed=1, drop=1), 1)} == {0}
    assert {found.copies for found in _deliveries(Faults(seed=1, duplicate=1), 1)} == {2}
    assert {found.is_overtaken for found in _deliveries(Faults(seed=1, reorder=1), 1)} == {True}
    assert FaultPlan(Faults(seed=1, hijack=1, refuse=1)).on_upgrade() is UpgradeFault.HIJACKED
    assert FaultPlan(Faults(seed=1, refuse=1)).on_upgrade() is UpgradeFault.REFUSED
    assert FaultPlan(Faults(seed=1, throttle=1)).on_publish() is PublishFault.THROTTLED
    assert FaultPlan(Faults(seed=1, publish_403=1)).on_publish() is PublishFault.FORBIDDEN
    assert FaultPlan(Faults(seed=1)).on_publish() is None
    assert FaultPlan(Faults(seed=1)).on_upgrade() is None


def test_what_may_not_be_lost_is_not_and_takes_as_many_chances() -> None:
    faults = Faults(seed=7, drop=0.5, duplicate=0.5, reorder=0.5, delay_s=(0, 1))
    safe = FaultPlan(faults).on_connection(1)
    plan = FaultPlan(faults).on_connection(1)
    for _ in range(50):
        kept, other = safe.on_delivery(may_be_lost=False), plan.on_delivery()
        assert kept.copies in (1, 2)
        assert kept == other or other.copies == 0
        assert kept.delay_s == other.delay_s


def test_a_delay_stays_in_its_range_and_reaches_both_halves() -> None:
    delays = [found.delay_s for found in _deliveries(Faults(seed=1, delay_s=(0.05, 0.2)), 1)]
    assert 0.05 <= min(delays) < 0.1
    assert 0.15 < max(delays) <= 0.2


def test_the_message_at_the_cut_is_the_last() -> None:
    lasts = [found.is_last for found in _deliveries(Faults(seed=1, cut_after_messages=3), 1, 4)]
    assert lasts == [False, False, True, False]


def test_about_as_many_are_dropped_as_asked() -> None:
    dropped = [found.copies for found in _deliveries(Faults(seed=1, drop=0.1), 1, 10_000)].count(0)
    assert 900 < dropped < 1100
