"""Who may read what, by the documents that are deployed."""

import json

import pytest

from bellwire.access import NOBODY, Reader, guest, may_read, member, narrowed
from bellwire.grants import session_policy
from bellwire.policies import Place, load_policy

PLACE = Place("us-east-1", "000000000000", "dev")
ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB = "us-east-1:00000000-0000-4000-8000-00000000000b"

GUEST = guest(load_policy("guest_role", PLACE))
MEMBER = member(ALICE, ["red", "ops:eu"], PLACE)


def narrowed_to(whole: Reader, *channels: str) -> Reader:
    return narrowed(whole, json.loads(session_policy(ALICE, channels, PLACE)), PLACE)


@pytest.mark.parametrize(
    ("channel", "by_guest", "by_member"),
    [
        ("public/host", True, True),
        ("public/a/b/c", True, True),
        (f"user/{ALICE}/inbox", False, True),
        (f"user/{BOB}/inbox", False, False),
        (f"user/{ALICE[:-1]}/inbox", False, False),
        ("user/me/inbox", False, False),
        ("group/red/room", False, True),
        ("group/ops:eu/room", False, True),
        ("group/redder/room", False, False),
        ("group/blue/room", False, False),
    ],
)
def test_guests_and_members_read_what_is_theirs(
    channel: str,
    by_guest: bool,  # noqa: FBT001 - a row
    by_member: bool,  # noqa: FBT001 - a row
) -> None:
    assert may_read(GUEST, channel, PLACE) is by_guest
    assert may_read(MEMBER, channel, PLACE) is by_member
    assert not may_read(NOBODY, channel, PLACE)
    assert not may_read(guest(None), channel, PLACE)


def test_a_narrowed_session_reads_what_it_names_and_never_more_than_its_owner() -> None:
    session = narrowed_to(MEMBER, "public/a", "group/red/room", f"user/{BOB}/inbox")
    assert may_read(session, "public/a", PLACE)
    assert may_read(session, "group/red/room", PLACE)
    assert not may_read(session, "public/b", PLACE)
    assert not may_read(session, "public/a/b", PLACE)
    assert not may_read(session, "group/red/other", PLACE)
    assert not may_read(session, f"user/{BOB}/inbox", PLACE)


def test_nobody_reads_another_stage() -> None:
    other = Place("us-east-1", "000000000000", "other")
    assert not may_read(guest(load_policy("guest_role", other)), "public/host", PLACE)
    assert not may_read(member(ALICE, ["red"], other), "group/red/room", PLACE)
