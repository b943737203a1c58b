"""What is sent for an action, where botocore's own client sends it too; and that all is asked."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from bellwire.cursors import decode_cursor
from bellwire.doctor.http_questions import QUESTIONS, Request
from bellwire.doctor.scene import Actor, Endpoints, Scene
from bellwire.doctor.truth_table import Action, Who
from bellwire.identity_ports import Keys

URL = "http://127.0.0.1:9"
ROLE = "arn:aws:iam::000000000000:role/r"
IDENTITY = "us-east-1:00000000-0000-4000-8000-000000000001"
SCENE = Scene("us-east-1", "dev", Endpoints(*[URL] * 6), {"stage": "dev"}, {Who.ALICE: Actor()})
KEYS = Keys("AKIAEXAMPLE", "secret")
ALICE = Actor(IDENTITY, KEYS, "b.e.arer", "lo.g.in")
OVER_MQTT = {Action.CONNECT, Action.SUBSCRIBE, Action.RECEIVE, Action.PUBLISH, Action.RETAIN}


class Caught(Exception):
    pass


def sent_by_boto3(service: str, call: Callable[[Any], object]) -> AWSPreparedRequest:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload]  # any of the services below
        region_name="us-east-1",
        endpoint_url=URL,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
    )
    found: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> None:
        found.append(request)
        raise Caught

    client.meta.events.register("before-send.*.*", catch)
    with pytest.raises(Caught):
        call(client)
    return found[0]


def written(action: Action, target: str) -> Request:
    return QUESTIONS[action].write(SCENE, ALICE, target)


@pytest.mark.parametrize(
    ("action", "target", "service", "call"),
    [
        (
            Action.HTTPS_PUBLISH,
            "dev/user/a:b/x",
            "iot-data",
            lambda c: c.publish(topic="dev/user/a:b/x", payload=b"doctor"),
        ),
        (Action.HTTPS_RETAIN, "dev/a", "iot-data", lambda c: c.publish(topic="dev/a", retain=True)),
        (Action.GET_RETAINED, "dev/a", "iot-data", lambda c: c.get_retained_message(topic="dev/a")),
        (Action.LIST_RETAINED, "", "iot-data", lambda c: c.list_retained_messages(maxResults=1)),
        (Action.GET_CONNECTION, "a:b-c", "iot-data", lambda c: c.get_connection(clientId="a:b-c")),
        (
            Action.LIST_SUBSCRIPTIONS,
            "a:b",
            "iot-data",
            lambda c: c.list_subscriptions(clientId="a:b"),
        ),
        (Action.END_CONNECTION, "a:b", "iot-data", lambda c: c.delete_connection(clientId="a:b")),
        (
            Action.CREATE_POLICY,
            "bellwire.dev.x",
            "iot",
            lambda c: c.create_policy(policyName="bellwire.dev.x", policyDocument="{}"),
        ),
        (
            Action.CHANGE_POLICY,
            "x",
            "iot",
            lambda c: c.create_policy_version(policyName="x", policyDocument="{}"),
        ),
        (
            Action.ATTACH,
            IDENTITY,
            "iot",
            lambda c: c.attach_policy(policyName="bellwire.dev.doctor", target=IDENTITY),
        ),
        (
            Action.DETACH,
            IDENTITY,
            "iot",
            lambda c: c.detach_policy(policyName="bellwire.dev.doctor", target=IDENTITY),
        ),
        (
            Action.ASSUME,
            ROLE,
            "sts",
            lambda c: c.assume_role(
                RoleArn=ROLE, RoleSessionName="bellwire-doctor", DurationSeconds=900
            ),
        ),
        (
            Action.VOUCH,
            IDENTITY,
            "cognito-identity",
            lambda c: c.get_open_id_token_for_developer_identity(
                IdentityPoolId=IDENTITY, Logins={"doctor.invalid": "doctor"}
            ),
        ),
        (
            Action.TAKE_CREDENTIALS,
            IDENTITY,
            "cognito-identity",
            lambda c: c.get_credentials_for_identity(
                IdentityId=IDENTITY, Logins={"cognito-identity.amazonaws.com": "b.e.arer"}
            ),
        ),
    ],
)
def test_it_is_what_boto3_sends(
    action: Action, target: str, service: str, call: Callable[[Any], object]
) -> None:
    ours, theirs = written(action, target), sent_by_boto3(service, call)
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    if service == "sts":
        assert sorted(parse_qsl(ours.body)) == sorted(parse_qsl(_bytes(theirs.body)))
        return
    assert ours.body.replace(b" ", b"") == _bytes(theirs.body).replace(b" ", b"")
    scope = _bytes(theirs.headers.get("Authorization")).decode().split("/")
    assert ours.service == (scope[3] if len(scope) > 3 else None)


def _bytes(sent: object) -> bytes:
    return sent if isinstance(sent, bytes) else str(sent or "").encode()


def test_every_action_is_asked_somehow() -> None:
    assert set(QUESTIONS) | OVER_MQTT == set(Action)
    assert not set(QUESTIONS) & OVER_MQTT


@pytest.mark.parametrize(
    ("action", "target", "expected"),
    [
        (
            Action.POLL,
            "user/me/doctor",
            ("GET", "/v1/updates?channels=user%2Fme%2Fdoctor", "Bearer b.e.arer", None),
        ),
        (
            Action.SIGNED_POLL,
            "public/doctor",
            ("GET", "/v1/signed/updates?channels=public%2Fdoctor", None, "execute-api"),
        ),
        (Action.JOIN, "cognito", ("POST", "/v1/session", "Bearer lo.g.in", None)),
        (Action.BEARER_POST, "/v1/kick", ("POST", "/v1/kick", "Bearer b.e.arer", None)),
        (
            Action.SIGNED_POST,
            "/v1/publish public/doctor",
            ("POST", "/v1/publish", None, "execute-api"),
        ),
    ],
)
def test_what_the_api_is_asked(
    action: Action, target: str, expected: tuple[str, str, str | None, str | None]
) -> None:
    request = written(action, target)
    bearer = (request.headers or {}).get("authorization")
    found = (request.method, request.url.removeprefix(URL), bearer, request.service)
    assert found == expected


def test_a_cursor_is_minted_for_the_channel() -> None:
    request = written(Action.POLL_CURSOR, "group/red/doctor")
    cursor = decode_cursor(request.url.partition("cursor=")[2])
    assert list(cursor.positions) == ["group/red/doctor"]


@pytest.mark.parametrize("target", ["/v1/users", "/v1/kick"])
def test_nobody_is_kicked_or_made_by_a_row(target: str) -> None:
    for action in (Action.SIGNED_POST, Action.BEARER_POST):
        request = written(action, target)
        assert (request.body, request.let_through) == (b"{}", frozenset({"malformed"}))
