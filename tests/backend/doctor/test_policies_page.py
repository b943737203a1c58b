"""iot_policies/README.md says what the table says, and leaves no document out."""

import re
from collections.abc import Mapping

import pytest

from bellwire.doctor.truth_table import Action, Who, is_intended
from documents import REPOSITORY

FOLDER = REPOSITORY / "iot_policies"
PAGE = (FOLDER / "README.md").read_text()

COLUMNS = {
    "guest": Who.GUEST,
    "member": Who.ALICE,
    "narrowed": Who.NARROWED,
    "kicked": Who.CAROL,
    "job": Who.JOB,
    "operator": Who.OPERATOR,
    "session function": Who.SESSION,
    "connections function": Who.CONNECTIONS,
}
OWN = {Who.GUEST: "{guest}", Who.CAROL: "{carol}", Who.JOB: "job-1", Who.OPERATOR: "operator"}
POLLS = (Action.POLL, Action.POLL_CURSOR)
SIGNED_POLLS = (Action.SIGNED_POLL, Action.SIGNED_POLL_CURSOR)
SEES = (Action.GET_CONNECTION, Action.LIST_SUBSCRIPTIONS, Action.END_CONNECTION)
HEARS = (Action.SUBSCRIBE, Action.RECEIVE)
Tried = tuple[tuple[tuple[Action, ...], tuple[str, ...]], ...]

LINES: Mapping[str, Tried] = {
    "connect as somebody else": (((Action.CONNECT,), ("{bob}", "{bob}-1", "doctor")),),
    "hear, and poll, `public/…`": ((HEARS, ("{stage}/public/doctor",)),),
    "hear, and poll, the own `user/…`": ((HEARS, ("{stage}/user/{alice}/doctor",)),),
    "hear, and poll, `group/…` of an own group": ((HEARS, ("{stage}/group/red/doctor",)),),
    "hear, or poll, anybody else's `user/…` or `group/…`": (
        (HEARS, ("{stage}/user/{bob}/doctor", "{stage}/group/blue/doctor", "{stage}/group/#")),
        (POLLS, ("user/{bob}/doctor", "group/blue/doctor")),
    ),
    "hear another stage, or AWS's lifecycle events": (
        (HEARS, ("{stage}x/public/doctor", "#", "$aws/events/#")),
    ),
    "poll by signature": ((SIGNED_POLLS, ("public/doctor", "user/me/doctor")),),
    "publish to topics, over MQTT": (
        ((Action.PUBLISH,), ("{stage}/public/doctor", "{stage}/user/{alice}/doctor")),
    ),
    "publish to topics, over HTTPS": (((Action.HTTPS_PUBLISH,), ("{stage}/public/doctor",)),),
    "`POST /v1/publish`, `POST /v1/users`": (
        ((Action.SIGNED_POST,), ("/v1/publish public/doctor", "/v1/users")),
    ),
    "`POST /v1/kick`": (((Action.SIGNED_POST,), ("/v1/kick",)),),
    "keep, read and list retained messages": (
        ((Action.HTTPS_RETAIN, Action.GET_RETAINED), ("{stage}/public/doctor",)),
        ((Action.LIST_RETAINED,), ("the account",)),
    ),
    "see and end clients' connections": ((SEES, ("{alice}-1",)),),
    "see and end a job's connection": ((SEES, ("job-1",)),),
    "attach policies to identities, make those that are missing": (
        ((Action.ATTACH,), ("{bob}",)),
        ((Action.CREATE_POLICY,), ("bellwire.{stage}.x",)),
    ),
    "detach policies from identities": (((Action.DETACH,), ("{bob}",)),),
    "change a policy that is there": (((Action.CHANGE_POLICY,), ("bellwire.{stage}.x",)),),
    "have a user vouched for by the pool, assume the narrowed role": (
        ((Action.VOUCH,), ("{pool}",)),
        ((Action.ASSUME,), ("{narrowed_role}",)),
    ),
}


def short_table() -> dict[str, dict[Who, str]]:
    """Read the page's table: by line, what stands for each actor."""
    section = PAGE.partition("## The truth table in short")[2].partition("## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    assert rows[0][1:] == list(COLUMNS)
    return {label: dict(zip(COLUMNS.values(), cells, strict=True)) for label, *cells in rows[1:]}


TABLE = short_table()


def test_every_line_is_known() -> None:
    assert set(TABLE) == {"connect over MQTT", *LINES}


@pytest.mark.parametrize("label", LINES)
def test_a_line_is_what_is_intended(label: str) -> None:
    for who, cell in TABLE[label].items():
        for actions, targets in LINES[label]:
            found = {is_intended(who, action, target) for action in actions for target in targets}
            assert found == {cell in ("yes", "listed")}, (label, who)
        if cell == "listed":
            more = [f"{target}/more" for _, targets in LINES[label] for target in targets]
            assert not any(is_intended(who, action, one) for action in HEARS for one in more)


def test_who_may_connect() -> None:
    for who, cell in TABLE["connect over MQTT"].items():
        own = OWN.get(who, "{alice}")
        assert is_intended(who, Action.CONNECT, own) is (cell == "yes"), who


def test_guests_poll_without_credentials() -> None:
    assert all(is_intended(Who.ANONYMOUS, action, "public/doctor") for action in POLLS)


def test_every_document_is_on_the_page() -> None:
    named = set(re.findall(r"`(\w+(?:\.trust)?\.json)`", PAGE))
    assert named == {path.name for path in FOLDER.glob("*.json")}


def test_every_placeholder_is_on_the_page() -> None:
    section = PAGE.partition("| placeholder | stands for |")[2].partition("## ")[0]
    named = set(re.findall(r"`\{(\w+)\}`", section))
    texts = "".join(path.read_text() for path in FOLDER.glob("*.json"))
    assert named == set(re.findall(r"(?<!\$)\{([a-z_]+)\}", texts))


def test_it_says_what_was_not_checked() -> None:
    assert "**Not yet checked on AWS:**" in PAGE
    assert "**not yet checked on AWS**" in (FOLDER / "TRUTH_TABLE.md").read_text()
