"""The HTTP front of the running service."""

import json
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from services import RunningService

POOL = urllib3.PoolManager(retries=False)


def call(
    service: RunningService, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, Any]:
    response = POOL.request(method, service.url + path, body=body, headers=headers)
    is_json = response.headers.get("content-type") == "application/json"
    return response.status, json.loads(response.data) if is_json else None, response.headers


def test_config_names_every_address_a_client_needs(service: RunningService) -> None:
    status, config, headers = call(service, "GET", "/v1/config")
    assert status == 200
    assert headers["access-control-allow-origin"] == service.url
    assert config == {
        "v": 1,
        "stage": "dev",
        "region": "us-east-1",
        "iot_url": service.ready["iot"],
        "identity_pool_id": service.ready["identity_pool_id"],
        "cognito_url": service.ready["aws"],
        "guests": True,
        "poll_url": f"{service.url}/v1/updates",
        "features": {"logins": True, "presence": ["group", "public", "user"]},
    }


def test_a_guests_session_holds_credentials_that_the_stand_in_knows(
    service: RunningService,
) -> None:
    status, session, _ = call(service, "POST", "/v1/session", b'{"credentials":true}')
    assert status == 200
    assert session["identity_id"].startswith("us-east-1:")
    assert session["credentials"]["access_key_id"].startswith("ASIA")


def test_publishing_needs_the_key(service: RunningService) -> None:
    body = b'{"updates":[{"channel":"public/x","op":"event","data":1}]}'
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": service.key}):
        status, content, _ = call(service, "POST", "/v1/publish", body, **headers)
        assert (status, content["error"]["code"]) == (401, "unauthenticated")
    key = {"authorization": f"bearer {service.key}"}
    assert call(service, "POST", "/v1/publish", body, **key)[0] == 200


def test_an_unchanged_poll_is_304_with_its_headers(service: RunningService) -> None:
    path = f"/v1/updates?channels=public/{uuid4().hex}"
    status, _, headers = call(service, "GET", path)
    assert status == 200
    status, content, again = call(service, "GET", path, **{"if-none-match": headers["etag"]})
    assert (status, content) == (304, None)
    for name in ("etag", "cache-control", "bellwire-poll-after-ms"):
        assert again[name] == headers[name]
    exposed = "ETag, Age, Date, Retry-After, Bellwire-Poll-After-Ms"
    assert again["access-control-expose-headers"] == exposed


def test_a_preflight_names_this_origin_alone(service: RunningService) -> None:
    status, _, headers = call(service, "OPTIONS", "/v1/session", origin="http://evil.example")
    assert status == 204
    assert headers["access-control-allow-origin"] == service.url


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/nothing", (404, "not_found")),
        ("GET", "/v1/publish", (404, "not_found")),
        ("DELETE", "/v1/updates", (404, "not_found")),
    ],
)
def test_an_endpoint_that_is_none_is_not_found(
    service: RunningService, method: str, path: str, expected: tuple[int, str]
) -> None:
    status, content, _ = call(service, method, path)
    assert (status, content["error"]["code"]) == expected


def test_a_body_that_is_no_text_is_malformed(service: RunningService) -> None:
    status, content, _ = call(service, "POST", "/v1/session", b"\xff\xfe")
    assert (status, content["error"]["code"]) == (400, "malformed")


def test_the_client_and_the_dashboard_are_served(service: RunningService) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/bellwire.js", "text/javascript"),
        ("/bellwire-poll.js", "text/javascript"),
        ("/bellwire-worker.js", "text/javascript"),
        ("/core.js", "text/javascript"),
        ("/main.js", "text/javascript"),
    ):
        status, _, headers = call(service, "GET", path)
        assert (status, headers["content-type"].split(";")[0]) == (200, kind)
    assert call(service, "GET", "/../pyproject.toml")[0] == 404
    assert call(service, "GET", "/health")[0] == 404
    assert call(service, "GET", "/v1/health")[:2] == (200, {"ok": True})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_a_page_by_another_name_is_refused(service: RunningService, host: str) -> None:
    status, content, _ = call(service, "POST", "/v1/session", b"{}", host=host)
    assert (status, content["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8080"])
def test_this_machines_names_are_known(service: RunningService, host: str) -> None:
    assert call(service, "GET", "/v1/health", host=host)[0] == 200
