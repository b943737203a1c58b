"""The endpoints, called as API Gateway calls them."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.doubles import KeepingBroker, OneGuest
from bellwire.errors import BellwireError, TooMany
from bellwire.fanout import InlineFanOut
from bellwire.handlers.assembled import AssembledDeployment
from bellwire.handlers.config import handle_config
from bellwire.handlers.edge import answer
from bellwire.handlers.poll import handle_poll
from bellwire.handlers.publish import handle_publish
from bellwire.handlers.session import handle_session
from bellwire.policies import Place, load_policy
from bellwire.sql.log import SqlLog

PLACE = Place("us-east-1", "000000000000", "dev")


@pytest.fixture
def deployment(sql_log: SqlLog) -> AssembledDeployment:
    return AssembledDeployment(
        place=PLACE,
        log=sql_log,
        appends=sql_log,
        fan_out=InlineFanOut(sql_log, KeepingBroker(), "dev"),
        identities=OneGuest(),
        guest_role=load_policy("guest_role", PLACE),
        config={"v": 1, "stage": "dev"},
    )


def call(
    handle: Any,
    deployment: AssembledDeployment,
    body: Any = None,
    query: str = "",
    **headers: str,
) -> tuple[int, Any, dict[str, str]]:
    event: dict[str, Any] = {"rawPath": "/v1/test", "rawQueryString": query, "headers": headers}
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    found = answer(handle, event, deployment)
    text = found.get("body")
    return found["statusCode"], json.loads(text) if text else None, found["headers"]


def code_of(result: tuple[int, Any, dict[str, str]]) -> tuple[int, str]:
    return result[0], result[1]["error"]["code"]


def publish(deployment: AssembledDeployment, *updates: Any) -> Any:
    status, content, _ = call(handle_publish, deployment, {"updates": list(updates)})
    assert status == 200
    return content["results"]


def test_config_is_what_the_deployment_says(deployment: AssembledDeployment) -> None:
    assert call(handle_config, deployment)[:2] == (200, {"v": 1, "stage": "dev"})


def test_publish_answers_one_result_each(deployment: AssembledDeployment) -> None:
    results = publish(
        deployment,
        {"channel": "public/a", "op": "event", "data": None},
        {"channel": "public/a", "op": "set", "key": "k", "data": 1, "id": "x"},
        {"channel": "public/a", "op": "set", "key": "k", "data": 2, "id": "x"},
        {"channel": "public/b", "op": "delete", "key": "k"},
        {"channel": "public/#", "op": "event", "data": 1},
        {"channel": "public/c", "op": "delete", "key": "k", "data": 1},
        {"channel": 7, "op": "event", "data": 1},
        "hello",
    )
    epoch = results[0]["epoch"]
    assert results[:3] == [
        {"channel": "public/a", "epoch": epoch, "seq": 1, "duplicate": False},
        {"channel": "public/a", "epoch": epoch, "seq": 2, "duplicate": False},
        {"channel": "public/a", "epoch": epoch, "seq": 2, "duplicate": True},
    ]
    assert [r.get("error", {}).get("code") for r in results[3:]] == [
        None,
        "bad_channel",
        "malformed",
        "bad_channel",
        "malformed",
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (None, (400, "malformed")),
        ("", (400, "malformed")),
        ("[]", (400, "malformed")),
        ('{"updates":[]}', (400, "malformed")),
        ('{"updates":{}}', (400, "malformed")),
        ('{"updates":[1],"updates":[1]}', (400, "malformed")),
        ('{"updates":[NaN]}', (400, "malformed")),
        ({"updates": [{}] * 101}, (400, "malformed")),
        ('"' + "x" * 1_048_576 + '"', (413, "too_large")),
    ],
)
def test_a_publish_that_cannot_be_read_is_refused(
    deployment: AssembledDeployment, body: Any, expected: tuple[int, str]
) -> None:
    assert code_of(call(handle_publish, deployment, body)) == expected


def test_a_body_may_come_in_base64(deployment: AssembledDeployment) -> None:
    body = b'{"updates":[{"channel":"public/a","op":"event","data":"\xc3\xa9"}]}'
    event = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    assert json.loads(answer(handle_publish, event, deployment)["body"])["results"][0]["seq"] == 1
    broken = {"body": base64.b64encode(b"\xff{}").decode(), "isBase64Encoded": True}
    assert answer(handle_publish, broken, deployment)["statusCode"] == 400


def test_poll_answers_and_goes_on_from_its_cursor(deployment: AssembledDeployment) -> None:
    publish(deployment, {"channel": "public/a", "op": "set", "key": "k", "data": 1})
    status, first, headers = call(handle_poll, deployment, query="channels=public/b,public/a")
    assert status == 200
    assert list(first["channels"]) == ["public/a", "public/b"]
    assert first["channels"]["public/a"]["state"] == {"k": 1}
    assert headers["cache-control"] == "public, max-age=1, must-revalidate, stale-if-error=0"
    assert headers["bellwire-poll-after-ms"] == "2000"
    publish(deployment, {"channel": "public/a", "op": "event", "data": "new"})
    _, second, _ = call(handle_poll, deployment, query=f"cursor={first['cursor']}&limit=7")
    part = second["channels"]["public/a"]
    assert (part["f"], part["l"], part["recovered"], part["u"][0]["d"]) == (1, 2, True, "new")


def test_an_unchanged_answer_is_304(deployment: AssembledDeployment) -> None:
    _, _, headers = call(handle_poll, deployment, query="channels=public/a")
    etag = headers["etag"]
    for named in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        status, content, again = call(
            handle_poll, deployment, query="channels=public/a", **{"if-none-match": named}
        )
        assert (status, content, again["etag"]) == (304, None, etag)
    assert call(handle_poll, deployment, query="channels=public/a", **{"if-none-match": '"x"'})[
        0
    ] == (200)
    later = replace(deployment, poll_after_ms=9_000)
    assert call(handle_poll, later, query="channels=public/a")[2]["etag"] == etag


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (400, "malformed")),
        ("channels=public/a&cursor=x", (400, "malformed")),
        ("channels=public/a&other=1", (400, "malformed")),
        ("channels=public/a&channels=public/b", (400, "malformed")),
        ("channels=", (400, "bad_channel")),
        ("channels=public/a,,public/b", (400, "bad_channel")),
        ("channels=public/%23", (400, "bad_channel")),
        ("channels=" + ",".join(f"public/{n}" for n in range(51)), (400, "malformed")),
        ("channels=public/a&rewind=101", (400, "malformed")),
        ("channels=public/a&limit=0", (400, "malformed")),
        ("channels=public/a&limit=%C2%B2", (400, "malformed")),
        ("cursor=garbage", (400, "bad_cursor")),
        ("cursor=", (400, "bad_cursor")),
        ("channels=%ff", (400, "malformed")),
        ("channels=user/me/inbox", (403, "not_allowed")),
        ("channels=public/a,group/ops/x", (403, "not_allowed")),
    ],
)
def test_a_poll_that_cannot_be_answered_is_refused(
    deployment: AssembledDeployment, query: str, expected: tuple[int, str]
) -> None:
    result = call(handle_poll, deployment, query=query)
    assert code_of(result) == expected
    assert result[2]["cache-control"] == "no-store"


def test_a_refusal_names_its_channel_as_it_was_asked_for(deployment: AssembledDeployment) -> None:
    _, content, _ = call(handle_poll, deployment, query="channels=public/a,user/me/inbox")
    assert content["error"]["channel"] == "user/me/inbox"


def test_where_guests_are_off_nobody_polls(deployment: AssembledDeployment) -> None:
    closed = replace(deployment, guest_role=None)
    assert code_of(call(handle_poll, closed, query="channels=public/a")) == (403, "not_allowed")


def test_a_guests_session_comes_with_credentials_if_asked(deployment: AssembledDeployment) -> None:
    status, plain, headers = call(handle_session, deployment)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert plain == {
        "identity_id": "us-east-1:00000000-0000-4000-8000-000000000001",
        "token": None,
        "expires_at": None,
        "groups": [],
    }
    _, full, _ = call(handle_session, deployment, {"credentials": True})
    assert full["credentials"] == {
        "access_key_id": "ASIAEXAMPLE",
        "secret_access_key": "secret of 1",
        "session_token": "token",
        "expires_at": 1_795_421_063_000,
    }


def test_a_session_that_cannot_be_is_refused(deployment: AssembledDeployment) -> None:
    closed = replace(deployment, guest_role=None)
    assert code_of(call(handle_session, closed)) == (403, "not_allowed")
    full = replace(deployment, identities=OneGuest(is_full=True))
    assert code_of(call(handle_session, full)) == (403, "not_allowed")
    login = call(handle_session, deployment, authorization="Bearer x")
    assert code_of(login) == (401, "unauthenticated")
    assert code_of(call(handle_session, deployment, {"mode": "sts"})) == (400, "malformed")
    for body in ("[1]", {"credentials": "yes"}, {"mode": 5}):
        assert code_of(call(handle_session, deployment, body)) == (400, "malformed")


def test_an_error_nobody_foresaw_is_internal_and_keeps_its_secret(
    deployment: AssembledDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("the password is hunter2")

    status, content, _ = call(fail, deployment)
    assert (status, content["error"]["code"]) == (500, "internal")
    assert "hunter2" not in json.dumps(content)
    assert "hunter2" in caplog.text


def test_too_many_says_when_to_come_back(deployment: AssembledDeployment) -> None:
    def refuse(*_: object) -> Any:
        raise TooMany("slow down", retry_after_s=7)

    status, content, headers = call(refuse, deployment)
    assert (status, headers["retry-after"], content["error"]["retryable"]) == (429, "7", True)


def test_every_error_has_a_code_and_a_status_of_its_own() -> None:
    def kinds(root: type[BellwireError]) -> list[type[BellwireError]]:
        return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]

    table = {(kind.code, kind.status) for kind in kinds(BellwireError)}
    assert table == {
        ("malformed", 400),
        ("bad_channel", 400),
        ("bad_cursor", 400),
        ("unauthenticated", 401),
        ("not_allowed", 403),
        ("not_found", 404),
        ("conflict", 409),
        ("too_large", 413),
        ("too_many", 429),
        ("upstream", 502),
        ("internal", 500),
    }


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(body=st.one_of(st.text(), json_values.map(json.dumps)), query=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_garbage_is_refused_and_changes_nothing(
    deployment: AssembledDeployment, body: str, query: str
) -> None:
    before = deployment.log.tail("public/a")
    for handle in (handle_publish, handle_poll, handle_session):
        status, _, _ = call(handle, deployment, body, query)
        assert status in (200, 400, 401, 403, 413)
    assert deployment.log.tail("public/a") == before
