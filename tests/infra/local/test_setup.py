"""`--setup FILE`: the documented example at work in both commands, and files that are refused."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from bellwire_local.accounts import Account, OpaqueProvider, PoolSettings, Provider, Role
from bellwire_local.dev.setup import apply_setup
from bellwire_local.errors import SetupRefused
from bellwire_local.stand_in import StandInSettings
from infra.local.command_process import client_of, client_with, run_and_fail, running_command
from infra.local.identity.oidc_issuer import AUDIENCE, running_issuer
from services import running_service

EXAMPLE = Path(__file__).with_name("setup_example.json")
HOME = "000000000000"
GUESTS = StandInSettings(
    data_dir=Path("unused"), accounts={HOME: Account({"guest_role": Role({}), "job": Role({})})}
)


def _changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(EXAMPLE.read_text())
    change(content)
    return content


def _page(ready: dict[str, Any], service: Any = "cognito-identity") -> Any:
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
    return boto3.client(
        service, region_name=ready["region"], endpoint_url=ready["aws"], config=config
    )


def _member_keys(issued: dict[str, Any]) -> dict[str, Any]:
    return {
        "access_key_id": issued["AccessKeyId"],
        "secret_access_key": issued.get("SecretKey") or issued["SecretAccessKey"],
        "session_token": issued["SessionToken"],
    }


def test_the_example_logs_a_member_in(tmp_path: Path) -> None:
    with running_command(tmp_path, "--setup", str(EXAMPLE)) as (ready, log):
        assert list(ready["credentials"]) == [
            *("guest_role", "member_role", "narrowed_role", "publisher_role", "operator_role"),
            *("session_role", "connections_role", "admin"),
        ]
        assert ready["credentials"]["operator_role"] == ready["operator"]
        login = client_of(
            ready, "cognito-identity", "admin"
        ).get_open_id_token_for_developer_identity(
            IdentityPoolId=ready["identity_pool_id"], Logins={"login.example": "ann"}
        )
        member, logins = login["IdentityId"], {"cognito-identity.amazonaws.com": login["Token"]}
        issued = _page(ready).get_credentials_for_identity(IdentityId=member, Logins=logins)
        publisher = client_with(ready, "iot-data", **_member_keys(issued["Credentials"]))
        with pytest.raises(ClientError, match="Forbidden"):
            publisher.publish(topic="dev/public/door", payload=b"open")
        iot = client_of(ready, "iot", "admin")
        allow = [{"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}]
        document = json.dumps({"Version": "2012-10-17", "Statement": allow})
        iot.create_policy(policyName="members", policyDocument=document)
        iot.attach_policy(policyName="members", target=member)
        publisher.publish(topic="dev/public/door", payload=b"open")
        assert iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"] in ready["iot"]
    (line,) = log.read_text().splitlines()  # the one refusal above, and no warning
    assert "IoT policy" in line


def test_the_example_lets_roles_be_assumed(tmp_path: Path) -> None:
    with running_command(tmp_path, "--setup", str(EXAMPLE)) as (ready, _):
        partner = client_of(ready, "sts", "admin").assume_role(
            RoleArn="arn:aws:iam::111111111111:role/partner_role", RoleSessionName="visit"
        )
        client_with(ready, "iot-data", **_member_keys(partner["Credentials"])).publish(
            topic="any/topic", payload=b"1"
        )
        login = client_of(
            ready, "cognito-identity", "admin"
        ).get_open_id_token_for_developer_identity(
            IdentityPoolId=ready["identity_pool_id"], Logins={"login.example": "ann"}
        )
        assumed = _page(ready, "sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{HOME}:role/member_role",
            RoleSessionName="ann",
            WebIdentityToken=login["Token"],
            DurationSeconds=7200,
        )
    assert assumed["AssumedRoleUser"]["Arn"].endswith(":assumed-role/member_role/ann")


def test_a_page_logs_in_by_an_issuer_of_its_own(tmp_path: Path) -> None:
    with running_issuer() as issuer:
        providers = {"id.example": {"issuer": issuer.url, "audiences": [AUDIENCE]}}
        content = _changed(lambda setup: setup["pool"].update(providers=providers))
        (tmp_path / "setup.json").write_text(json.dumps(content))
        with running_command(tmp_path, "--setup", str(tmp_path / "setup.json")) as (ready, _):
            logins = {"id.example": issuer.sign("ann")}
            pool = ready["identity_pool_id"]
            identity_id = _page(ready).get_id(IdentityPoolId=pool, Logins=logins)["IdentityId"]
            answer = _page(ready).get_credentials_for_identity(
                IdentityId=identity_id, Logins=logins
            )
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_the_whole_service_takes_the_same_file(tmp_path: Path) -> None:
    with running_service(tmp_path, "--no-demo", "--setup", str(EXAMPLE)) as service:
        admin = service.ready["credentials"]["admin"]
        login = client_with(
            service.ready, "cognito-identity", **admin
        ).get_open_id_token_for_developer_identity(
            IdentityPoolId=service.ready["identity_pool_id"], Logins={"login.example": "ann"}
        )
        assert login["IdentityId"].startswith("us-east-1:")
        with urllib.request.urlopen(f"{service.url}/v1/health") as healthy:
            assert healthy.status == 200


def test_what_the_file_leaves_out_stays(tmp_path: Path) -> None:
    (tmp_path / "setup.json").write_text("{}")
    assert apply_setup(GUESTS, tmp_path / "setup.json") == GUESTS


def test_every_setting_of_the_pool_can_be_said(tmp_path: Path) -> None:
    pool = {
        "unauthenticated_role": None,
        "authenticated_role": "job",
        "developer_provider": "a.b-c_1",
        "providers": {
            "x": {"issuer": "https://x.example", "audiences": ["a", "b"]},
            "graph.facebook.com": {"profile_url": "http://127.0.0.1:9/me?fields=id"},
        },
        "has_classic_flow": False,
        "developer_tokens_need_classic_flow": True,
        "tokens_renew_themselves": True,
        "tokens_outlive_unlinking": True,
        "throttled_status": 429,
    }
    assert set(pool) == {each.name for each in fields(PoolSettings)}
    (tmp_path / "setup.json").write_text(json.dumps({"pool": pool}))
    assert apply_setup(GUESTS, tmp_path / "setup.json").pool == PoolSettings(
        unauthenticated_role=None,
        authenticated_role="job",
        developer_provider="a.b-c_1",
        providers={
            "x": Provider("https://x.example", ("a", "b")),
            "graph.facebook.com": OpaqueProvider("http://127.0.0.1:9/me?fields=id"),
        },
        has_classic_flow=False,
        developer_tokens_need_classic_flow=True,
        tokens_renew_themselves=True,
        tokens_outlive_unlinking=True,
        throttled_status=429,
    )


def test_a_role_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "setup.json").write_text('{"roles":{"job":{"policy":{"Version":"x"}}}}')
    roles = apply_setup(GUESTS, tmp_path / "setup.json").accounts[HOME].roles
    assert roles == {"guest_role": Role({}), "job": Role({"Version": "x"})}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", " is not JSON that can be read: "),
        ("[" * 100_000, " is not JSON that can be read: "),
        ('{"pool":{"developer_provider":"\\ud800"}}', " is not JSON that can be read: "),
        ("[]", " is []; expected an object"),
        ('{"pol":{}}', " holds 'pol'; expected pool, roles, accounts"),
        ('{"pool":{"providr":{}}}', ": pool holds 'providr'; expected unauthenticated_role, "),
        (
            '{"pool":{"authenticated_role":"member"}}',
            ": pool.authenticated_role is 'member'; the roles are: guest_role, job",
        ),
        ('{"pool":{"authenticated_role":7}}', ": pool.authenticated_role is 7; expected a text"),
        ('{"pool":{"has_classic_flow":"no"}}', 'has_classic_flow is "no"; expected true or false'),
        ('{"pool":{"throttled_status":500}}', "throttled_status is 500; expected 400 or 429"),
        ('{"pool":{"throttled_status":true}}', "throttled_status is true; expected 400 or 429"),
        ('{"pool":{"developer_provider":"a b"}}', 'is "a b"; expected 1 to 128 letters, digits'),
        ('{"pool":{"providers":{"x":{"issuer":"x"}}}}', 'providers.x.issuer is "x"; expected a'),
        (
            '{"pool":{"providers":{"x":{"issuer":"https://x","audiences":"y"}}}}',
            'providers.x.audiences is "y"; expected a list of client ids, at least one',
        ),
        ('{"roles":{"a/b":{}}}', ": roles.a/b: a role cannot be named 'a/b'; 1 to 64 letters"),
        ('{"roles":{"a":{}}}', ": roles.a.policy is null; expected an object"),
        ('{"roles":{"a":{"policy":{},"trust":[]}}}', ": roles.a.trust is []; expected an object"),
        (
            '{"roles":{"a":{"policy":{},"max_session_s":60}}}',
            ": roles.a.max_session_s is 60; expected whole seconds from 3600 to 43200",
        ),
        ('{"roles":{"a":{}},"roles":{}}', "'roles' stands twice in one object"),
        (
            (
                '{"pool":{"developer_provider":"a.b","providers":{"a.b":'
                '{"issuer":"https://a.b","audiences":["x"]}}}}'
            ),
            ": pool: developer_provider and providers both name 'a.b'",
        ),
        (
            '{"pool":{"developer_provider":"cognito-identity.amazonaws.com"}}',
            ": pool: no provider can be named 'cognito-identity.amazonaws.com'",
        ),
        ('{"pool":{"providers":{"":{}}}}', ": pool.providers holds ''; expected 1 to 128 letters"),
        *(
            (
                json.dumps({"pool": {"providers": {"a": {"issuer": issuer, "audiences": ["x"]}}}}),
                "; expected a URL such as https://accounts.google.com",
            )
            for issuer in ("https://", "https://[::1", "https://a\nb", "https://u@a", "https://a:x")
        ),
        *(
            (
                json.dumps({"pool": {"providers": {"a": provider}}}),
                f": pool.providers.a holds {found}; expected issuer and audiences, or profile_url",
            )
            for provider, found in (
                ({}, "nothing"),
                ({"profile_url": "https://a", "audiences": ["x"]}, "profile_url and audiences"),
                ({"issuer": "https://a", "profile_url": "https://a"}, "issuer and profile_url"),
            )
        ),
        *(
            (
                json.dumps({"pool": {"providers": {"a": {"profile_url": url}}}}),
                f"is {json.dumps(url)}; expected a URL such as https://graph.facebook.com/me",
            )
            for url in (None, 1, "", "file:///me", "graph.facebook.com/me", "https://u:p@a/me")
        ),
        ('{"accounts":{"1":{}}}', ": accounts holds '1'; an id of 12 digits is expected"),
        ('{"accounts":{"111111111111":[]}}', ": accounts.111111111111 is []; expected an object"),
        (
            '{"accounts":{"000000000000":{}}}',
            ": 000000000000 is the home account; its roles stand in 'roles'",
        ),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "setup.json"
    path.write_text(text)
    with pytest.raises(SetupRefused) as refused:
        apply_setup(GUESTS, path)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "setup.json cannot be read: "),
        ({"rols": {}}, "setup.json holds 'rols'; expected pool, roles, accounts\n"),
        ({"roles": {"a": {"policy": {"Version": "2008-10-17"}}}}, "a: Version is '2008-10-17'"),
    ],
)
def test_the_command_ends_with_one_line(tmp_path: Path, content: object, complaint: str) -> None:
    path = tmp_path / "setup.json"
    if content is not None:
        path.write_text(json.dumps(content))
    data = str(tmp_path / "data")
    done = run_and_fail("--port", "0", "--iot-port", "0", "--data", data, "--setup", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bellwire-local: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
