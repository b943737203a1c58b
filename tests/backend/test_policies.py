"""Policy documents as they are asked here; the stand-in has its own evaluator and its own tests."""

from typing import Any

import pytest

from bellwire.errors import Internal
from bellwire.policies import Place, is_allowed, load_policy, load_trust

PLACE = Place("us-east-1", "000000000000", "dev", pool_id="us-east-1:p", role_prefix="bw-")


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
    found = is_allowed([document(*statements)], "iot:Receive", resource, {"sub": "me*"})
    assert found is expected


def test_documents_of_one_holder_allow_together_and_deny_for_all() -> None:
    allow_a, allow_b = document(("Allow", "*", "a")), document(("Allow", "*", "b"))
    deny_a = document(("Deny", "*", "a"))
    assert is_allowed([allow_a, allow_b], "iot:Receive", "b", {})
    assert not is_allowed([allow_a, allow_b, deny_a], "iot:Receive", "a", {})
    assert not is_allowed([], "iot:Receive", "a", {})


def test_a_document_is_filled_in_and_keeps_the_variables_of_aws() -> None:
    role = load_policy("member_role", PLACE)
    assert role["Statement"][0]["Resource"] == [
        "arn:aws:iot:us-east-1:000000000000:client/${cognito-identity.amazonaws.com:sub}",
        "arn:aws:iot:us-east-1:000000000000:client/${cognito-identity.amazonaws.com:sub}-*",
    ]
    group = load_policy("group_identity", PLACE, group="ops:eu")
    assert group["Statement"][1]["Resource"] == (
        "arn:aws:iot:us-east-1:000000000000:topic/dev/group/ops:eu/*"
    )


def test_trust_documents_are_filled_in() -> None:
    member, narrowed = load_trust("member_role", PLACE), load_trust("narrowed_role", PLACE)
    assert member["Statement"][0]["Condition"]["StringEquals"] == {
        "cognito-identity.amazonaws.com:aud": "us-east-1:p"
    }
    assert narrowed["Statement"][0]["Principal"] == {
        "AWS": "arn:aws:iam::000000000000:role/bw-session_role"
    }


def test_a_document_that_is_not_there_is_named() -> None:
    with pytest.raises(Internal, match=r"no policy document king_role\.json"):
        load_policy("king_role", PLACE)
