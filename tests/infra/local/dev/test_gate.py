"""The routes that API Gateway authorizes by IAM, at the running service: by key or signature."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from members import Reply, ask, keys_of, log_in, open_session
from services import RunningService
from signing import Keys

UPDATES = "/v1/signed/updates"


def channels(*names: str) -> str:
    return f"?channels={quote(','.join(names), safe='')}"


def sign(
    service: RunningService,
    keys: Keys,
    method: str,
    path: str,
    body: object = None,
    *,
    scope: tuple[str, str] = ("execute-api", "us-east-1"),
    more: Mapping[str, str] | None = None,
) -> Reply:
    """Ask with a signature in the headers; `more` are headers that are not signed."""
    data = None if body is None else json.dumps(body).encode()
    request = AWSRequest(method, service.url + path, data=data)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4Auth(credentials, *scope).add_auth(request)
    return ask(service, method, path, data, **dict(request.headers.items()), **(more or {}))


def presign(service: RunningService, keys: Keys, path: str, expires_s: int = 60) -> str:
    """Return path and query with the signature in it."""
    request = AWSRequest("GET", service.url + path)
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4QueryAuth(credentials, "execute-api", "us-east-1", expires_s).add_auth(request)
    parts = urlsplit(str(request.url))
    return f"{parts.path}?{parts.query}"


@pytest.fixture
def group() -> str:
    return uuid4().hex


@pytest.fixture
def job(service: RunningService) -> Keys:
    return keys_of(service.ready["job"])


@pytest.fixture
def operator(service: RunningService) -> Keys:
    return keys_of(service.ready["operator"])


def update_for(channel: str) -> dict[str, Any]:
    return {"updates": [{"channel": channel, "op": "event", "data": 7}]}


def test_a_member_polls_by_signature(service: RunningService, group: str) -> None:
    session = open_session(service, "gate-ann", group, credentials=True)
    keys, room = keys_of(session), f"group/{group}/room"
    service.publish(room, "hello")
    path = f"{UPDATES}{channels('user/me/inbox', room, 'public/a')}&rewind=1"
    by_header = sign(service, keys, "GET", path)
    by_query = ask(service, "GET", presign(service, keys, path))
    for reply in (by_header, by_query):
        assert reply.status == 200
        assert reply.headers["cache-control"] == "private, no-store"
        assert list(reply.content["channels"]) == [room, "public/a", "user/me/inbox"]
        assert reply.content["channels"][room]["u"][0]["d"] == "hello"
    cursor = by_header.content["cursor"]
    again = sign(service, keys, "GET", f"{UPDATES}?cursor={cursor}")
    assert (again.status, again.content["cursor"]) == (200, cursor)
    bearer = ask(service, "GET", f"/v1/updates?cursor={cursor}", token=session["token"])
    assert (bearer.status, bearer.content["cursor"]) == (200, cursor)


def test_a_member_polls_nothing_of_others_by_signature(service: RunningService, group: str) -> None:
    keys = keys_of(open_session(service, "gate-ann", credentials=True))
    bob = open_session(service, "gate-bob")["identity_id"]
    for name in (f"user/{bob}/inbox", f"group/{group}/room"):
        reply = sign(service, keys, "GET", UPDATES + channels("public/a", name))
        assert reply.code == (403, "not_allowed")
        assert reply.content["error"]["channel"] == name


def test_after_a_kick_signed_polls_hold_from_the_next_login_on(service: RunningService) -> None:
    keys = keys_of(open_session(service, "gate-kim", credentials=True))
    path = UPDATES + channels("user/me/inbox")
    url = presign(service, keys, path)
    assert ask(service, "GET", url).status == 200
    assert service.run("kick", "gate-kim").returncode == 0
    for reply in (sign(service, keys, "GET", path), ask(service, "GET", url)):
        assert reply.code == (401, "unauthenticated")
    open_session(service, "gate-kim")
    assert sign(service, keys, "GET", path).status == 200


@pytest.mark.parametrize("who", ["a guest", "a job", "an operator", "somebody narrowed"])
def test_only_a_member_polls_by_signature(
    service: RunningService, job: Keys, operator: Keys, who: str
) -> None:
    keys = {
        "a guest": lambda: keys_of(
            ask(service, "POST", "/v1/session", {"credentials": True}).content
        ),
        "a job": lambda: job,
        "an operator": lambda: operator,
        "somebody narrowed": lambda: keys_of(
            open_session(service, "gate-ann", mode="sts", channels=["public/a"])
        ),
    }[who]()
    assert sign(service, keys, "GET", UPDATES + channels("public/a")).code == (403, "not_allowed")


def test_a_job_publishes_by_signature_and_ends_nobodys_access(
    service: RunningService, job: Keys
) -> None:
    channel = f"public/{uuid4().hex}"
    reply = sign(service, job, "POST", "/v1/publish", update_for(channel))
    assert (reply.status, reply.content["results"][0]["seq"]) == (200, 1)
    reply = sign(service, job, "POST", "/v1/users", {"user": "gate-ann"})
    assert reply.content["identity_id"] == open_session(service, "gate-ann")["identity_id"]
    kick = {"user": "gate-ann"}
    assert sign(service, job, "POST", "/v1/kick", kick).code == (403, "not_allowed")


def test_an_operator_ends_access_and_publishes_nothing(
    service: RunningService, operator: Keys
) -> None:
    open_session(service, "gate-out")
    reply = sign(service, operator, "POST", "/v1/kick", {"user": "gate-out"})
    assert (reply.status, reply.content["connections_ended"]) == (200, 0)
    for path, body in (("/v1/publish", update_for("public/x")), ("/v1/users", {"user": "x"})):
        assert sign(service, operator, "POST", path, body).code == (403, "not_allowed")


@pytest.mark.parametrize("path", ["/v1/publish", "/v1/users", "/v1/kick"])
def test_no_reader_does_what_jobs_and_operators_do(service: RunningService, path: str) -> None:
    session = open_session(service, "gate-ann", credentials=True)
    narrow = open_session(service, "gate-ann", mode="sts", channels=["public/a"])
    guest = ask(service, "POST", "/v1/session", {"credentials": True}).content
    body = {"user": "gate-ann", **update_for("public/x")}
    for holder in (session, narrow, guest):
        assert sign(service, keys_of(holder), "POST", path, body).code == (403, "not_allowed")
    for token in (session["token"], narrow["token"], log_in(service, "gate-ann"), "", "x"):
        assert ask(service, "POST", path, body, token).code == (401, "unauthenticated")
    assert ask(service, "POST", path, body).code == (401, "unauthenticated")


@pytest.mark.parametrize(
    "authorization",
    [
        "{key}",
        "Basic {key}",
        "Bearer {key}x",
        "Bearer x{key}",
        "Bearer {key},Bearer {key}",
        "Bearer {key} {key}",
        "Bearer \u00e4",
        "AWS4-HMAC-SHA256 {key}",
        "AWS4-HMAC-SHA256 Credential={key}/20261123/us-east-1/execute-api/aws4_request",
    ],
)
def test_what_is_not_quite_the_key_is_refused(service: RunningService, authorization: str) -> None:
    sent = authorization.replace("{key}", service.key).encode().decode("latin-1")
    reply = ask(service, "POST", "/v1/publish", update_for("public/x"), authorization=sent)
    assert reply.status in (401, 403)
    assert service.key not in json.dumps(reply.content)


def test_the_key_is_no_readers(service: RunningService) -> None:
    for path in (f"{UPDATES}{channels('public/a')}", f"/v1/updates{channels('public/a')}"):
        assert ask(service, "GET", path, token=service.key).code == (401, "unauthenticated")
    assert ask(service, "POST", "/v1/session", {}, service.key).code == (401, "unauthenticated")


def test_an_unsigned_poll_is_refused(service: RunningService) -> None:
    token = open_session(service, "gate-ann")["token"]
    for bearer in (None, token):
        reply = ask(service, "GET", UPDATES + channels("user/me/inbox"), token=bearer)
        assert reply.code == (401, "unauthenticated")
    reply = ask(service, "GET", f"{UPDATES}{channels('public/a')}&X-Amz-Signature=00")
    assert reply.code == (403, "not_allowed")


@pytest.mark.parametrize(
    "scope", [("iotdata", "us-east-1"), ("execute-api", "eu-west-1"), ("sts", "us-east-1")]
)
def test_a_signature_for_something_else_is_refused(
    service: RunningService, job: Keys, scope: tuple[str, str]
) -> None:
    reply = sign(service, job, "POST", "/v1/publish", update_for("public/x"), scope=scope)
    assert reply.code == (403, "not_allowed")
    assert reply.content["error"]["message"] == (
        "the signature does not hold, or IAM does not allow this"
    )


def test_a_signature_is_for_what_was_signed(service: RunningService, job: Keys) -> None:
    session = open_session(service, "gate-ann", credentials=True)
    url = presign(service, keys_of(session), UPDATES + channels("public/a"))
    for changed in (
        url.replace("public%2Fa", "public%2Fb"),
        f"{url}&limit=1",
        url.replace(UPDATES, "/v1/publish"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
    ):
        assert ask(service, "GET", changed).status in (403, 404)
    assert ask(service, "GET", url.replace(UPDATES, "/v1/updates")).code == (400, "malformed")
    wrong = Keys(job.access_key_id, job.secret_access_key + "x", job.session_token)
    reply = sign(service, wrong, "POST", "/v1/publish", update_for("public/x"))
    assert reply.code == (403, "not_allowed")


def test_two_authorizations_are_refused_together(service: RunningService, job: Keys) -> None:
    """Whichever of the two would be enough by itself."""
    data = json.dumps(update_for("public/x")).encode()
    request = AWSRequest("POST", f"{service.url}/v1/publish", data=data)
    credentials = Credentials(job.access_key_id, job.secret_access_key, job.session_token)
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    signature = request.headers["Authorization"]
    others = {name: value for name, value in request.headers.items() if name != "Authorization"}
    for pair in (
        [signature, f"Bearer {service.key}"],
        [f"Bearer {service.key}", signature],
        [f"Bearer {service.key}", "Bearer x"],
        ["Bearer x", f"Bearer {service.key}"],
    ):
        headers = [*others.items(), *(("Authorization", each) for each in pair)]
        assert send_raw(service, "POST", "/v1/publish", headers, data) in (401, 403)


def send_raw(
    service: RunningService, method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> int:
    """Send headers as they are, repeated ones too; return the status."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
    connection.putrequest(method, path)
    for name, value in [*headers, ("Content-Length", str(len(body)))]:
        connection.putheader(name, value)
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status
