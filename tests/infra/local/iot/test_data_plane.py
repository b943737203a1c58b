"""The HTTPS data plane as boto3 sees it, with MQTT clients on the other side."""

import contextlib
import json
import queue
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import paho.mqtt.client as paho
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from paho.mqtt.enums import MQTTProtocolVersion

from bellwire_local.clocks import Clocks
from bellwire_local.http_messages import HttpRequest
from bellwire_local.identity.credentials import Grant
from bellwire_local.identity.sigv4 import Verifier
from bellwire_local.iot.choices import Choices
from bellwire_local.iot.data_plane import DataPlane
from bellwire_local.iot.limits import STRICT
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.storage import STORAGE_FILE
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import DEADLINE_S, Clock, HttpReply, account_of

if TYPE_CHECKING:
    from mypy_boto3_iot_data import IoTDataPlaneClient

    from infra.local.conftest import Aws, MqttClient

PREFIX = "arn:aws:iot:us-east-1:000000000000:"
DATA_PLANE = {
    "iot:Publish": "topic/t/*",
    "iot:RetainPublish": "topic/t/*",
    "iot:GetRetainedMessage": "topic/t/*",
    "iot:ListRetainedMessages": "*",
    "iot:GetConnection": "client/c-*",
    "iot:ListSubscriptions": "client/c-*",
    "iot:DeleteConnection": "client/c-*",
}


def allow(**further: str) -> dict[str, object]:
    """Allow MQTT on everything below `t`, and of the data plane what is named."""
    granted = {
        "iot:Connect": "client/*",
        "iot:Subscribe": "topicfilter/*",
        "iot:Receive": "topic/*",
        **{f"iot:{name}": resource for name, resource in further.items()},
    }
    statements = [
        {
            "Effect": "Allow",
            "Action": action,
            "Resource": resource if resource == "*" else PREFIX + resource,
        }
        for action, resource in granted.items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def everything_but(*actions: str) -> dict[str, object]:
    kept = {name: resource for name, resource in DATA_PLANE.items() if name not in actions}
    return allow(**{name.removeprefix("iot:"): resource for name, resource in kept.items()})


ROLES = {
    "backend": everything_but(),
    "narrow-lister": allow(ListRetainedMessages="topic/*"),
    **{f"without-{name[4:]}": everything_but(name) for name in DATA_PLANE},
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data_plane")


@pytest.fixture(scope="module")
def running_backend(data_dir: Path, running_aws: "Aws") -> Iterator["Aws"]:
    settings = StandInSettings(
        data_dir=data_dir,
        accounts=account_of(ROLES),
        iot_port=0,
        aws_port=0,
    )
    clock = Clock()
    stand_in = StandIn(settings, Clocks(clock.wall_s, clock.monotonic_s))
    with running_in_thread(stand_in) as running:
        yield type(running_aws)(running, clock)


@pytest.fixture
def aws(running_backend: "Aws") -> Iterator["Aws"]:
    yield running_backend
    running_backend.close_clients()


@pytest.fixture(scope="module")
def backend(running_backend: "Aws") -> "IoTDataPlaneClient":
    return running_backend.iot_data(running_backend.role("backend"))


def connect(
    aws: "Aws", client_id: str, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311
) -> "MqttClient":
    client = aws.start_connecting(aws.role("backend"), client_id, protocol)
    assert client.connected.get(timeout=DEADLINE_S) == 0
    return client


def hear_whole_messages(client: "MqttClient") -> "queue.Queue[paho.MQTTMessage]":
    heard: queue.Queue[paho.MQTTMessage] = queue.Queue()
    client.paho.on_message = lambda _client, _userdata, message: heard.put(message)
    return heard


def ask(
    aws: "Aws", method: str, path: str, service: str = "iotdata", body: bytes = b""
) -> HttpReply:
    """Sign a request by hand, its path as given."""
    signer = aws.role("backend")
    request = AWSRequest(method, aws.stand_in.aws_url + path, data=body)
    credentials = Credentials(signer.access_key_id, signer.secret_access_key)
    SigV4Auth(credentials, service, "us-east-1").add_auth(request)
    return aws.request(method, path, dict(request.headers.items()), body)


def read_error(reply: HttpReply) -> tuple[int, str]:
    return reply.status, reply.headers["x-amzn-errortype"].partition(":")[0]


# Publish


def test_mqtt_5_headers_reach_a_subscriber(aws: "Aws", backend: "IoTDataPlaneClient") -> None:
    listener = connect(aws, "c-v5", MQTTProtocolVersion.MQTTv5)
    heard = hear_whole_messages(listener)
    assert listener.subscribe("t/v5") == [0]
    backend.publish(
        topic="t/v5",
        payload=b"x",
        contentType="text/plain",
        responseTopic="t/answer",
        messageExpiry=60,
        payloadFormatIndicator="UTF8_DATA",
        correlationData="AP8=",
        userProperties=[{"deviceName": "alpha"}, {"deviceName": "beta"}],  # type: ignore[arg-type] # a JSON value
    )
    said: Any = heard.get(timeout=DEADLINE_S).properties
    assert said.ContentType == "text/plain"
    assert said.ResponseTopic == "t/answer"
    assert said.MessageExpiryInterval in (59, 60)
    assert said.PayloadFormatIndicator == 1
    assert said.CorrelationData == b"\x00\xff"
    assert said.UserProperty == [("deviceName", "alpha"), ("deviceName", "beta")]


def test_user_properties_encoded_twice_are_a_typed_error(backend: "IoTDataPlaneClient") -> None:
    with pytest.raises(backend.exceptions.InvalidRequestException, match="no JSON array"):
        backend.publish(topic="t/x", payload=b"x", userProperties='[{"a": "b"}]')


def test_qos_1_reaches_a_subscriber_of_qos_1(aws: "Aws", backend: "IoTDataPlaneClient") -> None:
    listener = connect(aws, "c-qos1")
    heard = hear_whole_messages(listener)
    listener.paho.subscribe("t/qos1", qos=1)
    assert listener.acknowledged.get(timeout=DEADLINE_S) == [1]
    backend.publish(topic="t/qos1", payload=b"x", qos=1)
    assert heard.get(timeout=DEADLINE_S).qos == 1


@pytest.mark.parametrize("path", ["/topics/t/raw/slashes?qos=1", "/topics/t%2Fraw%2Fslashes?qos=0"])
@pytest.mark.parametrize("service", ["iotdata", "iotdevicegateway"])
def test_slashes_raw_and_encoded_in_either_scope(aws: "Aws", path: str, service: str) -> None:
    listener = connect(aws, f"c-slashes-{service}-{len(path)}")  # one CONNECT/s for each id
    assert listener.subscribe("t/raw/slashes") == [0]
    reply = ask(aws, "POST", path, service, b"x")
    assert reply.status == 200
    answered = json.loads(reply.body)
    assert answered["message"] == "OK"
    assert answered["traceId"] == reply.headers["x-amzn-requestid"]
    assert listener.next_message() == ("t/raw/slashes", b"x")


# Retained messages


def test_a_retained_message_is_got_listed_delivered_and_deleted(
    aws: "Aws", backend: "IoTDataPlaneClient"
) -> None:
    before_ms = int(aws.clock.wall_s() * 1000)
    backend.publish(
        topic="t/kept",
        payload=b"\x00\xff",
        qos=1,
        retain=True,
        userProperties=[{"a": "b"}],  # type: ignore[arg-type] # a JSON value
    )
    got = backend.get_retained_message(topic="t/kept")
    assert (got["topic"], got["payload"], got["qos"]) == ("t/kept", b"\x00\xff", 1)
    assert got["userProperties"] == b'[{"a":"b"}]'
    assert before_ms <= got["lastModifiedTime"] <= int(aws.clock.wall_s() * 1000)
    listed = backend.list_retained_messages()["retainedTopics"]
    assert listed == [
        {
            "topic": "t/kept",
            "payloadSize": 2,
            "qos": 1,
            "lastModifiedTime": got["lastModifiedTime"],
        }
    ]
    late = connect(aws, "c-late")
    late.subscribe("t/kept")
    assert late.next_message() == ("t/kept", b"\x00\xff")
    backend.publish(topic="t/kept", payload=b"", retain=True)
    with pytest.raises(backend.exceptions.ResourceNotFoundException, match="'t/kept'"):
        backend.get_retained_message(topic="t/kept")
    assert backend.list_retained_messages()["retainedTopics"] == []


def test_what_cannot_be_retained_is_a_typed_error(
    backend: "IoTDataPlaneClient", data_dir: Path
) -> None:
    with contextlib.closing(sqlite3.connect(data_dir / STORAGE_FILE)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(backend.exceptions.InternalFailureException, match="locked"):
            backend.publish(topic="t/locked", payload=b"x", retain=True)
    backend.publish(topic="t/locked", payload=b"", retain=True)


def test_retained_topics_come_in_pages(backend: "IoTDataPlaneClient") -> None:
    topics = [f"t/page/{number}" for number in range(5)]
    for topic in topics:
        backend.publish(topic=topic, payload=b"x", retain=True)
    pages = backend.get_paginator("list_retained_messages").paginate(
        PaginationConfig={"PageSize": 2}
    )
    found = [[kept["topic"] for kept in page["retainedTopics"]] for page in pages]
    for topic in topics:
        backend.publish(topic=topic, payload=b"", retain=True)
    assert found == [topics[:2], topics[2:4], topics[4:]]


@pytest.mark.parametrize(
    "query",
    ["maxResults=0", "maxResults=201", "maxResults=x", "nextToken=%3F", "nextToken=%2F%2F8%3D"],
)
def test_a_page_that_cannot_be_is_refused(aws: "Aws", query: str) -> None:
    reply = ask(aws, "GET", f"/retainedMessage?{query}")
    assert read_error(reply) == (400, "InvalidRequestException")


# Connections


def test_a_connection_is_described_until_and_after_its_end(
    aws: "Aws", backend: "IoTDataPlaneClient"
) -> None:
    before_ms = int(aws.clock.wall_s() * 1000)
    client = connect(aws, "c-a/b:c é")
    shown: dict[str, Any] = {**backend.get_connection(clientId="c-a/b:c é")}
    since_ms = shown.pop("connectedSince")
    assert before_ms <= since_ms <= int(aws.clock.wall_s() * 1000)
    shown.pop("ResponseMetadata")  # what boto3 adds
    assert shown == {
        "clientId": "c-a/b:c é",
        "connected": True,
        "cleanSession": True,
        "keepAliveDuration": 60,
        "sessionExpiry": 0,
    }
    with_socket = backend.get_connection(clientId="c-a/b:c é", includeSocketInformation=True)
    assert with_socket["sourceIp"] == "127.0.0.1"
    with socket.fromfd(client.paho.socket().fileno(), socket.AF_INET, socket.SOCK_STREAM) as own:  # type: ignore[union-attr] # connected
        assert with_socket["sourcePort"] == own.getsockname()[1]
    backend.delete_connection(clientId="c-a/b:c é", cleanSession=True, preventWillMessage=True)
    client.disconnected.get(timeout=DEADLINE_S)
    past = backend.get_connection(clientId="c-a/b:c é")
    assert (past["connected"], past["disconnectReason"]) == (False, "API_INITIATED_DISCONNECT")
    assert since_ms <= past["disconnectedSince"] <= int(aws.clock.wall_s() * 1000)
    assert "connectedSince" not in past


def test_a_deleted_connection_may_come_back(aws: "Aws", backend: "IoTDataPlaneClient") -> None:
    client = connect(aws, "c-v5-cut", MQTTProtocolVersion.MQTTv5)
    reasons: queue.Queue[str] = queue.Queue()
    client.paho.on_disconnect = lambda _c, _u, _f, reason, _p: reasons.put(str(reason))
    backend.delete_connection(clientId="c-v5-cut")
    assert reasons.get(timeout=DEADLINE_S) == "Administrative action"
    with pytest.raises(backend.exceptions.ResourceNotFoundException):
        backend.delete_connection(clientId="c-v5-cut")


def test_subscriptions_come_in_pages(aws: "Aws", backend: "IoTDataPlaneClient") -> None:
    client = connect(aws, "c-many")
    filters = [f"t/{number:02}/+" for number in range(21)]
    for start in range(0, 21, 7):
        client.subscribe(*filters[start : start + 7])
    client.paho.subscribe("t/05/+", qos=1)
    client.acknowledged.get(timeout=DEADLINE_S)
    first = backend.list_subscriptions(clientId="c-many")
    assert [kept["topicFilter"] for kept in first["subscriptions"]] == filters[:20]
    assert first["subscriptions"][5] == {"topicFilter": "t/05/+", "qos": 1}
    rest = backend.list_subscriptions(
        clientId="c-many", nextToken=first["nextToken"], maxResults=200
    )
    assert [kept["topicFilter"] for kept in rest["subscriptions"]] == filters[20:]
    assert "nextToken" not in rest


@pytest.mark.parametrize("operation", ["get_connection", "list_subscriptions", "delete_connection"])
def test_an_unknown_client_is_a_typed_error(backend: "IoTDataPlaneClient", operation: str) -> None:
    with pytest.raises(backend.exceptions.ResourceNotFoundException, match="'c-nobody'"):
        getattr(backend, operation)(clientId="c-nobody")
    with pytest.raises(backend.exceptions.InvalidRequestException, match="'\\$GEN/x'"):
        getattr(backend, operation)(clientId="$GEN/x")


# Who may


@pytest.mark.parametrize(
    ("action", "operation", "asked"),
    [
        ("Publish", "publish", {"topic": "t/x"}),
        ("RetainPublish", "publish", {"topic": "t/x", "retain": True}),
        ("GetRetainedMessage", "get_retained_message", {"topic": "t/x"}),
        ("ListRetainedMessages", "list_retained_messages", {}),
        ("GetConnection", "get_connection", {"clientId": "c-x"}),
        ("ListSubscriptions", "list_subscriptions", {"clientId": "c-x"}),
        ("DeleteConnection", "delete_connection", {"clientId": "c-x"}),
    ],
)
def test_each_operation_needs_its_own_permission(
    aws: "Aws", action: str, operation: str, asked: dict[str, object]
) -> None:
    client = aws.iot_data(aws.role(f"without-{action}"))
    with pytest.raises(client.exceptions.ForbiddenException, match="Forbidden") as caught:
        getattr(client, operation)(**asked)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize("client_id", ["c-x", "d-x"])
def test_a_permission_holds_for_the_client_that_it_names(
    backend: "IoTDataPlaneClient", client_id: str
) -> None:
    expected = {
        "c-x": backend.exceptions.ResourceNotFoundException,
        "d-x": backend.exceptions.ForbiddenException,
    }
    with pytest.raises(expected[client_id]):
        backend.get_connection(clientId=client_id)


def test_the_list_of_retained_messages_knows_no_narrower_resource(aws: "Aws") -> None:
    client = aws.iot_data(aws.role("narrow-lister"))
    with pytest.raises(client.exceptions.ForbiddenException):
        client.list_retained_messages()


def test_a_denied_retain_is_not_published_either(aws: "Aws") -> None:
    listener = connect(aws, "c-listener")
    listener.subscribe("t/denied", "t/after")
    client = aws.iot_data(aws.role("without-RetainPublish"))
    with pytest.raises(client.exceptions.ForbiddenException):
        client.publish(topic="t/denied", payload=b"x", retain=True)
    client.publish(topic="t/after", payload=b"x")
    assert listener.next_message() == ("t/after", b"x")


# What is not there


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/topics/t", (405, "MethodNotAllowedException")),
        ("POST", "/retainedMessage", (405, "MethodNotAllowedException")),
        ("PUT", "/connections/c-x", (405, "MethodNotAllowedException")),
        ("POST", "/topics", (404, "ResourceNotFoundException")),
        ("GET", "/connections/", (404, "ResourceNotFoundException")),
        ("GET", "/things/a/shadow", (404, "ResourceNotFoundException")),
        ("POST", "/topics/%FF", (400, "InvalidRequestException")),
        ("DELETE", "/connections/c-x?cleanSession=1", (400, "InvalidRequestException")),
    ],
)
def test_what_is_not_there_says_so(
    aws: "Aws", method: str, path: str, error: tuple[int, str]
) -> None:
    assert read_error(ask(aws, method, path)) == error


def test_a_direct_message_is_not_emulated(backend: "IoTDataPlaneClient") -> None:
    with pytest.raises(ClientError) as caught:
        backend.send_direct_message(clientId="c-x", topic="t/x", payload=b"x")
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize(
    ("choice", "error"),
    [("403", (403, "ForbiddenException")), ("401", (401, "UnauthorizedException"))],
)
def test_the_status_of_an_unsigned_request_is_a_choice(
    choice: Literal["403", "401"], error: tuple[int, str]
) -> None:
    def look_up(_key: str, _token: str | None, _now_s: float) -> Grant:
        raise AssertionError("nothing is looked up for a request without a signature")

    verifier = Verifier("us-east-1", ("iotdata",), look_up)
    choices = Choices(unsigned_https=choice)
    plane = DataPlane({}, {}, verifier, lambda: 1_800_000_000.0, STRICT, choices)
    request = HttpRequest("POST", "/topics/t", "", {}, b"x", 1, "", "127.0.0.1")
    answer = plane.answer(request)
    headers = dict(answer.headers)
    assert (answer.status, headers["x-amzn-ErrorType"].rstrip(":")) == error
    assert json.loads(answer.body)["message"] == "Missing Authentication Token"
