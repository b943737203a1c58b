"""Tests of the tests: a function that breaks a rule is noticed by what `test_failures` checks."""

from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import bellwire.handlers.changes
import bellwire.handlers.events
import bellwire.handlers.jobs
from backend.failures.arrivals import CHANNELS, Arrival, arrivals
from backend.failures.deployed import Letters
from backend.failures.test_failures import play_patiently
from bellwire.handlers.records import LastResort
from bellwire.intake import take_in
from infra.aws.event_sources import Function

Wrong = Callable[[str, Function], Function]


def must_be_noticed(
    *sources: str, what: str = "good", wrong: Wrong = lambda _, function: function
) -> None:
    """Play arrivals of a few sources on one channel, in bad weather."""

    @given(
        arrivals("good", "good", what, sources=sources, channels=CHANNELS[:1]),
        st.binary(min_size=40, max_size=120),
    )
    @settings(max_examples=300, database=None, phases=[Phase.generate])
    def play(arriving: list[Arrival], schedule: bytes) -> None:
        play_patiently(arriving, schedule, wrong)

    with pytest.raises((AssertionError, ExceptionGroup)):
        play()


SOURCES_OF = {"jobs": ("jobs", "fifo"), "events": ("bus",), "changes": ("table", "clicks")}


@pytest.mark.parametrize("name", SOURCES_OF)
def test_a_function_that_swallows_is_noticed(name: str) -> None:
    def swallowing(of: str, function: Function) -> Function:
        def swallow(event: Any, request_id: str) -> Any:
            try:
                function(event, request_id)
            except Exception:
                return None
            return None

        return swallow if of == name else function

    must_be_noticed(*SOURCES_OF[name], wrong=swallowing)


@pytest.mark.parametrize("name", SOURCES_OF)
def test_updates_without_ids_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_ids(body: object, **ports: Any) -> Any:
        return take_in(body, **{**ports, "source_id": None})

    module = {
        "jobs": bellwire.handlers.jobs,
        "events": bellwire.handlers.events,
        "changes": bellwire.handlers.changes,
    }[name]
    monkeypatch.setattr(module, "take_in", without_ids)
    must_be_noticed(*SOURCES_OF[name])


def test_ids_that_change_with_each_delivery_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(1_000_000))

    def with_new_ids(body: object, **ports: Any) -> Any:
        return take_in(body, **{**ports, "source_id": f"delivery-{next(calls)}"})

    monkeypatch.setattr(bellwire.handlers.changes, "take_in", with_new_ids)
    must_be_noticed("table")


def test_a_group_that_goes_on_behind_a_failure_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def heedless(**_: Any) -> Any:
        return BatchProcessor(EventType.SQS)

    monkeypatch.setattr(bellwire.handlers.jobs, "SqsFifoPartialProcessor", heedless)
    must_be_noticed("fifo")


def test_a_shard_that_goes_on_behind_a_failure_is_noticed() -> None:
    def heedless(name: str, function: Function) -> Function:
        def one_by_one(event: Any, request_id: str) -> Any:
            answers = [function({"Records": [one]}, request_id) for one in event["Records"]]
            failed = [one for answer in answers for one in answer["batchItemFailures"]]
            return {"batchItemFailures": failed}

        return one_by_one if name == "changes" else function

    must_be_noticed("table", wrong=heedless)


def test_poison_without_a_letter_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LastResort, "put", lambda *_: None)
    must_be_noticed("jobs", what="bug")


def test_a_doorbell_that_is_not_put_aside_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Letters, "ring_later", lambda *_: None)
    must_be_noticed("jobs")
