"""`bellwire-local` as a user meets it: a real process, from its ready line to its end."""

import json
import os
import signal
import socket
import ssl
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from infra.local.command_process import PROGRAM, client_of, run_and_fail, running_command

POOL = urllib3.PoolManager(retries=False)
JSON = {"content-type": "application/json"}


def test_the_script_is_named_in_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    script = project["project"]["scripts"]["bellwire-local"]
    assert script == "bellwire_local.dev.local_command:main"


def test_it_tells_where_everything_is_and_what_it_is_asked_goes_wrong(tmp_path: Path) -> None:
    with running_command(tmp_path, "--tls", "--faults", "publish_403=1,seed=7") as (ready, log):
        assert set(ready) == {
            *("ready", "iot", "aws", "region", "stage", "identity_pool_id"),
            *("job", "operator", "credentials", "iot_tls", "ca", "pid"),
        }
        assert ready["iot"].startswith("ws://127.0.0.1:")
        tls = urlsplit(ready["iot_tls"])
        with (
            socket.create_connection((tls.hostname or "", tls.port or 0), timeout=10) as raw,
            ssl.create_default_context(cafile=ready["ca"]).wrap_socket(
                raw, server_hostname="127.0.0.1"
            ) as secure,
        ):
            assert secure.version() == "TLSv1.3"
        job = client_of(ready, "iot-data", "publisher_role")
        with pytest.raises(ClientError, match="Forbidden"):
            job.publish(topic="dev/public/x", payload=b"1")
        url = f"{ready['aws']}/dev/faults"
        told = POOL.request("POST", url, body=b'{"drop":0.5,"seed":9}', headers=JSON)
        assert (told.status, told.json()) == (200, {"drop": 0.5, "seed": 9})
        assert POOL.request("POST", url, body=b"{}", headers=JSON).json() == {}
        job.publish(topic="dev/public/x", payload=b"1")
    assert "to be repeated by --faults publish_403=1.0,seed=7\n" in log.read_text()


def test_the_data_outlives_it(tmp_path: Path) -> None:
    with running_command(tmp_path) as (first, _):
        assert (first["iot_tls"], first["ca"]) == (None, None)
    with running_command(tmp_path) as (second, log):
        for name in ("identity_pool_id", "job", "operator"):
            assert second[name] == first[name]
    assert log.read_text() == ""


def test_roles_come_from_a_folder(tmp_path: Path) -> None:
    roles = tmp_path / "roles"
    roles.mkdir()
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    (roles / "sender.json").write_text(json.dumps(document))
    (roles / "guest_role.json").write_text(json.dumps({**document, "Statement": []}))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    (roles / "sender.trust.json").write_text(json.dumps({**document, "Statement": [trust]}))
    with running_command(tmp_path, "--roles", str(roles)) as (ready, _):
        assert (list(ready["credentials"]), ready["job"]) == (["guest_role", "sender"], None)
        client_of(ready, "iot-data", "sender").publish(topic="any/topic", payload=b"1")


@pytest.mark.parametrize(
    ("setup", "warnings"),
    [
        (
            {},
            (
                "bellwire-local: warning: there is no role guest_role, so guests get no "
                "credentials; add guest_role.json to the roles, or say by --setup that the pool "
                "has no guests\n"
            ),
        ),
        ({"pool": {"unauthenticated_role": None}}, ""),
        ({"pool": {"unauthenticated_role": "sender"}}, ""),
    ],
)
def test_guests_without_a_role_are_warned_of(
    tmp_path: Path, setup: dict[str, object], warnings: str
) -> None:
    (tmp_path / "setup.json").write_text(json.dumps(setup))
    roles = tmp_path / "roles"
    roles.mkdir()
    document = {"Version": "2012-10-17", "Statement": []}
    (roles / "sender.json").write_text(json.dumps(document))
    words = ("--roles", str(roles), "--setup", str(tmp_path / "setup.json"))
    with running_command(tmp_path, *words) as (_, log):
        pass
    assert log.read_text() == warnings


def test_quotas_are_kept_unless_switched_off(tmp_path: Path) -> None:
    def ask_often(ready: dict[str, Any]) -> list[int]:
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AWSCognitoIdentityService.GetId",
        }
        body = json.dumps({"IdentityPoolId": ready["identity_pool_id"]}).encode()
        return [
            POOL.request("POST", ready["aws"] + "/", body=body, headers=headers).status
            for _ in range(200)
        ]

    with running_command(tmp_path) as (ready, _):
        assert set(ask_often(ready)) == {200, 400}
    with running_command(tmp_path, "--limits", "off") as (ready, _):
        assert set(ask_often(ready)) == {200}


def test_quotas_of_the_control_plane_can_be_switched_off(tmp_path: Path) -> None:
    document = {"Version": "2012-10-17", "Statement": []}
    roles = tmp_path / "roles"
    roles.mkdir()
    admin = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    (roles / "admin.json").write_text(json.dumps({**document, "Statement": [admin]}))
    large = json.dumps({**document, "Statement": [{**admin, "Sid": "x" * 3000}]})
    with running_command(tmp_path, "--roles", str(roles)) as (ready, _):
        iot = client_of(ready, "iot", "admin")
        with pytest.raises(iot.exceptions.MalformedPolicyException):
            iot.create_policy(policyName="large", policyDocument=large)
    with running_command(tmp_path, "--roles", str(roles), "--limits", "off") as (ready, _):
        iot = client_of(ready, "iot", "admin")
        assert iot.create_policy(policyName="large", policyDocument=large)["policyName"] == "large"


def test_a_choice_is_taken(tmp_path: Path) -> None:
    with running_command(tmp_path, "--choices", "sub_protocol=required") as (ready, _):
        job = ready["job"]
        signed = AWSRequest("GET", ready["iot"].replace("ws://", "http://"))
        keys = Credentials(job["access_key_id"], job["secret_access_key"])
        SigV4QueryAuth(keys, "iotdevicegateway", ready["region"]).add_auth(signed)
        answer = POOL.request("GET", str(signed.url))
    assert (answer.status, answer.json()["message"]) == (
        400,
        "Sub-protocol none; expected mqtt or mqttv3.1",
    )


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("--faults", "dorp=1"), 2, "there is no fault 'dorp'; expected one of: barred, chaos,"),
        (("--port", "99999"), 2, "expected a port from 0 to 65535, found '99999'"),
        (("--choices", "sub_protocol=never"), 2, "expected optional or required"),
        (("--choices", "close_code=7"), 2, "expected 0 or 1000 or 1001 or 1002 or 1008 or 1011"),
        (("--choices", "x=1"), 2, "there is no choice 'x'; expected one of: basic_flow_needs_"),
        (("--choices", "x"), 2, "a choice is 'x'; expected NAME=VALUE"),
        (("--roles", "nowhere"), 1, "no role in nowhere; expected files such as"),
        (("--host", ""), 2, "expected an address such as 127.0.0.1, found none"),
        (("--host", " "), 2, "expected an address such as 127.0.0.1, found none"),
        (("--setup", ""), 2, "expected a file, found an empty name"),
        (("--iot-tls-port", "0"), 2, "--iot-tls-port is for --tls, which is not there"),
        (("--host", "192.0.2.1"), 1, "cannot listen on port 0 of 192.0.2.1"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    tmp_path: Path, words: tuple[str, ...], code: int, complaint: str
) -> None:
    done = run_and_fail("--port", "0", "--iot-port", "0", "--data", str(tmp_path), *words)
    assert done.returncode == code
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_and_fail("--port", str(port), "--iot-port", "0", "--data", str(tmp_path))
    expected = (
        f"bellwire-local: port {port} on 127.0.0.1 is in use by another process; "
        "it is wanted for AWS's HTTP\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


def test_listening_for_others_is_warned_of_and_has_no_dev_endpoints(tmp_path: Path) -> None:
    with running_command(tmp_path, "--host", "0.0.0.0") as (ready, log):
        port = urlsplit(ready["aws"]).port
        answer = POOL.request("GET", f"http://127.0.0.1:{port}/dev/decisions")
        assert answer.status == 404
    assert log.read_text() == (
        "bellwire-local: warning: listening on 0.0.0.0, where others can reach it\n"
    )


def _welcome(directory: Path, *words: str) -> tuple[str, str]:
    process = subprocess.Popen(
        [*PROGRAM, "--port", "0", "--iot-port", "0", "--data", str(directory), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    with process.stdout as stdout:
        welcome = "".join(iter(stdout.readline, "  Ctrl-C stops it.\n"))
        process.send_signal(signal.SIGTERM)
        rest = stdout.read()
    assert process.wait(20) == 0
    return welcome, rest


def test_a_person_is_told_the_keys_and_how_to_ask_why(tmp_path: Path) -> None:
    welcome, rest = _welcome(tmp_path, "--tls")
    assert "wss://127.0.0.1:" in welcome
    assert "publisher_role  AKIA" in welcome
    assert "/dev/decisions" in welcome
    assert rest == "\nStopped.\n"


def test_a_person_is_not_sent_to_what_is_switched_off(tmp_path: Path) -> None:
    welcome, _ = _welcome(tmp_path, "--host", "0.0.0.0")
    assert "publisher_role  AKIA" in welcome
    assert "/dev/" not in welcome
