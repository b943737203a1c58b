"""Whatever comes in a record or an event is done, or refused in the protocol's words."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.test_handlers import json_values
from backend.test_record_handlers import BAD, GOOD, A, Functions, row
from bellwire.errors import BellwireError
from bellwire.sql.log import SqlLog
from infra.aws.sample_events import Event, bus_event, kinesis_record, log_record, sqs_record


@pytest.fixture
def functions(sql_log: SqlLog) -> Functions:
    return Functions(sql_log)


SAMPLES: dict[str, Event] = {
    "jobs": {"Records": [sqs_record("m-1", GOOD), sqs_record("m-2", BAD, group="a")]},
    "events": bus_event("e-1", {"updates": [A]}),
    "changes": {"Records": [row(1), kinesis_record(2, {"a": 1})]},
    "doorbells": {"Records": [log_record(1, "public/a", 1), sqs_record("m", "{}")]},
    "invoke": {"updates": [A]},
    "redrive": {"max": 7},
}
odd = json_values | st.sampled_from(["x" * 300_000, "\ud800", "\x00", "é" * 1_000, 10**400])


def paths_in(value: Any) -> list[tuple[Any, ...]]:
    """List every place in a value, the value itself included."""
    match value:
        case dict():
            inner = list(value.items())
        case list():
            inner = list(enumerate(value))
        case _:
            inner = []
    return [(), *((key, *path) for key, found in inner for path in paths_in(found))]


def changed(value: Any, path: tuple[Any, ...], new: Any, *, is_gone: bool) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and is_gone:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], new, is_gone=is_gone)
    return copy


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_whatever_comes_is_done_or_refused_by_the_protocols_errors(
    functions: Functions, name: str, data: st.DataObject
) -> None:
    """One part of a real event is gone or something else; what fails is told in our words."""
    path = data.draw(st.sampled_from(paths_in(SAMPLES[name])))
    event = changed(SAMPLES[name], path, data.draw(odd), is_gone=data.draw(st.booleans()))
    functions.dead.letters.clear()
    before = functions.log.tail("public/a")
    errors = [refusal_of(lambda: getattr(functions, name)(event))]
    assert errors == [None] or functions.log.tail("public/a") == before
    errors += [letter.error for letter in functions.dead.letters]
    assert {error.code for error in errors if error} <= {"malformed", "bad_channel", "too_large"}


def refusal_of(call: Callable[[], Any]) -> BellwireError | None:
    try:
        call()
    except BellwireError as error:
        return error
    return None
