"""The policies that identities hold: their names, their sizes, their limits."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import Malformed, TooLarge
from bellwire.grants import MAX_GROUPS, check_groups, grants_of, group_grant, session_policy
from bellwire.policies import Place

PLACE = Place("us-east-1", "000000000000", "dev")
ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
GROUPS = st.from_regex(r"[A-Za-z0-9_.:@-]{1,64}", fullmatch=True).filter(
    lambda text: text not in (".", "..")
)
STAGES = st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True)


def test_a_member_has_one_policy_and_one_for_each_group() -> None:
    names = list(grants_of(["ops:eu", "red"], PLACE))
    assert [name.rpartition(".")[0] for name in names] == [
        "bellwire.dev.member",
        "bellwire.dev.group.ops=eu",
        "bellwire.dev.group.red",
    ]


def test_another_document_has_another_name() -> None:
    elsewhere = Place("eu-west-1", "000000000000", "dev")
    assert group_grant("red", PLACE).name != group_grant("red", elsewhere).name


@given(GROUPS, GROUPS, STAGES, STAGES)
def test_names_of_policies_are_legal_and_told_apart(
    one: str, other: str, here: str, there: str
) -> None:
    """Source: IoT API reference, PolicyName."""
    mine, theirs = (
        group_grant(group, Place("us-east-1", "000000000000", stage)).name
        for group, stage in ((one, here), (other, there))
    )
    assert re.fullmatch(r"[\w+=,.@-]{1,128}", mine, re.ASCII)
    assert (mine == theirs) is ((one, here) == (other, there))


@given(GROUPS)
def test_a_policy_fits_what_aws_takes(group: str) -> None:
    """Source: AWS IoT quotas: 2,048 characters without white space."""
    place = Place("ap-southeast-12", "000000000000", "s" * 16)
    assert all(len(grant.text) <= 2048 for grant in grants_of([group], place).values())


def test_a_tenth_group_is_refused_with_the_way_out() -> None:
    groups = [f"g{number}" for number in range(MAX_GROUPS + 1)]
    assert len(grants_of(groups[:-1], PLACE)) == 10
    with pytest.raises(TooLarge, match=r"found 10 groups, expected at most 9: .* mode: sts"):
        grants_of(groups, PLACE)


@pytest.mark.parametrize("group", ["", "a/b", "*", "a b", ".", "..", "x" * 65, "ö", 7, None, "a\n"])
def test_a_group_that_no_channel_can_name_is_refused(group: object) -> None:
    with pytest.raises(Malformed, match="expected groups named by"):
        check_groups(["red", group])


def test_groups_are_put_in_order() -> None:
    assert check_groups(["red", "blue", "red"]) == ("blue", "red")


def test_a_narrowed_session_is_told_exactly_what_it_may_do() -> None:
    arn = "arn:aws:iot:us-east-1:000000000000"
    assert json.loads(session_policy(ALICE, ["public/a", "group/red/x"], PLACE)) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": [f"{arn}:client/{ALICE}", f"{arn}:client/{ALICE}-*"],
            },
            {
                "Effect": "Allow",
                "Action": "iot:Subscribe",
                "Resource": [
                    f"{arn}:topicfilter/dev/public/a",
                    f"{arn}:topicfilter/dev/group/red/x",
                ],
            },
            {
                "Effect": "Allow",
                "Action": "iot:Receive",
                "Resource": [f"{arn}:topic/dev/public/a", f"{arn}:topic/dev/group/red/x"],
            },
        ],
    }


def test_more_channels_than_aws_takes_are_refused() -> None:
    with pytest.raises(TooLarge, match="name fewer channels"):
        session_policy(ALICE, [f"public/channel{number}" for number in range(20)], PLACE)
