"""How a guest asks an identity pool, what it refuses, and when a kept identity is given up."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from backend.scripted_http import Answer, serving
from bellwire.errors import BellwireError, NotAllowed, NotFound, TooMany, Upstream
from bellwire.guest_identities import RememberedGuests
from bellwire.guest_pool import GuestPool
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import Login
from bellwire.service_config import ServiceConfig

POOL = "us-east-1:79bd4e7a-670c-45d6-8efb-7204a94dc1eb"
KEPT = "us-east-1:00000000-0000-4000-8000-00000000000a"
FRESH = "us-east-1:00000000-0000-4000-8000-00000000000b"
OFF = (400, {"__type": "NotAuthorizedException", "message": "Unauthenticated access is not …"})
GONE = (400, {"__type": "ResourceNotFoundException", "message": f"Identity '{KEPT}' not found."})
MERGED = (400, {"__type": "NotAuthorizedException", "message": f"Access to Identity '{KEPT}' is …"})
ENDS_AT_S = 1_795_885_511


def granted(identity_id: str, ends_at_s: float = ENDS_AT_S) -> Answer:
    keys = {"AccessKeyId": "ASIA", "SecretKey": "s", "SessionToken": "t", "Expiration": ends_at_s}
    return 200, {"IdentityId": identity_id, "Credentials": keys}


@dataclass
class Cognito:
    """Answers what it is told to, in turn, and keeps what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    config: ServiceConfig = field(default_factory=lambda: ServiceConfig("dev", "", "", POOL))

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        self.headers.append(request.headers)
        self.asked.append((request.headers["x-amz-target"], json.loads(body)))
        return self.answers.pop(0)


@pytest.fixture
def cognito() -> Iterator[Cognito]:
    asked = Cognito()
    with serving(asked.answer) as url:
        asked.config = ServiceConfig("dev", "us-east-1", "", POOL, url)
        yield asked


def test_two_unsigned_calls_make_a_guest(cognito: Cognito) -> None:
    cognito.answers = [(200, {"IdentityId": FRESH}), granted(FRESH, 1_795_885_511.25)]
    pool = GuestPool(cognito.config)
    whose, credentials = pool.credentials(pool.new_guest())
    assert (whose, credentials.access_key_id, credentials.session_token) == (FRESH, "ASIA", "t")
    assert credentials.expires_at_ms == 1_795_885_511_250
    service = "AWSCognitoIdentityService"
    assert cognito.asked == [
        (f"{service}.GetId", {"IdentityPoolId": POOL}),
        (f"{service}.GetCredentialsForIdentity", {"IdentityId": FRESH}),
    ]
    assert {headers["content-type"] for headers in cognito.headers} == {
        "application/x-amz-json-1.1"
    }
    assert all("authorization" not in headers for headers in cognito.headers)


def test_no_aws_configuration_and_no_proxy_is_asked(
    cognito: Cognito, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    cognito.answers = [(200, {"IdentityId": FRESH})]
    assert GuestPool(cognito.config).new_guest() == FRESH


@pytest.mark.parametrize(
    ("kind", "on_get_id", "on_credentials"),
    [
        ("NotAuthorizedException", NotAllowed, NotFound),
        ("com.amazonaws.cognito#NotAuthorizedException:http://x/", NotAllowed, NotFound),
        ("InvalidIdentityPoolConfigurationException", NotAllowed, NotAllowed),
        ("InvalidParameterException", NotAllowed, NotAllowed),
        ("ResourceNotFoundException", NotFound, NotFound),
        ("ResourceConflictException", NotFound, NotFound),
        ("TooManyRequestsException", TooMany, TooMany),
        ("LimitExceededException", TooMany, TooMany),
        ("InternalErrorException", Upstream, Upstream),
        ("ExternalServiceException", Upstream, Upstream),
        (None, Upstream, Upstream),
    ],
)
def test_what_cognito_refuses_is_mapped(
    cognito: Cognito,
    kind: str | None,
    on_get_id: type[BellwireError],
    on_credentials: type[BellwireError],
) -> None:
    pool = GuestPool(cognito.config)
    cognito.answers = [(400, {"__type": kind, "message": "why"})] * 2
    with pytest.raises(BellwireError, match=r"Cognito refused GetId: .*why") as refused:
        pool.new_guest()
    assert type(refused.value) is on_get_id
    with pytest.raises(BellwireError, match="Cognito refused GetCredentials") as refused:
        pool.credentials(KEPT)
    assert type(refused.value) is on_credentials


@pytest.mark.parametrize("content", [b"<html>", b"[]", {"IdentityId": 7}, {}])
def test_what_is_no_answer_of_cognitos_may_pass(cognito: Cognito, content: Any) -> None:
    cognito.answers = [(200, content), (200, content)]
    with pytest.raises(Upstream):
        GuestPool(cognito.config).new_guest()
    with pytest.raises(Upstream):
        GuestPool(cognito.config).credentials(KEPT)


def test_a_pool_that_cannot_be_reached_may_come_back() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Upstream, match=f"cannot reach Cognito at {url}"):
            GuestPool(ServiceConfig("dev", "us-east-1", "", POOL, url)).new_guest()


@pytest.mark.parametrize("refusal", [GONE, MERGED])
def test_a_kept_guest_that_is_gone_is_replaced(cognito: Cognito, refusal: Answer) -> None:
    guests = RememberedGuests()
    guests.keep(POOL, KEPT)
    cognito.answers = [refusal, (200, {"IdentityId": FRESH}), granted(FRESH)]
    joined = Joining(HttpCalls("http://127.0.0.1:9"), Login(), guests).session(cognito.config)
    assert (joined.identity_id, guests.find(POOL)) == (FRESH, FRESH)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([OFF, OFF], NotAllowed),
        ([(400, {"__type": "InvalidIdentityPoolConfigurationException"})], NotAllowed),
        ([(400, {"__type": "TooManyRequestsException"})], TooMany),
    ],
    ids=["guests are off", "no role", "throttled"],
)
def test_a_kept_guest_outlives_what_is_not_about_them(
    cognito: Cognito, answers: list[Answer], kind: type[BellwireError]
) -> None:
    guests = RememberedGuests()
    guests.keep(POOL, KEPT)
    cognito.answers = answers
    with pytest.raises(kind):
        Joining(HttpCalls("http://127.0.0.1:9"), Login(), guests).session(cognito.config)
    assert guests.find(POOL) == KEPT
    assert cognito.answers == []
