"""Members at the running service: sessions, polls, push, and what outlives a restart."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import urllib3
from paho.mqtt.enums import MQTTProtocolVersion

from infra.local.conftest import MqttClient
from members import POOL, ask, keys_of, log_in, open_session
from services import RunningService, running_service, same_ports
from signing import presign

MQTTV311 = MQTTProtocolVersion.MQTTv311


def connect(service: RunningService, session: dict[str, Any], suffix: str = "") -> MqttClient:
    url = urllib3.util.parse_url(presign(service.ready["iot"], keys_of(session)))
    client_id = f"{session['identity_id']}{suffix}"
    return MqttClient(str(url.host), int(url.port or 0), url.request_uri, client_id, MQTTV311)


def hear(client: MqttClient) -> tuple[str, Any]:
    topic, body = client.next_message()
    return topic, json.loads(body)["u"][0]["d"]


def poll(service: RunningService, query: str, token: str | None = None) -> Any:
    return ask(service, "GET", f"/v1/updates?{query}", token=token)


def test_a_preflight_allows_what_a_session_needs(service: RunningService) -> None:
    reply = ask(
        service,
        "OPTIONS",
        "/v1/session",
        origin="https://dashboard.example",
        access_control_request_method="POST",
        access_control_request_headers="authorization,content-type",
    )
    assert reply.status == 204
    assert reply.headers["access-control-allow-methods"] == "GET, POST"
    allowed = reply.headers["access-control-allow-headers"].split(", ")
    assert allowed == ["authorization", "content-type", "x-amz-date", "x-amz-security-token"]
    assert reply.headers["access-control-allow-origin"] == service.url
    assert "access-control-allow-credentials" not in reply.headers
    for path in ("/v1/updates", "/v1/signed/updates", "/v1/config"):
        assert ask(service, "OPTIONS", path).status == 204
    for path in ("/v1/publish", "/v1/users", "/v1/kick"):
        assert ask(service, "OPTIONS", path).status in (404, 405)


def test_a_refused_session_can_be_read_across_origins(service: RunningService) -> None:
    reply = ask(service, "POST", "/v1/session", {}, "x")
    assert reply.code == (401, "unauthenticated")
    assert reply.headers["access-control-allow-origin"] == service.url
    assert reply.headers["cache-control"] == "no-store"


def test_a_member_hears_what_is_for_them_by_push_and_by_poll(service: RunningService) -> None:
    session = open_session(service, "mia", "choir", credentials=True)
    other = open_session(service, "otto", "choir", credentials=True)
    client, stranger = connect(service, session), connect(service, other)
    for each in (client, stranger):
        assert each.connected.get(timeout=10) == 0
    inbox = f"user/{session['identity_id']}/inbox"
    assert client.subscribe(f"dev/{inbox}", "dev/group/choir/room") == [0, 0]
    assert stranger.subscribe(f"dev/{inbox}", "dev/group/choir/room") == [128, 0]
    assert service.run("publish", "--user", "mia", "inbox", '"for mia"').returncode == 0
    service.publish("group/choir/room", "for all")
    heard = dict((hear(client), hear(client)))
    assert heard == {f"dev/{inbox}": "for mia", "dev/group/choir/room": "for all"}
    assert hear(stranger) == ("dev/group/choir/room", "for all")
    query = "channels=user/me/inbox,group/choir/room&rewind=1"
    found = poll(service, query, session["token"]).content["channels"]
    assert {name: part["u"][0]["d"] for name, part in found.items()} == {
        "user/me/inbox": "for mia",
        "group/choir/room": "for all",
    }
    assert poll(service, query, other["token"]).content["channels"]["user/me/inbox"]["u"] == []
    for each in (client, stranger):
        each.close()


def test_a_kicked_member_is_out_and_comes_back_by_a_new_login(service: RunningService) -> None:
    old_login = log_in(service, "nils", "choir")
    old = ask(service, "POST", "/v1/session", {"credentials": True}, old_login).content
    client = connect(service, old)
    assert client.connected.get(timeout=10) == 0
    reply = ask(service, "POST", "/v1/kick", {"user": "nils"}, service.key)
    assert reply.status == 200
    assert reply.content["identity_id"] == old["identity_id"]
    assert client.disconnected.get(timeout=10)
    again = connect(service, old, "-again")
    assert again.disconnected.get(timeout=10)
    assert poll(service, "channels=public/a", old["token"]).code == (401, "unauthenticated")
    reply = ask(service, "POST", "/v1/session", {}, old_login)
    assert reply.code == (401, "unauthenticated")
    new = open_session(service, "nils", credentials=True)
    assert new["identity_id"] == old["identity_id"]
    back = connect(service, new, "-new")
    assert back.connected.get(timeout=10) == 0
    for each in (client, again, back):
        each.close()


def test_the_members_token_opens_the_pool_and_the_narrowed_one_does_not(
    service: RunningService,
) -> None:
    member = open_session(service, "pia")
    narrow = open_session(service, "pia", mode="sts", channels=["public/a"])
    for session, status in ((member, 200), (narrow, 400)):
        logins = {"cognito-identity.amazonaws.com": session["token"]}
        answer = POOL.request(
            "POST",
            service.ready["aws"],
            body=json.dumps({"IdentityId": session["identity_id"], "Logins": logins}),
            headers={"X-Amz-Target": "AWSCognitoIdentityService.GetCredentialsForIdentity"},
        )
        assert answer.status == status, answer.data


def test_where_nobody_can_log_in_it_says_so(tmp_path: Path) -> None:
    setup = tmp_path / "setup.json"
    setup.write_text('{"pool":{"authenticated_role":null}}')
    with running_service(tmp_path, "--no-demo", "--setup", str(setup)) as service:
        assert ask(service, "GET", "/v1/config").content["features"]["logins"] is False
        reply = ask(service, "POST", "/v1/session", {}, log_in(service, "ann"))
        assert reply.code == (401, "unauthenticated")
        for path in ("/v1/users", "/v1/kick"):
            reply = ask(service, "POST", path, {"user": "ann"}, service.key)
            assert reply.code == (404, "not_found")
        assert poll(service, "channels=public/a").status == 200


def test_a_restart_forgets_no_kick_and_takes_nothing_away(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo") as first:
        session = open_session(first, "ann", "red", credentials=True)
        kicked = open_session(first, "bob")
        login = log_in(first, "bob")
        assert first.run("kick", "bob").returncode == 0
        assert stat.S_IMODE(first.data.stat().st_mode) & 0o077 == 0
        ports = same_ports(first)
    with running_service(tmp_path, "--no-demo", *ports) as second:
        assert poll(second, "channels=public/a", kicked["token"]).code == (401, "unauthenticated")
        assert ask(second, "POST", "/v1/session", {}, login).code == (401, "unauthenticated")
        assert poll(second, "channels=group/red/room", session["token"]).status == 200
        client = connect(second, session)
        assert client.connected.get(timeout=10) == 0
        assert client.subscribe("dev/group/red/room") == [0]
        client.close()


def test_another_data_directory_knows_no_logins_of_this_one(
    service: RunningService, tmp_path: Path
) -> None:
    login, session = log_in(service, "ann"), open_session(service, "ann")
    narrow = open_session(service, "ann", mode="sts", channels=["public/a"])
    with running_service(tmp_path, "--no-demo") as other:
        assert ask(other, "POST", "/v1/session", {}, login).code == (401, "unauthenticated")
        for token in (session["token"], narrow["token"]):
            assert poll(other, "channels=public/a", token).code == (401, "unauthenticated")


@pytest.mark.parametrize("content", ["", "no hexadecimal", "00" * 33])
def test_a_login_secret_that_is_none_is_one_clear_line(tmp_path: Path, content: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "login_secret").write_text(content)
    with pytest.raises(AssertionError, match=r"the service did not start: .*login_secret") as found:
        running_service(tmp_path, "--no-demo").__enter__()
    told = (tmp_path / "stderr.log").read_text()
    assert (told.count("\n"), "Traceback" in told) == (1, False), found


def test_a_secret_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    secret = data / "login_secret"
    secret.write_text("5a" * 32)
    secret.chmod(0o644)
    with running_service(tmp_path, "--no-demo") as service:
        assert log_in(service, "ann")
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
