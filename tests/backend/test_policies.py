"""Policy documents as they are asked here; the stand-in has its own evaluator and its own tests."""

from typing import Any

import pytest

from bellwire.access import may_guest_read
from bellwire.policies import Place, is_allowed, load_policy

PLACE = Place("us-east-1", "000000000000", "dev")


@pytest.mark.parametrize(
    ("channel", "is_readable"),
    [
        ("public/host", True),
        ("public/a/b/c", True),
        ("user/us-east-1:1/inbox", False),
        ("user/me/inbox", False),
        ("group/ops/alerts", False),
    ],
)
def test_guests_read_what_is_public(channel: str, is_readable: bool) -> None:  # noqa: FBT001 - a row
    guest = load_policy("guest_role", PLACE)
    assert may_guest_read(channel, guest, PLACE) is is_readable
    assert may_guest_read(channel, None, PLACE) is False


def test_guests_of_another_stage_read_nothing() -> None:
    guest = load_policy("guest_role", Place("us-east-1", "000000000000", "other"))
    assert may_guest_read("public/host", guest, PLACE) is False


def document(*statements: tuple[str, str, str]) -> dict[str, Any]:
    return {"Statement": [{"Effect": e, "Action": a, "Resource": r} for e, a, r in statements]}


@pytest.mark.parametrize(
    ("statements", "resource", "expected"),
    [
        ([], "topic/a", False),
        ([("Allow", "iot:Receive", "topic/a")], "topic/a", True),
        ([("Allow", "iot:Receive", "topic/a")], "topic/A", False),
        ([("Allow", "IOT:RECEIVE", "topic/a")], "topic/a", True),
        ([("Allow", "iot:*", "topic/*")], "topic/a/b", True),
        ([("Allow", "iot:Publish", "*")], "topic/a", False),
        ([("Allow", "*", "topic/?")], "topic/ab", False),
        ([("Allow", "*", "topic/${sub}/*")], "topic/me*/x", True),
        ([("Allow", "*", "topic/${sub}/*")], "topic/me2/x", False),
        ([("Allow", "*", "topic/${unknown}")], "topic/", False),
        ([("Allow", "*", "topic/${*}")], "topic/*", True),
        ([("Allow", "*", "topic/${*}")], "topic/a", False),
        ([("Allow", "*", "*"), ("Deny", "iot:Receive", "topic/a")], "topic/a", False),
        ([("Deny", "*", "topic/b"), ("Allow", "*", "*")], "topic/a", True),
    ],
)
def test_evaluation(
    statements: list[tuple[str, str, str]],
    resource: str,
    expected: bool,  # noqa: FBT001 - a row
) -> None:
    found = is_allowed(document(*statements), "iot:Receive", resource, {"sub": "me*"})
    assert found is expected
