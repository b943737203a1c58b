"""One story of a member, told by boto3 and paho: from a policy to a message, and to its end."""

import json

import pytest
from botocore.exceptions import ClientError

from infra.local.clients.test_paho import DEADLINE_S, V5, V311, connecting
from infra.local.endpoints import ACCOUNT_ID, DEVELOPER, Endpoint
from signing import Keys


def may(*pairs: tuple[str, str]) -> str:
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:iot:us-east-1:*:{resource}"}
        for action, resource in pairs
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def member_keys(endpoint: Endpoint, identity_id: str, token: str) -> Keys:
    issued = endpoint.cognito().get_credentials_for_identity(
        IdentityId=identity_id, Logins={"cognito-identity.amazonaws.com": token}
    )["Credentials"]
    return Keys(issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"])


def test_a_member_hears_what_the_attached_policy_allows(endpoint: Endpoint) -> None:
    iot, pool_id = endpoint.boto3("iot"), endpoint.running.stand_in.identity_pool_id
    told = endpoint.cognito().get_open_id_token_for_developer_identity(
        IdentityPoolId=pool_id, Logins={DEVELOPER: "ann"}
    )
    identity_id = told["IdentityId"]
    keys = member_keys(endpoint, identity_id, told["Token"])
    caller = endpoint.boto3("sts", keys).get_caller_identity()
    assert caller["Arn"] == (
        f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/member_role/CognitoIdentityCredentials"
    )

    with connecting(endpoint, identity_id, V5, keys) as early:  # the role alone is not enough
        assert early.connected.get(timeout=DEADLINE_S)[0] == 0x87

    document = may(
        ("iot:Connect", f"client/{identity_id}"),
        ("iot:Subscribe", "topicfilter/story/*"),
        ("iot:Receive", "topic/story/*"),
        ("iot:Publish", "topic/story/said"),
    )
    iot.create_policy(policyName="story", policyDocument=document)
    iot.attach_policy(policyName="story", target=identity_id)
    attached = iot.list_attached_policies(target=identity_id)["policies"]
    assert [one["policyName"] for one in attached] == ["story"]
    endpoint.pass_time(2)  # AWS takes one CONNECT a second for a client id

    with connecting(endpoint, identity_id, V311, keys) as member:
        assert member.connected.get(timeout=DEADLINE_S)[0] == 0
        assert member.subscribe("story/#", 1) == [1]
        assert member.subscribe("history/#", 1) == [0x80]
        endpoint.boto3("iot-data").publish(topic="story/told", payload=b"once", qos=1)
        assert member.next_message() == ("story/told", b"once", 1, False)
        endpoint.boto3("iot-data", keys).publish(topic="story/said", payload=b"upon")
        assert member.next_message() == ("story/said", b"upon", 0, False)
        with pytest.raises(ClientError, match="Forbidden"):
            endpoint.boto3("iot-data", keys).publish(topic="story/told", payload=b"forged")
        found = endpoint.boto3("iot-data").get_connection(clientId=identity_id)
        assert found["connected"] is True
        endpoint.boto3("iot-data").delete_connection(clientId=identity_id)
        member.disconnected.get(timeout=DEADLINE_S)

    iot.detach_policy(policyName="story", target=identity_id)
    iot.delete_policy(policyName="story")
    endpoint.pass_time(2)
    with connecting(endpoint, identity_id, V311, keys) as late:
        late.disconnected.get(timeout=DEADLINE_S)
        assert late.connected.empty()


def test_a_token_is_also_good_for_sts(endpoint: Endpoint) -> None:
    pool_id = endpoint.running.stand_in.identity_pool_id
    told = endpoint.cognito().get_open_id_token_for_developer_identity(
        IdentityPoolId=pool_id, Logins={DEVELOPER: "bea"}
    )
    assumed = endpoint.boto3("sts").assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/member_role",
        RoleSessionName="story",
        WebIdentityToken=told["Token"],
    )
    assert assumed["SubjectFromWebIdentityToken"] == told["IdentityId"]
    issued = assumed["Credentials"]
    keys = Keys(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    caller = endpoint.boto3("sts", keys).get_caller_identity()
    assert caller["Arn"].endswith(":assumed-role/member_role/story")
