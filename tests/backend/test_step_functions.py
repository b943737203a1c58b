"""The example for Step Functions: its errors are ours, and what it sends can be published."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from backend.doubles import KeepingBroker
from bellwire import errors
from bellwire.errors import BadChannel, BellwireError, Malformed, TooLarge, TooMany, Upstream
from bellwire.fanout import InlineFanOut
from bellwire.handlers.invoke import handle_invoke
from bellwire.sql.log import SqlLog

EXAMPLE: Final = Path(__file__).parents[2] / "infra/aws/examples/step_functions.asl.json"
MACHINE: Final[dict[str, Any]] = json.loads(EXAMPLE.read_text())
PUBLISH: Final[dict[str, Any]] = MACHINE["States"]["Publish"]
EXECUTION: Final = f"arn:aws:states:us-east-1:000000000000:execution:{'m' * 80}:{'e' * 80}"
"""As long as one can be. Source: Step Functions quotas, names have up to 80 characters."""

_HASHED: Final = re.compile(
    r"States\.Hash\(States\.Format\('\{\} \{\}', (\$\$\.[\w.]+), (\$\$\.[\w.]+)\), 'SHA-256'\)"
)


def errors_of(rules: list[dict[str, Any]]) -> list[str]:
    return [name for rule in rules for name in rule["ErrorEquals"]]


def ours(names: list[str]) -> list[type[BellwireError]]:
    return [getattr(errors, name) for name in names if not name.startswith("Lambda.")]


def filled_in(value: Any, found: Mapping[str, Any]) -> Any:
    """Do as Step Functions does with a payload template, for what the example uses of it."""
    match value:
        case dict():
            return {
                name.removesuffix(".$"): (
                    looked_up(one, found) if name.endswith(".$") else filled_in(one, found)
                )
                for name, one in value.items()
            }
        case list():
            return [filled_in(one, found) for one in value]
        case _:
            return value


def looked_up(path: str, found: Mapping[str, Any]) -> Any:
    if hashed := _HASHED.fullmatch(path):
        text = f"{found[hashed[1]]} {found[hashed[2]]}"
        return hashlib.sha256(text.encode()).hexdigest()
    return found[path]


def payload(execution: str = EXECUTION) -> Any:
    found = {
        "$.order": {"order": 8},
        "$.open": 3,
        "$$.Execution.Id": execution,
        "$$.State.Name": "Publish",
    }
    return filled_in(PUBLISH["Parameters"]["Payload"], found)


def seqs(log: SqlLog, sent: Any) -> list[tuple[int, bool]]:
    fan_out = InlineFanOut(log, KeepingBroker(), "dev")
    answer: Any = handle_invoke(sent, request_id="a-call", log=log, fan_out=fan_out)
    return [(one["seq"], one["duplicate"]) for one in answer["results"]]


def test_what_may_pass_is_tried_again_and_nothing_else() -> None:
    assert ours(errors_of(PUBLISH["Retry"])) == [Upstream, TooMany]
    assert all(error.is_retryable for error in ours(errors_of(PUBLISH["Retry"])))
    (rule,) = PUBLISH["Retry"]
    assert (rule["BackoffRate"], rule["JitterStrategy"]) == (2, "FULL")


def test_what_can_never_pass_is_caught() -> None:
    caught = ours(errors_of(PUBLISH["Catch"]))
    assert caught == [Malformed, BadChannel, TooLarge]
    assert not any(error.is_retryable for error in caught)


def test_every_state_named_is_there() -> None:
    named = {MACHINE["StartAt"], *(rule["Next"] for rule in PUBLISH["Catch"])}
    assert named == set(MACHINE["States"])


def test_a_retry_publishes_nothing_twice(sql_log: SqlLog) -> None:
    assert seqs(sql_log, payload()) == [(1, False), (1, False)]
    assert seqs(sql_log, payload()) == [(1, True), (1, True)]
    assert seqs(sql_log, payload(EXECUTION + "2")) == [(2, False), (2, False)]


@pytest.mark.parametrize(
    ("change", "error"),
    [({"op": "put"}, Malformed), ({"channel": "public"}, BadChannel)],
)
def test_what_is_caught_is_what_is_raised(
    sql_log: SqlLog, change: dict[str, str], error: type[BellwireError]
) -> None:
    sent = payload()
    sent["updates"][0] |= change
    with pytest.raises(error) as raised:
        seqs(sql_log, sent)
    assert type(raised.value) is error
