"""Whatever comes in a request, each endpoint answers in protocol §7's words, or does nothing.

Requests have the shape of an HTTP API's, payload format 2.0, with parts taken away, of another
kind, huge, or in any characters.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from backend.club import Club, session
from backend.conftest import Clock
from backend.test_handlers import json_values
from bellwire.handlers.config import handle_config
from bellwire.handlers.edge import answer
from bellwire.handlers.people import handle_kick, handle_user
from bellwire.handlers.poll import handle_poll, handle_signed_poll
from bellwire.handlers.presence import handle_presence
from bellwire.handlers.publish import handle_publish
from bellwire.handlers.session import handle_session
from bellwire.sql.log import SqlLog

CODES = {
    400: {"malformed", "bad_channel", "bad_cursor"},
    401: {"unauthenticated"},
    403: {"not_allowed"},
    404: {"not_found"},
    413: {"too_large"},
}
REQUEST: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "POST /v1/publish",
    "rawPath": "/v1/publish",
    "rawQueryString": "channels=user%2Fme%2Finbox",
    "headers": {"host": "api.example", "content-type": "application/json"},
    "requestContext": {
        "accountId": "000000000000",
        "authorizer": {"iam": {"cognitoIdentity": {"amr": ["authenticated"]}}},
        "http": {"method": "POST", "path": "/v1/publish", "sourceIp": "192.0.2.1"},
        "requestId": "a",
        "stage": "$default",
    },
    "body": '{"updates":[{"channel":"public/a","op":"event"}]}',
    "isBase64Encoded": False,
}
HANDLERS = {
    "config": handle_config,
    "kick": handle_kick,
    "poll": handle_poll,
    "presence": handle_presence,
    "publish": handle_publish,
    "session": handle_session,
    "signed poll": handle_signed_poll,
    "user": handle_user,
}

half_an_update = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(["public/a", "nowhere", "user/me/x"]) | json_values,
        "op": st.sampled_from(["event", "set", "delete"]) | json_values,
        "key": json_values,
        "id": json_values,
        "data": json_values,
    },
)
bodies = (
    st.text(max_size=50)
    | json_values.map(json.dumps)
    | st.builds(lambda some: json.dumps({"updates": some}), st.lists(half_an_update, max_size=3))
    | st.sampled_from(["x" * 1_048_577, "[" * 100_000, '{"user":"' + "ü" * 300 + '"}', "\ud800"])
)
changed_requests = st.fixed_dictionaries(
    {},
    optional={
        "body": bodies | json_values,
        "headers": st.dictionaries(
            st.sampled_from(["authorization", "if-none-match"]), st.text() | json_values
        )
        | json_values,
        "isBase64Encoded": json_values,
        "rawPath": st.text() | json_values,
        "rawQueryString": st.text()
        | st.sampled_from(["channels=public/a", "cursor=W10", "channel=public/a"])
        | json_values,
        "requestContext": json_values,
    },
)
missing = st.sets(st.sampled_from(sorted(REQUEST)))


@pytest.fixture
def club(sqlite: Engine, sql_log: SqlLog, clock: Clock) -> Club:
    return Club(sqlite, sql_log, clock)


@pytest.mark.parametrize("name", HANDLERS)
@given(changed=changed_requests, without=missing)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_request_is_answered_or_refused_and_never_half_done(
    club: Club, name: str, changed: dict[str, Any], without: set[str]
) -> None:
    request = {**{part: REQUEST[part] for part in REQUEST if part not in without}, **changed}
    before = club.log.tail("public/a")
    found = answer(HANDLERS[name], request, club.deployment)
    if found["statusCode"] >= 400:
        assert json.loads(found["body"])["error"]["code"] in CODES[found["statusCode"]]
    if name != "publish" or found["statusCode"] >= 400:
        assert club.log.tail("public/a") == before


@pytest.mark.parametrize("name", HANDLERS)
@given(event=json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_what_is_no_request_is_refused(club: Club, name: str, event: Any) -> None:
    found = answer(HANDLERS[name], event, club.deployment)
    assert found["statusCode"] in (200, *CODES)


def test_a_club_is_there_to_be_asked(club: Club) -> None:
    """The refusals above are not those of a deployment without members."""
    assert session(club)["identity_id"].startswith("us-east-1:")
