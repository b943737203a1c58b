"""STS with an unmodified boto3."""

import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.local.conftest import Signer
from infra.local.identity.conftest import HOME, OTHER, allow

if TYPE_CHECKING:
    from infra.local.identity.conftest import Cloud


def _arn(name: str, account: str = HOME) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def _signer(credentials: Any) -> Signer:
    return Signer(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
    )


def _code(caught: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(caught.value.response["Error"]["Code"])


def _message(caught: "pytest.ExceptionInfo[ClientError]") -> str:
    return str(caught.value.response["Error"]["Message"])


def _status(caught: "pytest.ExceptionInfo[ClientError]") -> int:
    return int(caught.value.response["ResponseMetadata"]["HTTPStatusCode"])


def test_a_member_becomes_a_role_by_web_identity(cloud: "Cloud") -> None:
    identity_id, token = cloud.developer_token()
    answer = cloud.sts().assume_role_with_web_identity(
        RoleArn=_arn("for_members"), RoleSessionName="ann@tab", WebIdentityToken=token
    )
    assert answer["SubjectFromWebIdentityToken"] == identity_id
    assert answer["Provider"] == "cognito-identity.amazonaws.com"
    assert answer["Audience"] == cloud.pool_id
    assert answer["AssumedRoleUser"]["Arn"] == (
        "arn:aws:sts::000000000000:assumed-role/for_members/ann@tab"
    )
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:ann@tab", answer["AssumedRoleUser"]["AssumedRoleId"])
    left_s = answer["Credentials"]["Expiration"].timestamp() - time.time()
    assert 3590 < left_s <= 3600
    seen = cloud.sts(_signer(answer["Credentials"])).get_caller_identity()
    assert seen["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert seen["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert seen["Account"] == "000000000000"


def test_a_guest_becomes_a_role_by_the_classic_flow(cloud: "Cloud") -> None:
    identity_id, token = cloud.guest_token()
    answer = cloud.sts().assume_role_with_web_identity(
        RoleArn=_arn("for_guests"),
        RoleSessionName="tab",
        WebIdentityToken=token,
        DurationSeconds=7200,
    )
    signer = _signer(answer["Credentials"])
    listener = cloud.connect(signer, identity_id)
    assert listener.subscribe("dev/public/x") == [0]
    with cloud.clock.moved(7201), pytest.raises(ClientError) as caught:
        cloud.sts(signer).get_caller_identity()
    # botocore signs with its own clock, two hours behind: the credentials are looked at first.
    assert _code(caught) == "ExpiredToken"
    assert _status(caught) == 403


def test_a_role_of_another_account_trusts_the_pool_as_well(cloud: "Cloud") -> None:
    _, token = cloud.developer_token()
    answer = cloud.sts().assume_role_with_web_identity(
        RoleArn=_arn("for_members", OTHER), RoleSessionName="ann", WebIdentityToken=token
    )
    seen = cloud.sts(_signer(answer["Credentials"])).get_caller_identity()
    assert seen["Account"] == "111111111111"


@pytest.mark.parametrize(
    "role",
    ["for_guests", "for_foreign_pool", "trusts_nobody", "narrowed", "absent"],
)
def test_roles_that_do_not_trust_the_token(cloud: "Cloud", role: str) -> None:
    _, token = cloud.developer_token()
    with pytest.raises(ClientError) as caught:
        cloud.sts().assume_role_with_web_identity(
            RoleArn=_arn(role), RoleSessionName="ann", WebIdentityToken=token
        )
    assert _code(caught) == "AccessDenied"
    assert _status(caught) == 403
    assert _message(caught) == "Not authorized to perform sts:AssumeRoleWithWebIdentity"


def test_tokens_that_are_no_good(cloud: "Cloud") -> None:
    sts = cloud.sts()
    _, token = cloud.developer_token(TokenDuration=60)
    asked: dict[str, Any] = {"RoleArn": _arn("for_members"), "RoleSessionName": "ann"}
    for made_up in ("x.y.z", token[:-8] + "AAAAAAAA", token.rsplit(".", 1)[0] + "."):
        with pytest.raises(sts.exceptions.InvalidIdentityTokenException):
            sts.assume_role_with_web_identity(**asked, WebIdentityToken=made_up)
    with (
        cloud.clock.moved(61),
        pytest.raises(sts.exceptions.ExpiredTokenException, match="Token expired: current date/ti"),
    ):
        sts.assume_role_with_web_identity(**asked, WebIdentityToken=token)


def test_assume_role_across_accounts_and_chained(cloud: "Cloud") -> None:
    backend = cloud.sts(cloud.role("backend"))
    far = backend.assume_role(
        RoleArn=_arn("shared", OTHER), RoleSessionName="first", DurationSeconds=43_200
    )
    assert far["AssumedRoleUser"]["Arn"] == ("arn:aws:sts::111111111111:assumed-role/shared/first")
    chained = cloud.sts(_signer(far["Credentials"]))
    assert chained.get_caller_identity()["Account"] == "111111111111"
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole") as caught:
        chained.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="second")
    assert (_code(caught), _status(caught)) == ("AccessDenied", 403)


def test_a_chained_session_lasts_an_hour_at_most(cloud: "Cloud") -> None:
    backend = cloud.sts(cloud.role("backend"))
    far = backend.assume_role(RoleArn=_arn("shared", OTHER), RoleSessionName="first")
    chained = cloud.sts(_signer(far["Credentials"]))
    asked: dict[str, Any] = {"RoleArn": _arn("chained"), "RoleSessionName": "again"}
    assert chained.assume_role(**asked, DurationSeconds=3600)["AssumedRoleUser"]["Arn"] == (
        "arn:aws:sts::000000000000:assumed-role/chained/again"
    )
    with pytest.raises(ClientError, match="1 hour session limit") as caught:
        chained.assume_role(**asked, DurationSeconds=3601)
    assert (_code(caught), _status(caught)) == ("ValidationError", 400)


@pytest.mark.parametrize("signer", ["powerless", "guest"])
def test_callers_whose_own_policy_does_not_allow_it(cloud: "Cloud", signer: str) -> None:
    sts = cloud.sts(cloud.guest() if signer == "guest" else cloud.role(signer))
    with pytest.raises(ClientError, match=r"because no (identity-based|session) policy") as caught:
        sts.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="ann")
    assert (_code(caught), _status(caught)) == ("AccessDenied", 403)


def test_what_a_trust_policy_may_ask_for(cloud: "Cloud") -> None:
    sts = cloud.sts(cloud.role("backend"))
    good: dict[str, Any] = {
        "RoleArn": _arn("with_conditions"),
        "RoleSessionName": "ann-1",
        "ExternalId": "x1",
    }
    assert sts.assume_role(**good)["Credentials"]
    for wrong in (
        {**good, "ExternalId": "x2"},
        {**good, "RoleSessionName": "bob-1"},
        {name: value for name, value in good.items() if name != "ExternalId"},
        {"RoleArn": _arn("for_another_session"), "RoleSessionName": "ann"},
    ):
        with pytest.raises(ClientError) as caught:
            sts.assume_role(**wrong)
        assert _code(caught) == "AccessDenied"
    assert sts.assume_role(RoleArn=_arn("for_one_session"), RoleSessionName="ann")["Credentials"]


def test_principal_tags_need_a_trust_policy_that_lets_them_in(cloud: "Cloud") -> None:
    _, token = cloud.developer_token(PrincipalTags={"team": "red"})
    asked: dict[str, Any] = {"RoleSessionName": "ann", "WebIdentityToken": token}
    sts = cloud.sts()
    with pytest.raises(ClientError, match="Not authorized"):
        sts.assume_role_with_web_identity(**asked, RoleArn=_arn("for_members"))
    assert sts.assume_role_with_web_identity(**asked, RoleArn=_arn("for_tagged_members"))


def test_a_session_policy_narrows(cloud: "Cloud") -> None:
    sts = cloud.sts(cloud.role("backend"))
    allowed = "arn:aws:iot:us-east-1:000000000000:topic/dev/public/a"
    policy = json.dumps(allow("iot:Publish", resource=allowed))
    answer = sts.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="ann", Policy=policy)
    signer = _signer(answer["Credentials"])
    grant = cloud.stand_in._issuer.look_up(  # noqa: SLF001  # what the credentials really carry
        signer.access_key_id, signer.session_token, time.time()
    )
    assert grant.principal.session_policies == (policy,)
    assert cloud.sts(signer).get_caller_identity()["Account"] == HOME
    client = cloud.iot_data(signer)
    client.publish(topic="dev/public/a", payload=b"{}")
    with pytest.raises(client.exceptions.ForbiddenException):
        client.publish(topic="dev/public/b", payload=b"{}")


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("not json", "MalformedPolicyDocument"),
        ("[]", "MalformedPolicyDocument"),
        ("{}", "MalformedPolicyDocument"),
        (json.dumps({"Version": "2012-10-17", "Statement": "x"}), "MalformedPolicyDocument"),
        (json.dumps(allow("iot:Publish", resource="x" * 2048)), "PackedPolicyTooLarge"),
        ("日本", "ValidationError"),
    ],
)
def test_session_policies_that_are_no_good(cloud: "Cloud", policy: str, code: str) -> None:
    sts = cloud.sts(cloud.role("backend"))
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="ann", Policy=policy)
    assert (_code(caught), _status(caught)) == (code, 400)


def test_errors_of_session_policies_have_types(cloud: "Cloud") -> None:
    sts = cloud.sts(cloud.role("backend"))
    with pytest.raises(sts.exceptions.MalformedPolicyDocumentException):
        sts.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="ann", Policy="{")
    with pytest.raises(sts.exceptions.PackedPolicyTooLargeException):
        sts.assume_role(RoleArn=_arn("narrowed"), RoleSessionName="ann", Policy="x" * 2049)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"DurationSeconds": 3601}, "exceeds the MaxSessionDuration"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/X12345678"}]}, "PolicyArns"),
        ({"ExternalId": "x y"}, "externalId"),
        ({"SourceIdentity": "ann"}, "'SourceIdentity' is not emulated"),
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "Tags"),
        ({"RoleSessionName": "a b"}, "roleSessionName"),
    ],
)
def test_wishes_that_cannot_be_had(cloud: "Cloud", wrong: dict[str, Any], text: str) -> None:
    asked = {"RoleArn": _arn("narrowed"), "RoleSessionName": "ann", **wrong}
    with pytest.raises(ClientError) as caught:
        cloud.sts(cloud.role("backend")).assume_role(**asked)
    assert _code(caught) == "ValidationError"
    assert text in _message(caught)


def test_bad_signatures(cloud: "Cloud") -> None:
    good = cloud.role("backend")
    for signer, code in (
        (Signer(good.access_key_id, "wrong", None), "SignatureDoesNotMatch"),
        (Signer("AKIAAAAAAAAAAAAAAAAA", "wrong", None), "InvalidClientTokenId"),
        (Signer(good.access_key_id, good.secret_access_key, "token"), "InvalidClientTokenId"),
        (None, "MissingAuthenticationToken"),
    ):
        with pytest.raises(ClientError) as caught:
            cloud.sts(signer).get_caller_identity()
        assert (_code(caught), _status(caught)) == (code, 403)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingAction"),
        (b"Action=GetSessionToken&Version=2011-06-15", "InvalidAction"),
        (b"Action=GetCallerIdentity", "InvalidAction"),
        (b"Action=GetCallerIdentity&Action=x&Version=2011-06-15", "MalformedInput"),
        (b"Action=%ff", "MalformedInput"),
        (b"Action=\xff", "MalformedInput"),
        (b"&a=1" * 300, "MalformedInput"),
        (b"Action=" + b"x" * 200_000, "InvalidAction"),
        (b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15", "ValidationError"),
        (b"Action=%00%01&Version=2011-06-15", "InvalidAction"),
    ],
)
def test_forms_that_cannot_be_read(cloud: "Cloud", body: bytes, code: str) -> None:
    assert _ask(cloud, body) == code


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["Action", "Version", "RoleArn", "RoleSessionName", "WebIdentityToken", "Policy", "x"]
        ),
        st.one_of(
            st.sampled_from(
                [
                    "AssumeRole",
                    "AssumeRoleWithWebIdentity",
                    "2011-06-15",
                    "arn:aws:iam::000000000000:role/for_members",
                    "ann",
                    "a.b.c",
                ]
            ),
            st.text(max_size=40),
        ),
    )
)
def test_any_form_gets_a_refusal_that_can_be_read(cloud: "Cloud", form: dict[str, str]) -> None:
    body = urlencode(form, errors="surrogatepass").encode()
    assert _ask(cloud, body) in {
        "MissingAction",
        "InvalidAction",
        "MalformedInput",
        "ValidationError",
        "InvalidIdentityToken",
        "MissingAuthenticationToken",
        "MalformedPolicyDocument",
        "PackedPolicyTooLarge",
    }


def _ask(cloud: "Cloud", body: bytes) -> str:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = cloud.request("POST", "/", headers, body)
    assert answer.headers["content-type"] == "text/xml"
    root = ET.fromstring(answer.body)
    space = "{https://sts.amazonaws.com/doc/2011-06-15/}"
    assert root.tag == f"{space}ErrorResponse"
    assert root.findtext(f"{space}RequestId")
    return str(root.findtext(f"{space}Error/{space}Code"))
