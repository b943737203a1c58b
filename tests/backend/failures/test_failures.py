"""Functions crash, ports fail, records come twice, poison is among them: nothing is lost by it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.failures.arrivals import (
    Arrival,
    Feed,
    arrivals,
    check_all_pushed,
    check_at_rest,
    check_once,
    check_order,
    letters_of,
    redrive_until_done,
)
from backend.failures.deployed import Deployed, Weather
from infra.aws.event_sources import Function

schedules = st.binary(max_size=120)


@contextmanager
def deployed_in(
    schedule: bytes,
    *,
    is_patient: bool,
    forgives_progress: bool = True,
    wrong: Callable[[str, Function], Function] = lambda _, function: function,
) -> Iterator[Deployed]:
    with TemporaryDirectory() as directory:
        deployed = Deployed(
            Path(directory) / "log.db",
            Weather(schedule),
            is_patient=is_patient,
            forgives_progress=forgives_progress,
            wrong=wrong,
        )
        yield deployed
        deployed.close()


def play_patiently(
    arriving: list[Arrival],
    schedule: bytes,
    wrong: Callable[[str, Function], Function] = lambda _, function: function,
) -> None:
    with deployed_in(schedule, is_patient=True, wrong=wrong) as deployed:
        Feed(deployed, arriving)
        deployed.world.run()
        redrive_until_done(deployed)
        check_at_rest(deployed)
        check_once(deployed, arriving, "good")
        check_order(deployed, arriving)
        check_all_pushed(deployed)
        assert len(letters_of(deployed)) == sum(one.what != "good" for one in arriving)


@given(arrivals("good", "good", "good", "bug", "garbage"), schedules)
@settings(max_examples=60)
def test_what_is_good_is_logged_once_in_order_and_poison_lies_among_the_dead_letters(
    arriving: list[Arrival], schedule: bytes
) -> None:
    play_patiently(arriving, schedule)


@given(arrivals("good", "good", "bug", "garbage"), schedules, st.booleans())
@settings(max_examples=60)
def test_redrive_replays_whatever_was_given_up_once_it_is_mended(
    arriving: list[Arrival],
    schedule: bytes,
    forgives_progress: bool,  # noqa: FBT001 - Hypothesis passes it so
) -> None:
    with deployed_in(schedule, is_patient=False, forgives_progress=forgives_progress) as deployed:
        Feed(deployed, arriving)
        deployed.world.run()
        redrive_until_done(deployed)
        check_once(deployed, arriving, "good")
        deployed.log.is_broken = False
        redrive_until_done(deployed)
        check_once(deployed, arriving, "good", "bug")
        check_at_rest(deployed)
        check_all_pushed(deployed)
        assert len(letters_of(deployed)) == sum(one.what == "garbage" for one in arriving)
