"""The IoT control plane through boto3: policies, attachments, limits, what they do to clients."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.clocks import Clocks
from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iot.authorization import PolicyChoices
from bellwire_local.iot.limits import OFF
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import Clock, Signer, account_of

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_sts import STSClient

    from infra.local.conftest import Aws, HttpReply

ARN = "arn:aws:iot:us-east-1:000000000000"
SOMEBODY = "us-east-1:11111111-1111-4111-8111-111111111111"
PROVIDER = "login.example"


def _policy(*statements: tuple[object, object]) -> PolicyDocument:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resource}
            for action, resource in statements
        ],
    }


ALL = json.dumps(_policy(("iot:*", "*")))
ROLES = {
    "admin": _policy(("*", "*")),
    "nobody": _policy(("iot:Publish", "*")),
    "policies_only": _policy(("iot:*", f"{ARN}:policy/team-*")),
    "member": _policy(
        ("iot:Connect", f"{ARN}:client/${{cognito-identity.amazonaws.com:sub}}"),
        (["iot:Subscribe", "iot:Receive"], "*"),
    ),
}
TRUST_HOME: PolicyDocument = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": "000000000000"},
        "Action": "sts:AssumeRole",
    },
}


def _settings(data_dir: Path) -> StandInSettings:
    return StandInSettings(
        data_dir=data_dir,
        accounts={
            **account_of(ROLES),
            "111111111111": Account({"admin": Role(ROLES["admin"], TRUST_HOME)}),
        },
        pool=PoolSettings(
            unauthenticated_role=None, authenticated_role="member", developer_provider=PROVIDER
        ),
        policy_choices=PolicyChoices(),
        iot_port=0,
        aws_port=0,
    )


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def running(
    running_aws: "Aws", clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Aws"]:
    stand_in = StandIn(
        _settings(tmp_path_factory.mktemp("control_plane")),
        Clocks(clock.wall_s, clock.monotonic_s),
    )
    with running_in_thread(stand_in) as found:
        yield type(running_aws)(found, clock)


@pytest.fixture
def aws(running: "Aws", clock: Clock) -> Iterator["Aws"]:
    clock.ahead_s += 1  # the rates of one test are no other's
    yield running
    running.close_clients()


@pytest.fixture
def iot(aws: "Aws") -> "IoTClient":
    return client(aws, aws.role("admin"))


def client(aws: "Aws", signer: Signer, region: str = "us-east-1") -> "IoTClient":
    return boto3.client(
        "iot",
        region_name=region,
        endpoint_url=aws.stand_in.aws_url,
        aws_access_key_id=signer.access_key_id,
        aws_secret_access_key=signer.secret_access_key,
        aws_session_token=signer.session_token,
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )


def sts(aws: "Aws", signer: Signer) -> "STSClient":
    return boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=aws.stand_in.aws_url,
        aws_access_key_id=signer.access_key_id,
        aws_secret_access_key=signer.secret_access_key,
    )


def _error(caught: pytest.ExceptionInfo[ClientError]) -> tuple[Any, Any]:
    answered = caught.value.response
    return answered["Error"]["Code"], answered["ResponseMetadata"]["HTTPStatusCode"]


def _member(aws: "Aws", user: str) -> Signer:
    admin = aws.role("admin")
    backend = boto3.client(
        "cognito-identity",
        region_name="us-east-1",
        endpoint_url=aws.stand_in.aws_url,
        aws_access_key_id=admin.access_key_id,
        aws_secret_access_key=admin.secret_access_key,
    )
    issued = backend.get_open_id_token_for_developer_identity(
        IdentityPoolId=aws.stand_in.identity_pool_id, Logins={PROVIDER: user}
    )
    identity_id = issued["IdentityId"]
    granted = aws.cognito().get_credentials_for_identity(
        IdentityId=identity_id, Logins={"cognito-identity.amazonaws.com": issued["Token"]}
    )["Credentials"]
    return Signer(
        granted["AccessKeyId"], granted["SecretKey"], granted["SessionToken"], identity_id
    )


def test_an_identity_connects_once_a_policy_is_attached(aws: "Aws", iot: "IoTClient") -> None:
    member = _member(aws, "ann")
    early = aws.start_connecting(member, member.identity_id)
    early.disconnected.get(timeout=10)
    document = _policy(
        ("iot:Connect", "*"),
        (["iot:Subscribe", "iot:Receive"], [f"{ARN}:topicfilter/a/*", f"{ARN}:topic/a/*"]),
    )
    iot.create_policy(policyName="members", policyDocument=json.dumps(document))
    iot.attach_policy(policyName="members", target=member.identity_id)
    aws.clock.ahead_s += 2  # a client id connects once a second
    listener = aws.connect(member)
    assert listener.subscribe("a/x") == [0]
    assert listener.subscribe("b/x") == [128]
    data = aws.iot_data(aws.role("admin"))
    data.publish(topic="a/x", payload=b"1")
    assert listener.next_message() == ("a/x", b"1")
    iot.detach_policy(policyName="members", target=member.identity_id)
    data.publish(topic="a/x", payload=b"2")
    iot.attach_policy(policyName="members", target=member.identity_id)
    data.publish(topic="a/x", payload=b"3")
    assert listener.next_message() == ("a/x", b"3")


def test_a_policy_is_made_read_and_deleted(aws: "Aws", iot: "IoTClient") -> None:
    created = iot.create_policy(policyName="p=1,@x", policyDocument=ALL)
    arn = f"{ARN}:policy/p=1,@x"
    assert (created["policyName"], created["policyArn"]) == ("p=1,@x", arn)
    assert (created["policyDocument"], created["policyVersionId"]) == (ALL, "1")
    read = iot.get_policy(policyName="p=1,@x")
    assert (read["policyArn"], read["policyDocument"]) == (arn, ALL)
    assert read["defaultVersionId"] == "1"
    assert abs(read["creationDate"].timestamp() - aws.clock.wall_s()) < 10
    assert {"policyName": "p=1,@x", "policyArn": arn} in iot.list_policies()["policies"]
    iot.delete_policy(policyName="p=1,@x")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName="p=1,@x")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.delete_policy(policyName="p=1,@x")


def test_attaching_twice_or_detaching_nothing_is_no_error(iot: "IoTClient") -> None:
    iot.create_policy(policyName="twice", policyDocument=ALL)
    for _ in range(2):
        iot.attach_policy(policyName="twice", target=SOMEBODY)
    attached = iot.list_attached_policies(target=SOMEBODY)["policies"]
    assert attached == [{"policyName": "twice", "policyArn": f"{ARN}:policy/twice"}]
    assert iot.list_targets_for_policy(policyName="twice")["targets"] == [SOMEBODY]
    for _ in range(2):
        iot.detach_policy(policyName="twice", target=SOMEBODY)
    iot.detach_policy(policyName="no_such_policy", target=SOMEBODY)
    assert iot.list_attached_policies(target=SOMEBODY)["policies"] == []
    iot.delete_policy(policyName="twice")


def test_versions_and_which_one_counts(iot: "IoTClient") -> None:
    documents = [json.dumps(_policy((f"iot:A{number}", "*"))) for number in range(1, 7)]
    iot.create_policy(policyName="v", policyDocument=documents[0])
    second = iot.create_policy_version(policyName="v", policyDocument=documents[1])
    assert (second["policyVersionId"], second["isDefaultVersion"]) == ("2", False)
    assert iot.get_policy(policyName="v")["policyDocument"] == documents[0]
    third = iot.create_policy_version(
        policyName="v", policyDocument=documents[2], setAsDefault=True
    )
    assert (third["policyVersionId"], third["isDefaultVersion"]) == ("3", True)
    assert iot.get_policy(policyName="v")["policyDocument"] == documents[2]
    iot.set_default_policy_version(policyName="v", policyVersionId="2")
    read = iot.get_policy_version(policyName="v", policyVersionId="2")
    assert (read["policyDocument"], read["isDefaultVersion"]) == (documents[1], True)
    for document in documents[3:5]:
        iot.create_policy_version(policyName="v", policyDocument=document)
    with pytest.raises(iot.exceptions.VersionsLimitExceededException):
        iot.create_policy_version(policyName="v", policyDocument=documents[5])
    with pytest.raises(iot.exceptions.DeleteConflictException):
        iot.delete_policy_version(policyName="v", policyVersionId="2")
    with pytest.raises(iot.exceptions.DeleteConflictException):
        iot.delete_policy(policyName="v")
    for number in ("1", "3", "4", "5"):
        iot.delete_policy_version(policyName="v", policyVersionId=number)
    again = iot.create_policy_version(policyName="v", policyDocument=documents[5])
    assert again["policyVersionId"] == "6"
    listed = iot.list_policy_versions(policyName="v")["policyVersions"]
    assert [(one["versionId"], one["isDefaultVersion"]) for one in listed] == [
        ("2", True),
        ("6", False),
    ]
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.set_default_policy_version(policyName="v", policyVersionId="1")
    iot.delete_policy_version(policyName="v", policyVersionId="6")
    iot.delete_policy(policyName="v")


def test_what_exists_or_is_attached_conflicts(iot: "IoTClient") -> None:
    iot.create_policy(policyName="taken", policyDocument=ALL)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException) as caught:
        iot.create_policy(policyName="taken", policyDocument=ALL)
    assert _error(caught) == ("ResourceAlreadyExistsException", 409)
    answered: Mapping[str, object] = caught.value.response
    assert answered["resourceArn"] == f"{ARN}:policy/taken"
    iot.attach_policy(policyName="taken", target=SOMEBODY)
    with pytest.raises(iot.exceptions.DeleteConflictException) as conflict:
        iot.delete_policy(policyName="taken")
    assert _error(conflict) == ("DeleteConflictException", 409)
    iot.detach_policy(policyName="taken", target=SOMEBODY)
    iot.delete_policy(policyName="taken")


def test_a_document_has_at_most_2048_characters_that_are_not_white_space(iot: "IoTClient") -> None:
    frame = json.dumps(_policy(("iot:A", "")), separators=(",", ":"))
    longest = frame.replace('""', '"' + "a" * (2048 - len(frame)) + '"')
    assert len(longest) == 2048
    iot.create_policy(policyName="longest", policyDocument=longest + " \n\t" * 500)
    with pytest.raises(iot.exceptions.MalformedPolicyException, match="2049 characters"):
        iot.create_policy(policyName="longer", policyDocument=longest.replace("aa", "aaa", 1))
    iot.delete_policy(policyName="longest")


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 2000, "not JSON"),
        ('"\\ud800"', "not JSON"),
        ("[]", r"is \[\]; an object is expected"),
        (json.dumps({**_policy(("a", "*")), "Version": "2008-10-17"}), "'2012-10-17' is expected"),
        (
            json.dumps(_policy(("iot:*", "${iot:Connection.Thing.ThingName}"))),
            "not enforced here.*ThingName.* is not resolved here",
        ),
        (
            json.dumps(_policy(("iot:*", "${cognito-identity.amazonaws.com:aud}"))),
            "is not resolved here",
        ),
    ],
)
def test_a_document_that_is_not_enforced_is_malformed(
    iot: "IoTClient", document: str, complaint: str
) -> None:
    with pytest.raises(iot.exceptions.MalformedPolicyException, match=complaint) as caught:
        iot.create_policy(policyName="malformed", policyDocument=document)
    assert _error(caught) == ("MalformedPolicyException", 400)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName="malformed")


@pytest.mark.parametrize("name", ["a b", "a/b", "x" * 129, "ä"])
def test_a_name_out_of_the_pattern_is_invalid(iot: "IoTClient", name: str) -> None:
    with pytest.raises(iot.exceptions.InvalidRequestException, match="policyName is"):
        iot.create_policy(policyName=name, policyDocument=ALL)


@pytest.mark.parametrize("target", ["", "x", f"{ARN}:cert/1", "us-east-1:XYZ"])
def test_only_identities_are_targets(iot: "IoTClient", target: str) -> None:
    with pytest.raises(iot.exceptions.InvalidRequestException, match="target is"):
        iot.attach_policy(policyName="any", target=target)


def test_attaching_what_is_not_there_is_not_found(iot: "IoTClient") -> None:
    with pytest.raises(iot.exceptions.ResourceNotFoundException) as caught:
        iot.attach_policy(policyName="absent", target=SOMEBODY)
    assert _error(caught) == ("ResourceNotFoundException", 404)


def test_a_target_holds_ten_policies(iot: "IoTClient") -> None:
    names = [f"ten-{number:02}" for number in range(11)]
    for name in names:
        iot.create_policy(policyName=name, policyDocument=ALL)
    for name in names[:10]:
        iot.attach_policy(policyName=name, target=SOMEBODY)
    with pytest.raises(iot.exceptions.LimitExceededException) as caught:
        iot.attach_policy(policyName=names[10], target=SOMEBODY)
    assert _error(caught) == ("LimitExceededException", 410)
    first = iot.list_attached_policies(target=SOMEBODY, pageSize=6)
    rest = iot.list_attached_policies(target=SOMEBODY, pageSize=6, marker=first["nextMarker"])
    assert [one["policyName"] for one in first["policies"] + rest["policies"]] == names[:10]
    assert "nextMarker" not in rest


@pytest.mark.parametrize("size", [0, 251, -1])
def test_a_page_has_1_to_250_names(iot: "IoTClient", size: int) -> None:
    with pytest.raises(iot.exceptions.InvalidRequestException, match="pageSize"):
        iot.list_policies(pageSize=size)


def test_a_change_is_stored_at_once_and_in_force_later(aws: "Aws", iot: "IoTClient") -> None:
    member = _member(aws, "late")
    iot.create_policy(policyName="late", policyDocument=ALL)
    aws.stand_in.authorizer.propagation_s = 5.0
    try:
        iot.attach_policy(policyName="late", target=member.identity_id)
        attached = iot.list_attached_policies(target=member.identity_id)["policies"]
        assert [one["policyName"] for one in attached] == ["late"]
        early = aws.start_connecting(member, member.identity_id)
        early.disconnected.get(timeout=10)
        aws.clock.ahead_s += 5
        aws.connect(member)
    finally:
        aws.stand_in.authorizer.propagation_s = 0.0


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("list_things", {}),
        ("test_authorization", {"authInfos": [{"resources": ["*"]}]}),
        ("attach_principal_policy", {"policyName": "p", "principal": "us-east-1:x"}),
        ("describe_thing", {"thingName": "a/b c"}),
    ],
)
def test_what_the_control_plane_does_not_do_is_said(
    iot: "IoTClient", operation: str, asked: dict[str, object]
) -> None:
    with pytest.raises(
        ClientError, match="is not supported here; policies, their attach"
    ) as caught:
        getattr(iot, operation)(**asked)
    assert _error(caught) == ("UnknownOperationException", 404)


def test_a_presigned_url_of_the_control_plane_finds_it(aws: "Aws", iot: "IoTClient") -> None:
    for operation, status in (("list_things", 404), ("list_policies", 200)):
        url = iot.generate_presigned_url(operation)
        reply = aws.request("GET", url.removeprefix(aws.stand_in.aws_url), {}, b"")
        assert reply.status == status, reply.body


def test_without_limits_nothing_is_throttled_or_too_long(
    running_aws: "Aws", tmp_path: Path
) -> None:
    stand_in = StandIn(replace(_settings(tmp_path), limits=OFF), Clocks(monotonic_s=lambda: 1000.0))
    with running_in_thread(stand_in) as found:
        aws = type(running_aws)(found, Clock())
        iot = client(aws, aws.role("admin"))
        iot.create_policy(policyName="p", policyDocument=json.dumps(_policy(("a" * 3000, "*"))))
        for _ in range(20):
            iot.attach_policy(policyName="p", target=SOMEBODY)


def test_attaching_is_throttled_at_15_a_second(running_aws: "Aws", tmp_path: Path) -> None:
    stand_in = StandIn(_settings(tmp_path), Clocks(monotonic_s=lambda: 1000.0))
    with running_in_thread(stand_in) as found:
        aws = type(running_aws)(found, Clock())
        iot = client(aws, aws.role("admin"))
        iot.create_policy(policyName="p", policyDocument=ALL)
        for _ in range(15):
            iot.attach_policy(policyName="p", target=SOMEBODY)
        with pytest.raises(iot.exceptions.ThrottlingException) as caught:
            iot.attach_policy(policyName="p", target=SOMEBODY)
        assert _error(caught) == ("ThrottlingException", 400)
        iot.detach_policy(policyName="p", target=SOMEBODY)


def test_policies_outlive_a_restart_and_stay_in_their_account(
    running_aws: "Aws", tmp_path: Path
) -> None:
    make = type(running_aws)
    for start in (1, 2):
        with running_in_thread(StandIn(_settings(tmp_path))) as found:
            aws = make(found, Clock())
            iot = client(aws, aws.role("admin"))
            member = _member(aws, "bob")
            if start == 1:
                iot.create_policy(policyName="kept", policyDocument=ALL)
                iot.attach_policy(policyName="kept", target=member.identity_id)
            else:
                aws.connect(member)
                home = found.stand_in.authorizer.decisions(1)[0]
                assert home["documents"] == [
                    {"kind": "role policy", "name": "member"},
                    {"kind": "IoT policy", "name": "kept"},
                ]
            abroad = sts(aws, aws.role("admin")).assume_role(
                RoleArn="arn:aws:iam::111111111111:role/admin", RoleSessionName="abroad"
            )["Credentials"]
            other = client(
                aws,
                Signer(abroad["AccessKeyId"], abroad["SecretAccessKey"], abroad["SessionToken"]),
            )
            assert other.list_policies()["policies"] == []
            aws.close_clients()


def test_who_may_call_is_the_roles_policy(aws: "Aws", iot: "IoTClient") -> None:
    nobody = client(aws, aws.role("nobody"))
    with pytest.raises(ClientError) as caught:
        nobody.create_policy(policyName="x", policyDocument=ALL)
    assert _error(caught) == ("AccessDeniedException", 403)
    assert caught.value.response["Error"]["Message"] == (
        "User: arn:aws:sts::000000000000:assumed-role/nobody/job is not authorized to perform: "
        f"iot:CreatePolicy on resource: {ARN}:policy/x "
        "because no identity-based policy allows the iot:CreatePolicy action"
    )
    team = client(aws, aws.role("policies_only"))
    team.create_policy(policyName="team-a", policyDocument=ALL)
    with pytest.raises(ClientError, match="AccessDenied"):
        team.create_policy(policyName="other", policyDocument=ALL)
    with pytest.raises(ClientError, match=f"on resource: {SOMEBODY} because"):
        team.attach_policy(policyName="team-a", target=SOMEBODY)
    iot.delete_policy(policyName="team-a")


def test_the_endpoint_is_where_mqtt_is(aws: "Aws", iot: "IoTClient") -> None:
    authority = urlsplit(aws.stand_in.iot_url).netloc
    for asked in ({}, {"endpointType": "iot:Data-ATS"}):
        assert iot.describe_endpoint(**asked)["endpointAddress"] == authority
    with pytest.raises(iot.exceptions.InvalidRequestException, match="'iot:Jobs'"):
        iot.describe_endpoint(endpointType="iot:Jobs")


def test_a_signature_that_proves_nothing_is_refused(aws: "Aws") -> None:
    admin = aws.role("admin")
    for signer, region, code in (
        (Signer("AKIAUNKNOWN", "x", None), "us-east-1", "UnrecognizedClientException"),
        (Signer(admin.access_key_id, "wrong", None), "us-east-1", "InvalidSignatureException"),
        (admin, "eu-west-1", "InvalidSignatureException"),
    ):
        with pytest.raises(ClientError) as caught:
            client(aws, signer, region).list_policies()
        assert _error(caught) == (code, 403)
    unsigned = aws.request("GET", "/policies", {})
    assert (unsigned.status, unsigned.headers["x-amzn-errortype"]) == (
        403,
        "MissingAuthenticationTokenException:",
    )


def _ask_signed(aws: "Aws", method: str, path: str, body: bytes) -> "HttpReply":
    admin = aws.role("admin")
    request = AWSRequest(method, f"{aws.stand_in.aws_url}{path}", data=body)
    SigV4Auth(
        Credentials(admin.access_key_id, admin.secret_access_key), "iot", "us-east-1"
    ).add_auth(request)
    return aws.request(method, path, dict(request.headers), body)


def test_an_operation_that_is_not_emulated_says_so(aws: "Aws") -> None:
    reply = _ask_signed(aws, "PUT", "/policies/x", b"")
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (404, "UnknownOperationException:")
    assert b"PUT /policies/x is not supported here" in reply.body


BODIES = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.integers() | st.text(st.characters(), max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["target", "policyDocument", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(max_examples=60, deadline=None)
@given(
    route=st.sampled_from(
        [
            ("POST", "/policies/f"),
            ("POST", "/policies/f/version"),
            ("PUT", "/target-policies/f"),
            ("POST", "/target-policies/f"),
            ("GET", "/policies?pageSize=%C3%A9&marker=9999999999"),
            ("PATCH", "/policies/f/version/999999999"),
            ("POST", "/attached-policies/%C3%A9%2F"),
        ]
    ),
    body=BODIES,
)
def test_any_body_gets_a_clean_answer(running: "Aws", route: tuple[str, str], body: bytes) -> None:
    reply = _ask_signed(running, *route, body)
    assert reply.status in (200, 400, 404, 409, 410)
    json.loads(reply.body or b"{}")


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test may leave an exception in the log."""
    yield
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []
