"""The endpoints for people who have logged in, called as API Gateway calls them."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from backend.club import (
    ALICE,
    BEARER_SECRET,
    BOB,
    LOGIN_SECRET,
    POOL_ID,
    PROVIDER,
    Club,
    code_of,
    poll,
    pool_token,
    session,
    signed_by,
    signed_poll,
)
from backend.conftest import Clock
from backend.raw_tokens import signed_text
from bellwire.bearers import POOL_ISSUER
from bellwire.cursors import Cursor, encode_cursor
from bellwire.handlers.people import handle_kick, handle_user
from bellwire.handlers.poll import handle_signed_poll
from bellwire.handlers.session import handle_session
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft, Position


@pytest.fixture
def club(sqlite: Engine, sql_log: SqlLog, clock: Clock) -> Club:
    return Club(sqlite, sql_log, clock)


def test_a_member_polls_what_is_theirs(club: Club) -> None:
    token = session(club, "alice", "red")["token"]
    for channel in (f"user/{ALICE}/inbox", "group/red/room", f"user/{BOB}/inbox"):
        club.log.append(channel, [Draft("set", "k", channel)])
    status, content, headers = poll(club, "channels=user/me/inbox,group/red/room,public/a", token)
    assert status == 200
    assert headers["cache-control"] == "private, no-store"
    assert list(content["channels"]) == ["group/red/room", "public/a", "user/me/inbox"]
    assert content["channels"]["user/me/inbox"]["state"] == {"k": f"user/{ALICE}/inbox"}
    assert ALICE not in json.dumps(content["cursor"])
    status, again, _ = poll(club, f"cursor={content['cursor']}", token)
    assert (status, again["cursor"]) == (200, content["cursor"])


def test_a_cursor_opens_nothing(club: Club) -> None:
    alice, bob = session(club, "alice", "red")["token"], session(club, "bob")["token"]
    _, content, _ = poll(club, "channels=group/red/room,user/me/inbox", alice)
    result = poll(club, f"cursor={content['cursor']}", bob)
    assert code_of(result) == (403, "not_allowed")
    assert result[1]["error"]["channel"] == "group/red/room"
    minted = encode_cursor(Cursor({f"user/{ALICE}/inbox": Position("aaaaaaaa", 1)}, {}))
    result = poll(club, f"cursor={minted}", bob)
    assert (code_of(result), result[1]["error"]["channel"]) == (
        (403, "not_allowed"),
        f"user/{ALICE}/inbox",
    )
    assert code_of(poll(club, f"cursor={content['cursor']}")) == (403, "not_allowed")


def test_a_refusal_is_the_same_whether_the_channel_exists(club: Club) -> None:
    token = session(club)["token"]
    club.log.append("group/red/room", [Draft("event", data="secret")])
    there = poll(club, "channels=group/red/room", token)
    absent = poll(club, "channels=group/red/none", token)
    assert there[0] == absent[0] == 403
    assert there[1]["error"]["message"].replace("room", "none") == absent[1]["error"]["message"]
    assert there[2] == absent[2]


@pytest.mark.parametrize(
    ("query", "is_shared"),
    [
        ("channels=public/a", True),
        ("channels=public/a,public/b", True),
        ("channels=public/a,user/me/inbox", False),
        ("channels=group/red/room", False),
    ],
)
def test_only_what_everybody_may_read_is_for_every_cache(
    club: Club,
    query: str,
    is_shared: bool,  # noqa: FBT001 - a row
) -> None:
    token = session(club, "alice", "red")["token"]
    status, _, headers = poll(club, query, token)
    shared = "public, max-age=1, must-revalidate, stale-if-error=0"
    assert status == 200
    assert headers["cache-control"] == (shared if is_shared else "private, no-store")
    status, _, again = poll(club, query, token, headers={"if-none-match": headers["etag"]})
    assert (status, again["cache-control"]) == (304, headers["cache-control"])


def test_a_bearer_that_has_ended_or_was_revoked_is_refused(club: Club) -> None:
    member = session(club, "alice", "red")["token"]
    narrow = session(club, "alice", "red", mode="sts", channels=["public/a"])["token"]
    for token in (member, narrow):
        assert poll(club, "channels=public/a", token)[0] == 200
    assert club.call(handle_kick, {"user": "alice"})[0] == 200
    for token in (member, narrow):
        result = poll(club, "channels=public/a", token)
        assert code_of(result) == (401, "unauthenticated")
        assert result[1]["error"]["retryable"] is False
    newer = session(club, "alice", "blue")["token"]
    assert poll(club, "channels=group/blue/room", newer)[0] == 200
    for token in (member, narrow):
        assert code_of(poll(club, "channels=public/a", token)) == (401, "unauthenticated")
    club.clock.advance(3630)
    assert code_of(poll(club, "channels=public/a", newer)) == (401, "unauthenticated")


def test_a_login_of_before_a_kick_opens_no_session(club: Club) -> None:
    token = club.login("alice", "red")
    for body in ({}, {"mode": "sts", "channels": ["public/a"]}):
        assert club.call(handle_session, body, token)[0] == 200
    club.call(handle_kick, {"user": "alice"})
    for body in ({}, {"mode": "sts", "channels": ["public/a"]}):
        result = club.call(handle_session, body, token)
        assert code_of(result) == (401, "unauthenticated")
    assert club.grants.of(ALICE) == set()
    assert session(club, "alice")["identity_id"] == ALICE


@pytest.mark.parametrize("of", ["login", "another pool", "a guest", "a session key"])
def test_a_token_of_another_kind_is_no_bearer(club: Club, of: str) -> None:
    found = session(club, "alice", "red", credentials=True)
    now_s = int(club.now_s())
    token = {
        "login": club.login("alice", "red"),
        "another pool": pool_token(ALICE, now_s, aud="us-east-1:0"),
        "a guest": pool_token(ALICE, now_s, amr=["unauthenticated"]),
        "a session key": found["credentials"]["session_token"],
    }[of]
    assert code_of(poll(club, "channels=user/me/inbox", token)) == (401, "unauthenticated")


def test_groups_end_with_the_next_login(club: Club) -> None:
    token = session(club, "alice", "red")["token"]
    assert poll(club, "channels=group/red/room", token)[0] == 200
    session(club, "alice", "blue", mode="sts", channels=["group/blue/room"])
    assert code_of(poll(club, "channels=group/red/room", token)) == (403, "not_allowed")
    assert poll(club, "channels=group/blue/room", token)[0] == 200


def test_a_member_polls_by_signature(club: Club) -> None:
    session(club, "alice", "red")
    status, content, headers = signed_poll(
        club, "channels=user/me/inbox,group/red/room", signed_by()
    )
    assert (status, headers["cache-control"]) == (200, "private, no-store")
    assert list(content["channels"]) == ["group/red/room", "user/me/inbox"]
    status, _, headers = signed_poll(club, "channels=public/a", signed_by())
    assert (status, headers["cache-control"]) == (200, "private, no-store")
    result = signed_poll(club, "channels=group/blue/room", signed_by())
    assert code_of(result) == (403, "not_allowed")


def test_a_signature_in_the_query_is_no_question(club: Club) -> None:
    session(club, "alice")
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&channels=user/me/inbox"
    assert signed_poll(club, query, signed_by())[0] == 200
    assert code_of(signed_poll(club, f"{query}&x-amz-date=1", signed_by())) == (400, "malformed")
    assert code_of(poll(club, query)) == (400, "malformed")


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({}, (403, "not_allowed")),
        ({"authorizer": {}}, (403, "not_allowed")),
        ({"authorizer": None}, (403, "not_allowed")),
        ({"authorizer": {"iam": None}}, (403, "not_allowed")),
        ({"authorizer": {"jwt": {"claims": {}}}}, (403, "not_allowed")),
        ({"authorizer": {"iam": {"cognitoIdentity": None}}}, (403, "not_allowed")),
        ({"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/x"}}}, (403, "not_allowed")),
        (signed_by(amr=["unauthenticated"]), (403, "not_allowed")),
        (signed_by(amr="unauthenticated"), (403, "not_allowed")),
        (signed_by(amr=[]), (403, "not_allowed")),
        (signed_by(amr=None), (403, "not_allowed")),
        (signed_by(identityPoolId="us-east-1:0"), (403, "not_allowed")),
        (signed_by(identityPoolId=None), (403, "not_allowed")),
        (signed_by(identityId=BOB), (401, "unauthenticated")),
    ],
)
def test_who_has_not_logged_in_here_polls_nothing_by_signature(
    club: Club, context: Any, expected: tuple[int, str]
) -> None:
    session(club, "alice")
    assert code_of(signed_poll(club, "channels=public/a", context)) == expected


def test_a_signature_holds_nothing_after_a_kick_before_the_next_login(club: Club) -> None:
    session(club, "alice")
    club.call(handle_kick, {"user": "alice"})
    result = signed_poll(club, "channels=public/a", signed_by())
    assert code_of(result) == (401, "unauthenticated")
    session(club, "alice")
    assert signed_poll(club, "channels=public/a", signed_by())[0] == 200


def test_a_bearer_does_not_help_a_signature(club: Club) -> None:
    """Two ways to prove oneself at once: the signature counts, and it is Bob's."""
    token = session(club, "alice", "red")["token"]
    session(club, "bob")
    result = club.call(
        handle_signed_poll,
        None,
        token,
        rawQueryString="channels=group/red/room",
        requestContext=signed_by(identityId=BOB),
    )
    assert code_of(result) == (403, "not_allowed")


def test_a_user_has_an_address_before_the_first_login(club: Club) -> None:
    assert club.call(handle_user, {"user": "alice"})[:2] == (200, {"identity_id": ALICE})
    assert club.call(handle_user, {"user": "alice"})[:2] == (200, {"identity_id": ALICE})
    assert session(club, "alice", "red")["identity_id"] == ALICE
    assert club.grants.of(ALICE) == {"member", "group.red"}


def test_an_address_is_of_no_group(club: Club) -> None:
    club.call(handle_user, {"user": "alice"})
    assert club.grants.calls == []
    result = poll(club, "channels=group/red/x", pool_token(ALICE, int(club.now_s())))
    assert code_of(result) == (403, "not_allowed")


def test_a_kick_tells_what_it_did(club: Club) -> None:
    session(club, "alice", "red")
    club.clients.connected = {ALICE}
    assert club.call(handle_kick, {"user": "alice"})[:2] == (
        200,
        {
            "identity_id": ALICE,
            "connections_ended": 1,
            "revoked_before": 1_795_417_464,
            "known": True,
        },
    )


@pytest.mark.parametrize("handle", [handle_user, handle_kick])
@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        "[]",
        {"user": None},
        {"user": 7},
        {"user": ["alice"]},
        {"user": ""},
        {"user": "a\nb"},
        {"user": "x" * 257},
        '{"user":"\\ud800"}',
        '{"user":"alice","user":"bob"}',
        {"name": "alice"},
    ],
)
def test_what_names_no_user_is_refused(club: Club, handle: Any, body: Any) -> None:
    assert code_of(club.call(handle, body)) == (400, "malformed")
    assert club.pool.users == {}


def test_an_identity_id_is_kicked_but_is_no_users_name(club: Club) -> None:
    result = club.call(handle_kick, {"user": BOB})
    assert code_of(result) == (404, "not_found")
    assert code_of(club.call(handle_user, {"user": BOB})) == (400, "malformed")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["sts", "cognito"]) | json_values,
        "channels": st.lists(st.sampled_from(["public/a", "user/me/x", "group/red/x"]) | st.text())
        | json_values,
        "credentials": st.booleans() | json_values,
        "provider": st.sampled_from([PROVIDER, "graph.facebook.com"]) | json_values,
        "user": st.sampled_from(["alice", ALICE]) | json_values,
    },
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "groups", "teams", "amr"]),
    st.sampled_from(["https://id.example", "alice", ["authenticated"], 1_795_417_463])
    | json_values,
)


@given(BODIES, CLAIMS, st.sampled_from(["login", "bearer", "provider"]), json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_whatever_is_sent_is_answered_or_refused(
    club: Club, body: dict[str, Any], claims: dict[str, Any], of: str, context: Any
) -> None:
    """Tokens that are signed, of any claims; nothing of it is an internal error."""
    content = {"iss": "https://id.example", "iat": 1, "exp": 2**40, **claims}
    own = {"iss": "https://login.example", "aud": "dashboard", "sub": "alice", **content, **claims}
    pool = {"iss": POOL_ISSUER, "aud": POOL_ID, "sub": ALICE, "amr": ["authenticated"], **claims}
    token = {
        "login": lambda: signed_text(json.dumps(own).encode(), LOGIN_SECRET),
        "bearer": lambda: signed_text(json.dumps(pool).encode(), BEARER_SECRET),
        "provider": lambda: signed_text(json.dumps(content).encode(), b"any"),
    }[of]()
    results = [
        club.call(handle_session, body, token),
        club.call(handle_user, body),
        club.call(handle_kick, body),
        poll(club, "channels=public/a", token),
        signed_poll(club, "channels=public/a", context),
        signed_poll(club, "channels=public/a", signed_by(amr=context)),
    ]
    assert all(status in (200, 400, 401, 403, 404, 413) for status, _, _ in results)
