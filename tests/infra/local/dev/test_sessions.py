"""Sessions, polls and signatures of members at a running service."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import pytest
import urllib3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bellwire.cursors import Cursor, encode_cursor
from bellwire.updates import Position
from infra.local.mqtt_probe import Probe
from services import RunningService, running_service

POOL = urllib3.PoolManager(retries=False)
SHARED = "public, max-age=1, must-revalidate, stale-if-error=0"


class Answer:
    """What the service said."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["error"]["code"]


def ask(
    service: RunningService,
    method: str,
    path: str,
    body: Any = None,
    token: str | None = None,
    **headers: str,
) -> Answer:
    bearer = {} if token is None else {"authorization": f"Bearer {token}"}
    content = None if body is None else json.dumps(body)
    every = {**bearer, **headers}
    return Answer(POOL.request(method, service.url + path, body=content, headers=every))


def log_in(service: RunningService, user: str, *groups: str) -> str:
    kind = {"content-type": "application/json"}
    login = {"user": user, "groups": list(groups)}
    return str(ask(service, "POST", "/dev/login", login, **kind).json["token"])


def open_session(service: RunningService, token: str, **body: Any) -> dict[str, Any]:
    answer = ask(service, "POST", "/v1/session", body, token)
    assert answer.status == 200, answer.text
    session: dict[str, Any] = answer.json
    return session


def signed(
    service: RunningService, keys: dict[str, Any], method: str, path: str, body: bytes = b""
) -> Answer:
    plain, _, query = path.partition("?")
    path = plain + ("?" + urlencode(parse_qsl(query)) if query else "")
    request = AWSRequest(method, service.url + path, data=body)
    credentials = Credentials(
        keys["access_key_id"], keys["secret_access_key"], keys["session_token"]
    )
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    headers = dict(request.headers)
    return Answer(POOL.request(method, service.url + path, body=body, headers=headers))


@pytest.fixture
def name() -> str:
    return uuid4().hex[:8]


def test_a_known_user_is_the_same_identity_with_the_groups_of_the_latest_login(
    service: RunningService, name: str
) -> None:
    first = open_session(service, log_in(service, name, "red", "blue"))
    assert first["groups"] == ["blue", "red"]
    assert set(first) == {"identity_id", "token", "expires_at", "groups"}
    second = open_session(service, log_in(service, name, "green"), credentials=True)
    assert second["identity_id"] == first["identity_id"]
    assert second["groups"] == ["green"]
    assert second["credentials"]["access_key_id"].startswith("ASIA")
    for token in (first["token"], second["token"]):  # rights are the latest login's
        assert ask(service, "GET", "/v1/updates?channels=group/green/x", token=token).status == 200
        refused = ask(service, "GET", "/v1/updates?channels=group/red/x", token=token)
        assert refused.error == (403, "not_allowed")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], (400, "malformed")),
        ({"mode": "x"}, (400, "malformed")),
        ({"credentials": 1}, (400, "malformed")),
        ({"provider": 1}, (400, "malformed")),
        ({"channels": "public/a"}, (400, "malformed")),
        ({"channels": ["public/a"]}, (400, "malformed")),
        ({"mode": "sts"}, (400, "malformed")),
        ({"mode": "sts", "channels": []}, (400, "malformed")),
        ({"mode": "sts", "channels": [7]}, (400, "malformed")),
        ({"mode": "sts", "channels": ["public/*"]}, (400, "bad_channel")),
        ({"mode": "sts", "channels": [f"public/{n}" for n in range(51)]}, (400, "malformed")),
        ({"mode": "sts", "channels": [f"public/c{n}" for n in range(40)]}, (413, "too_large")),
        ({"mode": "sts", "channels": ["public/a", "group/blue/x"]}, (403, "not_allowed")),
        ({"mode": "sts", "channels": ["user/somebody/x"]}, (403, "not_allowed")),
        ({"provider": "graph.facebook.com"}, (401, "unauthenticated")),
        ({"unknown": 1}, None),
        ({"channels": []}, None),
    ],
)
def test_what_a_session_may_ask_for(
    service: RunningService, body: Any, expected: tuple[int, str] | None
) -> None:
    answer = ask(service, "POST", "/v1/session", body, log_in(service, "asker", "red"))
    assert answer.status == 200 if expected is None else answer.error == expected
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "token", "Bearer a b c"])
def test_an_authorization_that_is_none_is_refused(service: RunningService, value: str) -> None:
    for method, path in (("POST", "/v1/session"), ("GET", "/v1/updates?channels=public/a")):
        answer = ask(service, method, path, authorization=value)
        assert answer.error == (401, "unauthenticated")


def test_a_tenth_group_is_refused_with_the_way_out(service: RunningService, name: str) -> None:
    groups = [f"g{number}" for number in range(10)]
    token = log_in(service, name, *groups)
    refused = ask(service, "POST", "/v1/session", {}, token)
    assert refused.error == (413, "too_large")
    assert "mode: sts" in refused.json["error"]["message"]
    narrowed = open_session(service, token, mode="sts", channels=["group/g9/x"])
    assert narrowed["groups"] == groups
    nine = open_session(service, log_in(service, name, *groups[:9]), credentials=True)
    with connect(service, nine) as probe:
        assert all(probe.subscribe(f"dev/group/{group}/x") for group in groups[:9])


def connect(service: RunningService, session: dict[str, Any]) -> Probe:
    keys = session["credentials"]
    signer = (keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
    return Probe(service.ready["iot"], signer, f"{session['identity_id']}-tab")


def test_a_narrowed_session_is_for_its_channels_alone(service: RunningService, name: str) -> None:
    token = log_in(service, name, "red")
    channels = ["user/me/inbox", "group/red/x", "group/red/x"]
    session = open_session(service, token, mode="sts", channels=channels)
    assert session["channels"] == ["group/red/x", "user/me/inbox"]
    inbox = f"user/{session['identity_id']}/inbox"
    for channel, status in (
        ("user/me/inbox", 200),
        (inbox, 200),
        ("group/red/x", 200),
        ("group/red/y", 403),
        ("public/a", 403),
        ("user/me/other", 403),
    ):
        path = f"/v1/updates?channels={channel}"
        assert ask(service, "GET", path, token=session["token"]).status == status, channel
    with connect(service, session) as probe:
        for channel, is_granted in ((inbox, True), ("group/red/x", True), ("public/a", False)):
            assert probe.subscribe(f"dev/{channel}") is is_granted, channel
    keys = session["credentials"]
    assert signed(service, keys, "GET", "/v1/signed/updates?channels=group/red/x").status == 403


def test_a_cursor_carries_no_rights(service: RunningService, name: str) -> None:
    alice = open_session(service, log_in(service, f"alice-{name}"))
    bob = open_session(service, log_in(service, f"bob-{name}"))
    cursor = ask(service, "GET", "/v1/updates?channels=user/me/inbox", token=alice["token"]).json[
        "cursor"
    ]
    own = ask(service, "GET", f"/v1/updates?cursor={cursor}", token=bob["token"])
    assert own.status == 200  # `me` is whoever asks
    made_up = encode_cursor(Cursor({f"user/{alice['identity_id']}/inbox": Position("0", 0)}))
    refused = ask(service, "GET", f"/v1/updates?cursor={made_up}", token=bob["token"])
    assert refused.error == (403, "not_allowed")
    assert ask(service, "GET", f"/v1/updates?cursor={cursor}").error == (403, "not_allowed")


def test_private_answers_are_not_shared(service: RunningService, name: str) -> None:
    token = open_session(service, log_in(service, name))["token"]
    for path, bearer, expected in (
        ("/v1/updates?channels=public/a", None, SHARED),
        ("/v1/updates?channels=public/a,user/me/x", token, "private, no-store"),
        ("/v1/presence?channel=user/me/x", token, "private, no-store"),
    ):
        answer = ask(service, "GET", path, token=bearer)
        assert (answer.status, answer.headers["cache-control"]) == (200, expected), path


def test_a_refusal_is_the_same_whether_a_channel_exists_or_not(
    service: RunningService, name: str
) -> None:
    service.publish(f"group/{name}/x", 1)
    token = open_session(service, log_in(service, name))["token"]
    texts = set()
    for channel in (f"group/{name}/x", f"group/{name}/y"):
        answer = ask(service, "GET", f"/v1/updates?channels={channel}", token=token)
        texts.add(answer.text.replace(channel, "CHANNEL"))
    assert len(texts) == 1


def test_a_member_polls_by_signature_and_publishes_by_none(
    service: RunningService, name: str
) -> None:
    session = open_session(service, log_in(service, name, "red"), credentials=True)
    keys, path = session["credentials"], "/v1/signed/updates?channels=group/red/x,user/me/inbox"
    answer = signed(service, keys, "GET", path)
    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store")
    assert list(answer.json["channels"]) == ["group/red/x", "user/me/inbox"]
    refused = signed(service, keys, "GET", "/v1/signed/updates?channels=group/blue/x")
    assert refused.error == (403, "not_allowed")
    body = b'{"updates":[{"channel":"public/a","op":"event","data":1}]}'
    for target, content in (
        ("/v1/publish", body),
        ("/v1/users", b'{"user":"a"}'),
        ("/v1/kick", b'{"user":"a"}'),
    ):
        assert signed(service, keys, "POST", target, content).error == (403, "not_allowed")
        as_bearer = ask(service, "POST", target, json.loads(content), session["token"])
        assert as_bearer.error == (401, "unauthenticated")
    job = service.ready["job"]
    assert signed(service, job, "POST", "/v1/publish", body).status == 200
    assert signed(service, job, "POST", "/v1/kick", b'{"user":"a"}').error[0] == 403
    assert signed(service, job, "GET", path).error == (403, "not_allowed")
    assert ask(service, "GET", path).error == (401, "unauthenticated")
    wrong = {**keys, "secret_access_key": "wrong"}
    assert signed(service, wrong, "GET", path).error == (403, "not_allowed")


def test_a_signature_may_stand_in_the_url(service: RunningService, name: str) -> None:
    keys = open_session(service, log_in(service, name), credentials=True)["credentials"]
    query = urlencode({"channels": "user/me/inbox"})
    request = AWSRequest("GET", f"{service.url}/v1/signed/updates?{query}")
    credentials = Credentials(
        keys["access_key_id"], keys["secret_access_key"], keys["session_token"]
    )
    SigV4QueryAuth(credentials, "execute-api", "us-east-1", expires=60).add_auth(request)
    assert POOL.request("GET", str(request.url)).status == 200


def test_guests_do_not_poll_by_signature(service: RunningService) -> None:
    guest = ask(service, "POST", "/v1/session", {"credentials": True}).json
    path = "/v1/signed/updates?channels=public/a"
    assert signed(service, guest["credentials"], "GET", path).error == (403, "not_allowed")


@pytest.fixture(scope="module")
def without_guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    directory: Path = tmp_path_factory.mktemp("members-only")
    setup = directory / "setup.json"
    setup.write_text('{"pool": {"unauthenticated_role": null}}')
    with running_service(directory, "--no-demo", "--setup", str(setup)) as running:
        yield running


def test_guests_off_means_off_everywhere(without_guests: RunningService) -> None:
    service = without_guests
    assert ask(service, "GET", "/v1/config").json["guests"] is False
    assert ask(service, "POST", "/v1/session", {}).error == (403, "not_allowed")
    assert ask(service, "GET", "/v1/updates?channels=public/a").error == (403, "not_allowed")
    token = open_session(service, log_in(service, "alice"))["token"]
    answer = ask(service, "GET", "/v1/updates?channels=public/a", token=token)
    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store")
    cognito = POOL.request(
        "POST",
        service.ready["aws"],
        json={"IdentityPoolId": service.ready["identity_pool_id"]},
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AWSCognitoIdentityService.GetId",
        },
    )
    assert cognito.json()["__type"] == "NotAuthorizedException"


def test_a_restart_logs_nobody_out(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as before:
        login = log_in(before, "alice", "red")
        session = open_session(before, login)
        narrowed = open_session(before, login, mode="sts", channels=["group/red/x"])
        secret = before.data / "login_secret"
        assert secret.stat().st_mode & 0o777 == 0o600
    with running_service(tmp_path, "--no-demo") as after:
        for token in (session["token"], narrowed["token"]):
            path = "/v1/updates?channels=group/red/x"
            assert ask(after, "GET", path, token=token).status == 200
        assert open_session(after, login)["identity_id"] == session["identity_id"]


def test_no_secret_is_told(tmp_path: Path) -> None:
    """Drive everything, also wrongly, and look for what was secret in whatever was said."""
    with running_service(tmp_path, "--no-demo") as service:
        login = log_in(service, "alice", "red")
        session = open_session(service, login, credentials=True)
        narrowed = open_session(service, login, mode="sts", channels=["group/red/x"])
        said: list[str] = []
        for token in (login, session["token"], narrowed["token"]):
            paths = (
                "/v1/updates?channels=group/red/x",
                "/v1/updates?channels=group/blue/x",
                "/v1/updates?cursor=damaged",
                "/v1/presence?channel=group/red/x",
                "/v1/presence?channel=group/blue/x",
            )
            said += [ask(service, "GET", path, token=token).text for path in paths]
            for body in ({}, {"mode": "sts"}, {"provider": "x"}):
                answer = ask(service, "POST", "/v1/session", body, f"{token}x")
                assert answer.status in (400, 401)
                said.append(answer.text)
            said.append(ask(service, "POST", "/v1/publish", {}, token).text)
        for keys in (session["credentials"], narrowed["credentials"]):
            said.append(signed(service, keys, "POST", "/v1/publish", b"{}").text)
            signer = (keys["access_key_id"], keys["secret_access_key"], keys["session_token"])
            for client_id in (f"{session['identity_id']}-a", "somebody-else"):
                with Probe(service.ready["iot"], signer, client_id) as probe:
                    if probe.is_connected:
                        probe.subscribe("dev/group/blue/x")
        said.append(service.run("kick", "alice").stdout)
        said.append(ask(service, "GET", "/v1/updates?channels=public/a", token=login).text)
        decisions = ask(service, "GET", "/dev/decisions?limit=1000").text
        secrets = {
            login,
            session["token"],
            narrowed["token"],
            service.key,
            (service.data / "login_secret").read_text(),
            *(one["credentials"]["secret_access_key"] for one in (session, narrowed)),
            *(one["credentials"]["session_token"] for one in (session, narrowed)),
        }
    heard = "\n".join([*said, decisions, service.log.read_text()])
    assert "refused" in heard
    for secret in secrets:
        signature = secret.rpartition(".")[2]
        assert secret not in heard
        assert len(signature) < 20 or signature not in heard
    assert not re.search(r"X-Amz-Signature=[0-9a-f]{64}", heard)
