"""Every refusal is remembered in one place and logged in one line, whichever service made it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from bellwire_local.identity.decisions import Decision, DecisionLog
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused
from infra.local.conftest import Signer
from infra.local.identity.conftest import DEVELOPER, HOME, OTHER

if TYPE_CHECKING:
    from infra.local.identity.conftest import Cloud

COGNITO = "cognito-identity.amazonaws.com"
MEMBERS = f"arn:aws:iam::{HOME}:role/for_members"


def _refused(
    cloud: "Cloud", caplog: pytest.LogCaptureFixture, ask: Callable[[], object]
) -> dict[str, Any]:
    """Have something refused; return its decision, which is the only one that is logged."""
    caplog.clear()
    with pytest.raises(ClientError):
        ask()
    newest = cloud.running.call(lambda: next(iter(cloud.stand_in.decisions.latest(1))))
    assert newest["allowed"] is False
    assert caplog.messages == [newest["line"]]
    return newest


def test_cognitos_refusals(cloud: "Cloud", caplog: pytest.LogCaptureFixture) -> None:
    powerless = cloud.pool_client("powerless")
    found = _refused(
        cloud,
        caplog,
        lambda: powerless.get_open_id_token_for_developer_identity(
            IdentityPoolId=cloud.pool_id, Logins={DEVELOPER: "ann"}
        ),
    )
    action = "cognito-identity:GetOpenIdTokenForDeveloperIdentity"
    resource = f"arn:aws:cognito-identity:us-east-1:{HOME}:identitypool/{cloud.pool_id}"
    assert found["who"].startswith("powerless/")
    assert (found["action"], found["resource"]) == (action, resource)
    assert found["documents"] == [{"kind": "role policy", "name": "powerless"}]
    assert found["remedy"] == {
        "statement": {"Effect": "Allow", "Action": action, "Resource": resource},
        "places": ["the role policy powerless"],
    }


def test_a_session_policy_is_named(cloud: "Cloud", caplog: pytest.LogCaptureFixture) -> None:
    narrowed = cloud.sts(cloud.role("backend")).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/shared",
        RoleSessionName="ann",
        Policy='{"Version": "2012-10-17", "Statement": '
        '[{"Sid": "Not", "Effect": "Deny", "Action": "sts:*", "Resource": "*"}]}',
    )["Credentials"]
    signer = Signer(narrowed["AccessKeyId"], narrowed["SecretAccessKey"], narrowed["SessionToken"])
    found = _refused(
        cloud,
        caplog,
        lambda: cloud.sts(signer).assume_role(RoleArn=MEMBERS, RoleSessionName="ann"),
    )
    assert found["statement"] == {
        "name": "Not",
        "document": {"kind": "session policy", "name": "of the session"},
    }


def test_a_trust_policy_is_named(cloud: "Cloud", caplog: pytest.LogCaptureFixture) -> None:
    identity_id, token = cloud.guest_token()
    found = _refused(
        cloud,
        caplog,
        lambda: cloud.sts().assume_role_with_web_identity(
            RoleArn=MEMBERS, RoleSessionName="ann", WebIdentityToken=token
        ),
    )
    assert (found["who"], found["resource"]) == (identity_id, MEMBERS)
    assert found["documents"] == [{"kind": "trust policy", "name": "of for_members"}]
    assert found["remedy"] == {
        "statement": {
            "Effect": "Allow",
            "Principal": {"Federated": COGNITO},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {
                "StringEquals": {f"{COGNITO}:aud": cloud.pool_id},
                "ForAnyValue:StringLike": {f"{COGNITO}:amr": "unauthenticated"},
            },
        },
        "places": ["the trust policy of for_members"],
    }


@pytest.mark.parametrize(
    ("role", "reason", "remedy"),
    [
        (
            "for_another_session",
            None,
            {
                "statement": {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{HOME}:role/backend"},
                    "Action": "sts:AssumeRole",
                },
                "places": ["the trust policy of for_another_session"],
            },
        ),
        ("nobody", "there is no such role", None),
    ],
)
def test_a_role_that_does_not_trust_a_session(
    cloud: "Cloud",
    caplog: pytest.LogCaptureFixture,
    role: str,
    reason: str | None,
    remedy: dict[str, Any] | None,
) -> None:
    backend = cloud.sts(cloud.role("backend"))
    arn = f"arn:aws:iam::{HOME}:role/{role}"
    found = _refused(cloud, caplog, lambda: backend.assume_role(RoleArn=arn, RoleSessionName="ann"))
    assert found["who"].startswith("backend/")
    assert (found["action"], found["resource"]) == ("sts:AssumeRole", arn)
    assert (found["reason"], found["remedy"]) == (reason, remedy)


def test_a_pool_role_that_is_not_to_be_had(
    cloud: "Cloud", caplog: pytest.LogCaptureFixture
) -> None:
    identity_id, token = cloud.developer_token("ann", PrincipalTags={"tenant": "a"})
    found = _refused(
        cloud,
        caplog,
        lambda: cloud.pool_client().get_credentials_for_identity(
            IdentityId=identity_id, Logins={COGNITO: token}
        ),
    )
    assert (found["who"], found["action"]) == (identity_id, "sts:TagSession")
    assert found["resource"] == f"arn:aws:iam::{HOME}:role/member_role"


def test_another_accounts_refusals(cloud: "Cloud", caplog: pytest.LogCaptureFixture) -> None:
    abroad = cloud.sts(cloud.role("backend")).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/shared", RoleSessionName="ann"
    )["Credentials"]
    signer = Signer(abroad["AccessKeyId"], abroad["SecretAccessKey"], abroad["SessionToken"])
    publish = cloud.iot_data(signer).publish
    found = _refused(cloud, caplog, lambda: publish(topic="a", payload=b"x"))
    assert found["resource"] == f"arn:aws:iot:us-east-1:{OTHER}:topic/a"
    describe = cloud.boto("cognito-identity", signer).describe_identity
    identity_id, _ = cloud.guest_token()
    found = _refused(cloud, caplog, lambda: describe(IdentityId=identity_id))
    assert found["reason"] == "it is of another account"


def test_the_control_plane_logs_one_line(cloud: "Cloud", caplog: pytest.LogCaptureFixture) -> None:
    iot = cloud.boto("iot", cloud.role("backend"))
    found = _refused(cloud, caplog, iot.list_policies)
    assert found["action"] == "iot:ListPolicies"


@pytest.mark.parametrize(
    ("service", "operation", "asked", "path"),
    [
        ("cognito-identity", "describe_identity", {"IdentityId": "us-east-1:x"}, "/"),
        ("sts", "get_caller_identity", {}, "/"),
        ("iot", "list_policies", {}, "/policies"),
        ("iot-data", "publish", {"topic": "a", "payload": b"x"}, "/topics/a"),
    ],
)
def test_signatures_that_are_refused(
    cloud: "Cloud", service: str, operation: str, asked: dict[str, Any], path: str
) -> None:
    client = cloud.boto(service, Signer(cloud.role("backend").access_key_id, "wrong", None))
    with pytest.raises(ClientError):
        getattr(client, operation)(**asked)
    newest = cloud.running.call(lambda: next(iter(cloud.stand_in.decisions.latest(1))))
    assert (newest["allowed"], newest["who"]) == (False, "nobody")
    assert "The request signature we calculated does not match" in str(newest["reason"])
    assert newest["resource"] == path


def test_an_upgrade_that_is_not_signed(cloud: "Cloud") -> None:
    assert cloud.upgrade("/mqtt?x=%0a").status == 403
    newest = cloud.running.call(lambda: next(iter(cloud.stand_in.decisions.latest(1))))
    assert (newest["action"], newest["resource"]) == ("GET", "/mqtt")
    assert newest["reason"] == "Missing Authentication Token"


def test_strangers_push_out_no_refusal_and_take_little_room() -> None:
    log = DecisionLog()
    refused = Decision(
        is_allowed=False, who="a", action="iot:Publish", resource="r", documents=(), reason="no"
    )
    log.keep(1.0, refused)
    request = ReceivedRequest("GET", "/" + "é" * 60_000, "", {})
    for _ in range(1_500):
        log.keep_unsigned(request, SignatureRefused("x" * 60_000), 2.0)
    kept = list(log.latest(5_000))
    assert len(kept) == 201
    assert kept[-1]["who"] == "a"
    assert max(len(json.dumps(each)) for each in kept) < 4_000
