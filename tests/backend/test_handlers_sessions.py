"""POST /v1/session for people who log in, called as API Gateway calls it."""

import json
from typing import Any

import jwt
import pytest
from sqlalchemy import Engine

from backend.club import (
    ALICE,
    BOB,
    PROVIDER,
    Club,
    code_of,
    poll,
    pool_token,
    session,
)
from backend.conftest import Clock
from bellwire.errors import Upstream
from bellwire.handlers.session import handle_session
from bellwire.json_web_tokens import sign
from bellwire.sql.log import SqlLog
from infra.local.identity.oidc_issuer import make_key

FOREIGN_KEY = make_key()


@pytest.fixture
def club(sqlite: Engine, sql_log: SqlLog, clock: Clock) -> Club:
    return Club(sqlite, sql_log, clock)


def test_a_members_session_is_a_bearer_for_an_hour(club: Club) -> None:
    status, content, headers = club.call(handle_session, {}, club.login("alice", "red", "blue"))
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert content == {
        "identity_id": ALICE,
        "token": pool_token(ALICE, 1_795_417_463),
        "expires_at": 1_795_421_063_000,
        "groups": ["blue", "red"],
    }
    assert club.grants.of(ALICE) == {"member", "group.blue", "group.red"}


def test_a_members_session_comes_with_credentials_if_asked(club: Club) -> None:
    assert session(club, credentials=True)["credentials"] == {
        "access_key_id": "ASIAEXAMPLE",
        "secret_access_key": f"secret of {ALICE}",
        "session_token": "session",
        "expires_at": 1_795_421_063_000,
    }
    assert "credentials" not in session(club, credentials=False)


def test_the_same_user_is_the_same_identity(club: Club) -> None:
    assert session(club, "alice")["identity_id"] == ALICE
    assert session(club, "bob")["identity_id"] == BOB
    calls = len(club.grants.calls)
    assert session(club, "alice")["identity_id"] == ALICE
    assert len(club.grants.calls) == calls


def test_a_narrowed_session_holds_for_its_channels_alone(club: Club) -> None:
    names = ["public/a", "user/me/inbox", "group/red/room", "public/a"]
    found = session(club, "alice", "red", mode="sts", channels=names)
    assert found["channels"] == ["group/red/room", "public/a", "user/me/inbox"]
    assert found["expires_at"] == 1_795_418_363_000
    assert found["credentials"] == {
        "access_key_id": "ASIANARROW",
        "secret_access_key": "narrow secret",
        "session_token": "narrow session",
        "expires_at": 1_795_418_363_000,
    }
    ((policy, name, lifetime_s),) = club.narrowings.asked
    assert (name, lifetime_s) == ("bellwire-1795417463", 900)
    received = json.loads(policy)["Statement"][2]["Resource"]
    arn = "arn:aws:iot:us-east-1:000000000000:topic/dev"
    assert received == [
        f"{arn}/group/red/room",
        f"{arn}/public/a",
        f"{arn}/user/{ALICE}/inbox",
    ]
    assert club.grants.of(ALICE) == set()
    for channel, status in (
        ("public/a", 200),
        ("user/me/inbox", 200),
        (f"user/{ALICE}/inbox", 200),
        ("group/red/room", 200),
        ("public/b", 403),
        ("user/me/outbox", 403),
        ("group/red/other", 403),
    ):
        assert poll(club, f"channels={channel}", found["token"])[0] == status, channel


@pytest.mark.parametrize(
    "channel", ["group/blue/room", f"user/{BOB}/inbox", "user/you/inbox", "group/redder/room"]
)
def test_nobody_is_narrowed_to_more_than_they_may(club: Club, channel: str) -> None:
    body = {"mode": "sts", "channels": ["public/a", channel]}
    result = club.call(handle_session, body, club.login("alice", "red"))
    assert code_of(result) == (403, "not_allowed")
    assert result[1]["error"]["channel"] == channel
    assert club.narrowings.asked == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"mode": "sts"}, "malformed"),
        ({"mode": "sts", "channels": []}, "malformed"),
        ({"mode": "sts", "channels": None}, "malformed"),
        ({"mode": "sts", "channels": "public/a"}, "malformed"),
        ({"mode": "sts", "channels": {"public/a": 1}}, "malformed"),
        ({"mode": "sts", "channels": [7]}, "malformed"),
        ({"mode": "sts", "channels": [["public/a"]]}, "malformed"),
        ({"mode": "sts", "channels": [None]}, "malformed"),
        ({"mode": "sts", "channels": [f"public/{n}" for n in range(51)]}, "malformed"),
        ({"mode": "sts", "channels": ["public/*"]}, "bad_channel"),
        ({"mode": "sts", "channels": ["public/#"]}, "bad_channel"),
        ({"mode": "sts", "channels": ["public/a", ""]}, "bad_channel"),
        ({"mode": "sts", "channels": ["public/a,public/b"]}, "bad_channel"),
        ({"mode": "sts", "channels": ["public/${aws:userid}"]}, "bad_channel"),
        ({"mode": "sts", "channels": ["public/a\n"]}, "bad_channel"),
        ({"mode": "sts", "channels": ["/public/a"]}, "bad_channel"),
        ({"mode": "cognito", "channels": ["public/a"]}, "malformed"),
        ({"channels": ["public/a"]}, "malformed"),
        ({"mode": "iam"}, "malformed"),
        ({"mode": None}, "malformed"),
        ({"mode": ["sts"]}, "malformed"),
        ({"mode": {"sts": 1}}, "malformed"),
        ({"credentials": None}, "malformed"),
        ({"credentials": 1}, "malformed"),
        ({"provider": 7}, "malformed"),
        ({"provider": ["id.example"]}, "malformed"),
        ("[]", "malformed"),
        ("7", "malformed"),
        ('{"mode":"sts","mode":"cognito"}', "malformed"),
        ("{", "malformed"),
    ],
)
def test_a_session_that_cannot_be_read_is_refused(club: Club, body: Any, code: str) -> None:
    assert code_of(club.call(handle_session, body, club.login("alice"))) == (400, code)
    assert club.pool.users == {}


@pytest.mark.parametrize("channels", ["", {}, 0, False, 0.0])
def test_channels_that_are_no_list_are_refused_even_if_empty(club: Club, channels: Any) -> None:
    for mode in ("cognito", "sts"):
        result = club.call(handle_session, {"mode": mode, "channels": channels}, club.login())
        assert code_of(result) == (400, "malformed")
        assert result[1]["error"]["message"].startswith("expected a list of channels")


def test_no_channels_are_named_by_null_or_nothing(club: Club) -> None:
    bodies: list[dict[str, Any]] = [{"channels": None}, {"channels": []}, {}]
    for body in bodies:
        assert club.call(handle_session, body, club.login())[0] == 200


def test_a_session_that_is_too_large_is_refused(club: Club) -> None:
    groups = [f"g{number}" for number in range(10)]
    result = club.call(handle_session, {}, club.login("alice", *groups))
    assert code_of(result) == (413, "too_large")
    assert "mode: sts" in result[1]["error"]["message"]
    names = [f"public/{'x' * 40}{number}" for number in range(20)]
    result = club.call(handle_session, {"mode": "sts", "channels": names}, club.login())
    assert code_of(result) == (413, "too_large")
    assert not result[1]["error"]["retryable"]
    found = session(club, "alice", *groups, mode="sts", channels=["group/g9/room"])
    assert found["groups"] == sorted(groups)


def test_a_login_that_does_not_hold_is_refused(club: Club) -> None:
    now_s = int(club.now_s())
    member, narrow = session(club), session(club, mode="sts", channels=["public/a"])
    for token in (
        "x",
        club.login(iss="https://elsewhere.example"),
        club.login(aud="another"),
        club.login(exp=now_s - 31),
        club.login(iat=now_s + 31),
        club.login(user=""),
        club.login(user=ALICE),
        club.login() + "x",
        "x" * 20_000,
        member["token"],
        narrow["token"],
        narrow["credentials"]["session_token"],
        sign({"sub": "alice", "iat": now_s, "exp": now_s + 9}, b"\x00" * 32),
    ):
        result = club.call(handle_session, {}, token)
        assert code_of(result) == (401, "unauthenticated")
        assert result[1]["error"]["retryable"] is False
        assert result[2]["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Basic YWxpY2U6c2VjcmV0",
        "AWS4-HMAC-SHA256 Credential=x",
        "TOKEN",
        "{token}",
        "Token {token}",
        "Bearer {token},Bearer {token}",
        "Bearer x,Bearer {token}",
        "Bearer {token}, Basic YWxpY2U6c2VjcmV0",
        "Bearer {token} {token}",
        "Bearer\t{token}",
        'Bearer "{token}"',
    ],
)
def test_an_authorization_that_is_no_bearer_makes_no_guest(club: Club, header: str) -> None:
    """Two headers come as one, joined by a comma, from API Gateway as well."""
    headers = {"authorization": header.replace("{token}", club.login())}
    result = club.call(handle_session, {}, headers=headers)
    assert code_of(result) == (401, "unauthenticated")
    bearer = session(club)["token"]
    headers = {"authorization": header.replace("{token}", bearer)}
    result = poll(club, "channels=public/a", headers=headers)
    assert code_of(result) == (401, "unauthenticated")


def test_the_word_bearer_is_of_any_case(club: Club) -> None:
    for scheme in ("bearer", "BEARER", "Bearer  "):
        headers = {"authorization": f"{scheme} {club.login()}"}
        assert club.call(handle_session, {}, headers=headers)[0] == 200


def test_guests_that_are_off_are_refused_and_members_are_not(club: Club) -> None:
    club.has_guests = False
    result = club.call(handle_session, {})
    assert code_of(result) == (403, "not_allowed")
    assert "log in and send a bearer token" in result[1]["error"]["message"]
    token = session(club)["token"]
    assert code_of(poll(club, "channels=public/a")) == (403, "not_allowed")
    status, _, headers = poll(club, "channels=public/a", token)
    assert (status, headers["cache-control"]) == (200, "private, no-store")


def test_a_control_plane_that_is_busy_asks_to_come_back(club: Club) -> None:
    club.grants.failing = 1
    result = club.call(handle_session, {}, club.login())
    assert code_of(result) == (429, "too_many")
    assert (result[2]["retry-after"], result[1]["error"]["retryable"]) == ("1", True)
    assert session(club)["identity_id"] == ALICE
    club.narrowings.is_busy = True
    result = club.call(handle_session, {"mode": "sts", "channels": ["public/a"]}, club.login())
    assert (code_of(result), result[2]["retry-after"]) == ((429, "too_many"), "3")


def test_a_pool_that_is_down_is_upstream(club: Club, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_down(*_: object, **__: object) -> Any:
        raise Upstream("Cognito could not be reached: timeout")

    monkeypatch.setattr(club.pool, "vouch_for", be_down)
    result = club.call(handle_session, {}, club.login())
    assert code_of(result) == (502, "upstream")
    assert result[1]["error"]["retryable"] is True


def foreign(club: Club, **claims: Any) -> str:
    now_s = int(club.now_s())
    content = {"iss": "https://id.example", "sub": "zoe", "iat": now_s, "exp": now_s + 9, **claims}
    return jwt.encode(content, FOREIGN_KEY, "RS256")


def test_a_providers_login_is_whoever_the_pool_says(club: Club) -> None:
    token = foreign(club, teams=["red"])
    assert code_of(club.call(handle_session, {}, token)) == (401, "unauthenticated")
    assert club.directory.find(BOB) is None
    club.pool.logged_in[PROVIDER, token] = BOB
    for body in ({}, {"provider": PROVIDER}):
        status, content, _ = club.call(handle_session, body, token)
        assert (status, content["identity_id"], content["groups"]) == (200, BOB, ["red"])
    person = club.directory.find(BOB)
    assert person is not None
    assert person.user == BOB
    club.pool.logged_in["graph.facebook.com", "EAAB"] = ALICE
    status, content, _ = club.call(handle_session, {"provider": "graph.facebook.com"}, "EAAB")
    assert (status, content["identity_id"]) == (200, ALICE)


def test_a_login_for_one_provider_is_none_for_another(club: Club) -> None:
    token = foreign(club)
    club.pool.logged_in[PROVIDER, token] = BOB
    for provider in ("graph.facebook.com", "elsewhere.example", "cognito-identity.amazonaws.com"):
        result = club.call(handle_session, {"provider": provider}, token)
        assert code_of(result) == (401, "unauthenticated")
