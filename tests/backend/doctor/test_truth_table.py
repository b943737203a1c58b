"""The table as such: whole, stable, listed; whether it is true is tried elsewhere."""

from collections import Counter

import pytest

from bellwire.doctor.listing import write_listing
from bellwire.doctor.truth_table import (
    INTENT,
    WITHOUT_KEYS,
    Action,
    Row,
    Who,
    is_intended,
    truth_table,
)
from documents import REPOSITORY

TABLE = truth_table()


def test_there_are_rows_for_everybody_and_everything() -> None:
    assert len(TABLE) == 1048
    assert len({row.name for row in TABLE}) == len(TABLE)
    assert {row.who for row in TABLE} == set(Who)
    assert {row.action for row in TABLE} == set(Action)
    assert Counter(row.is_allowed for row in TABLE) == {True: 149, False: 899}


def test_each_right_is_tried() -> None:
    """A pattern of INTENT that no row needs could say anything."""
    for who, rights in INTENT.items():
        for action, patterns in rights.items():
            allowed = [row.target for row in TABLE if (row.who, row.action) == (who, action)]
            for pattern in patterns:
                assert any(_fits(pattern, target) for target in allowed), (who, action, pattern)


def _fits(pattern: str, target: str) -> bool:
    return target.startswith(pattern[:-1]) if pattern.endswith("*") else target == pattern


def test_browsers_credentials_are_tried_on_publish() -> None:
    browsers = (Who.GUEST, Who.ALICE, Who.BOB, Who.NARROWED, Who.CAROL)
    posts = [row for row in TABLE if "/v1/publish" in row.target and row.who in browsers]
    assert len(posts) == 27
    assert not any(row.is_allowed for row in posts)


@pytest.mark.parametrize("who", [Who.CAROL, Who.STRANGER, Who.FORGER])
def test_who_is_out_may_do_nothing(who: Who) -> None:
    assert not any(row.is_allowed for row in TABLE if row.who is who)


@pytest.mark.parametrize(
    ("who", "action", "target", "expected"),
    [
        (Who.ALICE, Action.CONNECT, "{alice}", True),
        (Who.ALICE, Action.CONNECT, "{alice}-tab", True),
        (Who.ALICE, Action.CONNECT, "{alice}-ta/b", False),
        (Who.ALICE, Action.CONNECT, "{bob}", False),
        (Who.ALICE, Action.SUBSCRIBE, "{stage}/group/red/#", True),
        (Who.ALICE, Action.SUBSCRIBE, "{stage}/group/+/room", False),
        (Who.NARROWED, Action.SUBSCRIBE, "{stage}/public/doctor", True),
        (Who.NARROWED, Action.SUBSCRIBE, "{stage}/public/+", False),
        (Who.GUEST, Action.PUBLISH, "{stage}/public/doctor", False),
        (Who.JOB, Action.SUBSCRIBE, "{stage}/public/doctor", False),
        (Who.JOB, Action.SIGNED_POST, "/v1/kick", False),
        (Who.OPERATOR, Action.SIGNED_POST, "/v1/kick", True),
    ],
)
def test_what_is_intended(
    who: Who,
    action: Action,
    target: str,
    expected: bool,  # noqa: FBT001 - a row
) -> None:
    assert is_intended(who, action, target) is expected


def test_without_guests_nobody_unknown_may_do_anything() -> None:
    closed = truth_table(has_guests=False)
    assert [row.name for row in closed] == [row.name for row in TABLE]
    changed = {row.who for row, closed_row in zip(TABLE, closed, strict=True) if row != closed_row}
    assert changed == {Who.GUEST, Who.ANONYMOUS}
    assert not any(row.is_allowed for row in closed if row.who in changed)


def test_the_page_is_what_is_generated() -> None:
    page = REPOSITORY / "iot_policies" / "TRUTH_TABLE.md"
    assert page.read_text() == write_listing(TABLE)


def test_the_page_tells_yes_no_and_not_asked() -> None:
    rows = [
        Row(Who.GUEST, Action.SUBSCRIBE, "a/#", is_allowed=False),
        Row(Who.BOB, Action.SUBSCRIBE, "a", is_allowed=True),
    ]
    assert write_listing(rows).partition("## ")[2] == (
        "MQTT SUBSCRIBE to\n\n"
        "| target | guest | bob |\n|---|---|---|\n"
        "| `a/#` | - |  |\n| `a` |  | yes |\n"
    )


def test_those_without_keys_are_never_allowed_what_is_signed() -> None:
    signed = (Action.SIGNED_POST, Action.SIGNED_POLL, Action.CONNECT, Action.HTTPS_PUBLISH)
    rows = [row for row in TABLE if row.who in WITHOUT_KEYS and row.action in signed]
    assert len(rows) == 59
    assert not any(row.is_allowed for row in rows)
