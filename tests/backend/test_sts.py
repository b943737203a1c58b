"""Narrowed credentials and those of another account, through the stand-in's STS and its broker."""

import json

import pytest

from backend.cloud import PLACE, Cloud, signer_of
from bellwire.errors import TooLarge, Unauthenticated, Upstream
from bellwire.grants import MAX_SESSION_POLICY_CHARACTERS, session_policy
from bellwire.identity_ports import Vouched
from bellwire.sessions import NARROWED_S, session_name_of
from infra.local.conftest import MqttClient

ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
BOB = "us-east-1:00000000-0000-4000-8000-00000000000b"
INBOX = f"user/{ALICE}/inbox"


def connect_narrowed(cloud: Cloud, client_id: str, *channels: str) -> MqttClient:
    issued = cloud.narrowing().narrowed(
        session_policy(ALICE, channels, PLACE),
        session_name=session_name_of(1_795_417_463),
        lifetime_s=NARROWED_S,
    )
    return cloud.start_connecting(signer_of(issued, ALICE), client_id)


def test_narrowed_credentials_say_whose_they_are_and_when_they_end(cloud: Cloud) -> None:
    issued = cloud.narrowing().narrowed(
        session_policy(ALICE, ["public/a"], PLACE),
        session_name=session_name_of(1_795_417_463),
        lifetime_s=NARROWED_S,
    )
    caller = cloud.client_of(signer_of(issued), "sts").get_caller_identity()
    assert caller["Arn"].endswith("assumed-role/narrowed_role/bellwire-1795417463")
    assert caller["UserId"].startswith("AROA")
    assert caller["UserId"].endswith(":bellwire-1795417463")
    assert 800 < issued.expires_at_ms / 1000 - cloud.clock.wall_s() <= 901
    assert issued.secret_access_key not in repr(issued)


def test_the_broker_admits_exactly_the_channels(cloud: Cloud) -> None:
    client = connect_narrowed(cloud, f"{ALICE}-tab1", "public/a", INBOX, "group/red/room")
    assert client.connected.get(timeout=10) == 0
    asked = ("dev/public/a", f"dev/{INBOX}", "dev/group/red/room")
    assert client.subscribe(*asked) == [0, 0, 0]
    for topic in (
        "dev/public/b",
        "dev/public/a/b",
        "dev/public/+",
        "dev/public/#",
        "dev/#",
        "#",
        f"dev/user/{BOB}/inbox",
        f"dev/user/{ALICE}/other",
        "dev/group/red/other",
        "prod/public/a",
    ):
        assert client.subscribe(topic) == [128], topic


@pytest.mark.parametrize("client_id", [BOB, f"{BOB}-tab", "job-1", "x", f"{ALICE}x", f"{ALICE}-/"])
def test_the_broker_admits_exactly_the_identity(cloud: Cloud, client_id: str) -> None:
    client = connect_narrowed(cloud, client_id, "public/a")
    assert client.disconnected.get(timeout=10)
    assert client.connected.empty()


def test_narrowed_credentials_do_nothing_else(cloud: Cloud) -> None:
    issued = signer_of(
        cloud.narrowing().narrowed(
            session_policy(ALICE, ["public/a"], PLACE), session_name="bellwire-1", lifetime_s=900
        )
    )
    for service, operation, words in (
        ("iot-data", "publish", {"topic": "dev/public/a", "payload": b"x"}),
        ("iot-data", "delete_connection", {"clientId": ALICE}),
        ("iot", "list_policies", {}),
        ("iot", "attach_policy", {"policyName": "x", "target": ALICE}),
        (
            "sts",
            "assume_role",
            {
                "RoleArn": "arn:aws:iam::000000000000:role/narrowed_role",
                "RoleSessionName": "x" * 9,
            },
        ),
        (
            "cognito-identity",
            "get_open_id_token_for_developer_identity",
            {"IdentityPoolId": cloud.pool_id, "Logins": {"login.example": "alice"}},
        ),
    ):
        client = cloud.client_of(issued, service)
        with pytest.raises(client.exceptions.ClientError) as refused:
            getattr(client, operation)(**words)
        code = refused.value.response["Error"]["Code"]
        assert code in ("ForbiddenException", "AccessDeniedException", "AccessDenied"), operation


def test_a_policy_that_is_too_large_is_refused_by_sts_as_by_us(cloud: Cloud) -> None:
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    empty = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Sid": ""}]})
    fitting = empty.replace('""', f'"{"x" * (MAX_SESSION_POLICY_CHARACTERS - len(empty))}"')
    assert len(fitting) == 2048
    narrowing = cloud.narrowing()
    issued = narrowing.narrowed(fitting, session_name="bellwire-1", lifetime_s=900)
    assert issued.access_key_id.startswith("ASIA")
    with pytest.raises(TooLarge, match=r"STS refused: .*PackedPolicyTooLarge"):
        narrowing.narrowed(fitting.replace("xx", "xxx", 1), session_name="x1", lifetime_s=900)


def test_a_policy_that_is_none_is_our_own_fault(cloud: Cloud) -> None:
    for policy in ("{}", "[]", "no policy", '{"Version":"2012-10-17","Statement":[{}]}'):
        with pytest.raises(Upstream, match=r"STS refused: .*MalformedPolicyDocument"):
            cloud.narrowing().narrowed(policy, session_name="bellwire-1", lifetime_s=900)


@pytest.mark.parametrize(
    "role", ["publisher_role", "operator_role", "member_role", "guest_role", "narrowed_role"]
)
def test_only_the_session_function_narrows(cloud: Cloud, role: str) -> None:
    with pytest.raises(Upstream, match="AccessDenied"):
        cloud.narrowing(role).narrowed(
            session_policy(ALICE, ["public/a"], PLACE), session_name="bellwire-1", lifetime_s=900
        )


def test_a_member_of_the_pool_is_one_in_another_account(cloud: Cloud) -> None:
    vouched = cloud.identities().vouch_for("alice", lifetime_s=900)
    issued = cloud.elsewhere().credentials(vouched)
    assert 3500 < issued.expires_at_ms / 1000 - cloud.clock.wall_s() <= 3601
    caller = cloud.client_of(signer_of(issued), "sts").get_caller_identity()
    assert caller["Account"] == "111111111111"


def test_a_token_that_does_not_hold_gets_no_role(cloud: Cloud) -> None:
    alice = cloud.identities().vouch_for("alice", lifetime_s=900)
    elsewhere = cloud.elsewhere()
    for token in ("xxxx", alice.token[:-4] + "AAAA", cloud.issuer.sign("alice")):
        with pytest.raises(Unauthenticated, match="STS refused"):
            elsewhere.credentials(Vouched(alice.identity_id, token, 0))
    with cloud.clock.moved(901), pytest.raises(Unauthenticated, match="STS refused"):
        elsewhere.credentials(alice)


def test_a_guests_token_gets_no_role_of_members(cloud: Cloud) -> None:
    identity_id = cloud.identities().new_guest()
    token = cloud.cognito().get_open_id_token(IdentityId=identity_id)["Token"]
    with pytest.raises(Upstream, match="AccessDenied"):
        cloud.elsewhere().credentials(Vouched(identity_id, token, 0))
