"""`/dev/…` on the web port: who may ask, and what they are told."""

import json
import time
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3

from services import RunningService, tailing

POOL = urllib3.PoolManager(retries=False)
JSON = "application/json"


def call(
    service: RunningService, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    words = {name.replace("_", "-"): value for name, value in headers.items()}
    response = POOL.request(method, service.url + path, body=body, headers=words)
    assert response.headers["content-type"] == JSON
    return response.status, json.loads(response.data)


def set_faults(service: RunningService, content: object, **headers: str) -> tuple[int, Any]:
    body = json.dumps(content).encode()
    return call(service, "POST", "/dev/faults", body, **{"content_type": JSON, **headers})


def test_faults_come_into_force_are_echoed_and_end(service: RunningService) -> None:
    status, in_force = set_faults(service, {"delay": "1..2ms"})
    assert (status, in_force["delay"]) == (200, "1ms..2ms")
    assert isinstance(in_force["seed"], int)
    assert set_faults(service, in_force) == (200, in_force)
    assert call(service, "GET", "/dev/faults") == (200, in_force)
    assert set_faults(service, {}) == (200, {})
    assert set_faults(service, {"off": True}) == (200, {})
    assert call(service, "GET", "/dev/faults") == (200, {})


def test_what_happens_once_says_to_how_many(service: RunningService) -> None:
    with tailing(service, "public/once"):
        deadline_s = time.monotonic() + 30
        while once(service, "/dev/cut") == 0:
            assert time.monotonic() < deadline_s, "no connection to end"
    assert once(service, "/dev/expire") == 0  # the terminal's keys last for ever


def once(service: RunningService, path: str) -> int:
    status, content = call(service, "POST", path, b"{}", content_type=JSON)
    assert status == 200
    count: int = content["connections"]
    return count


def test_a_page_of_the_service_itself_may_ask(service: RunningService) -> None:
    assert set_faults(service, {}, origin=service.url) == (200, {})
    localhost = service.url.replace("127.0.0.1", "localhost")
    host = localhost.removeprefix("http://")
    assert set_faults(service, {}, origin=localhost, host=host) == (200, {})


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "http://evil.example"}, (403, "not_allowed")),
        ({"origin": "http://127.0.0.1:1"}, (403, "not_allowed")),
        ({"origin": "null"}, (403, "not_allowed")),
        ({"host": "evil.example"}, (403, "not_allowed")),
        ({"host": "127.0.0.1.evil.example"}, (403, "not_allowed")),
        ({"content_type": "text/plain"}, (415, "malformed")),
        ({"content_type": "application/x-www-form-urlencoded"}, (415, "malformed")),
    ],
)
def test_others_may_not(
    service: RunningService, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    status, content = set_faults(service, {"drop": 1}, **headers)
    assert (status, content["error"]["code"]) == expected
    status, content = call(service, "GET", "/dev/decisions", b"x", **headers)
    assert status in (403, 415)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "faults are []; an object such as"),
        (b'{"drop":7}', "drop is '7'; expected a chance from 0 to 1"),
        (b'{"dorp":1}', "there is no fault 'dorp'; expected one of: "),
        (b" " * 200_000, "the body is not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_named(
    service: RunningService, body: bytes, complaint: str
) -> None:
    status, content = call(service, "POST", "/dev/faults", body, content_type=JSON)
    assert (status, content["error"]["code"]) == (400, "malformed")
    assert content["error"]["message"].startswith(complaint)


def test_a_refusal_explains_itself(service: RunningService) -> None:
    path = f"/topics/elsewhere/{uuid4().hex}"
    refused = POOL.request("POST", service.ready["aws"] + path, body=b"x")
    assert refused.status == 403  # unsigned: no decision is asked
    job = service.ready["job"]
    client = boto3.client(
        "iot-data",
        region_name="us-east-1",
        endpoint_url=service.ready["aws"],
        aws_access_key_id=job["access_key_id"],
        aws_secret_access_key=job["secret_access_key"],
    )
    topic = path.removeprefix("/topics/")
    with pytest.raises(client.exceptions.ClientError):
        client.publish(topic=topic, payload=b"x")
    status, told = call(service, "GET", "/dev/decisions?limit=1000")
    assert status == 200
    found = next(each for each in told["decisions"] if each["resource"].endswith(topic))
    assert (found["allowed"], found["action"]) == (False, "iot:Publish")
    assert found["who"].startswith("publisher_role/")
    assert topic in json.dumps(found["remedy"])


@pytest.mark.parametrize("path", ["/dev/decisions?limit=1", "/dev/faults"])
def test_the_aws_port_names_the_web_port(service: RunningService, path: str) -> None:
    answer = POOL.request("GET", service.ready["aws"] + path)
    bare = path.partition("?")[0]
    message = f"{bare} is not on AWS's port; expected {service.url}{bare}"
    assert (answer.status, answer.json()) == (
        404,
        {"error": {"code": "not_found", "message": message}},
    )


def test_as_many_decisions_as_asked_for(service: RunningService) -> None:
    assert len(call(service, "GET", "/dev/decisions?limit=1")[1]["decisions"]) <= 1


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "%ff", "99999"])
def test_a_limit_that_is_none_is_named(service: RunningService, limit: str) -> None:
    status, content = call(service, "GET", f"/dev/decisions?limit={limit}")
    assert (status, content["error"]["code"]) == (400, "malformed")


def test_the_roles_keys_are_for_whoever_has_the_services(service: RunningService) -> None:
    bearer = f"Bearer {service.key}"
    status, content = call(service, "GET", "/dev/credentials", authorization=bearer)
    assert (status, content) == (200, service.ready["credentials"])
    assert {"publisher_role", "operator_role", "session_role"} <= set(content)


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", "Bearer wrong", "Basic KEY", "KEY"])
def test_without_the_key_there_are_no_keys(
    service: RunningService, authorization: str | None
) -> None:
    given = {} if authorization is None else {"authorization": authorization}
    words = {name: value.replace("KEY", service.key) for name, value in given.items()}
    status, content = call(service, "GET", "/dev/credentials", None, **words)
    assert (status, content["error"]["code"]) == (401, "unauthenticated")
    assert service.ready["job"]["secret_access_key"] not in json.dumps(content)


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"origin": "null"}]
)
def test_no_page_of_another_origin_gets_keys(
    service: RunningService, headers: dict[str, str]
) -> None:
    words = {**headers, "authorization": f"Bearer {service.key}"}
    status, content = call(service, "GET", "/dev/credentials", None, **words)
    assert (status, content["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/dev/cut"),
        ("DELETE", "/dev/decisions"),
        ("GET", "/dev/"),
        ("GET", "/dev/nothing"),
        ("OPTIONS", "/dev/faults"),
    ],
)
def test_there_is_nothing_else(service: RunningService, method: str, path: str) -> None:
    status, content = call(service, method, path)
    assert (status, content["error"]["code"]) == (404, "not_found")
