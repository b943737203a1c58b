"""Stories told by unmodified clients: boto3 gets credentials and publishes, paho listens."""

import json
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError
from paho.mqtt.enums import MQTTProtocolVersion

if TYPE_CHECKING:
    from infra.local.conftest import Aws


def test_job_publishes_and_guest_receives(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())
    assert guest.subscribe("dev/public/host") == [0]
    aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/host", payload=b'{"v":1}')
    assert guest.next_message() == ("dev/public/host", b'{"v":1}')


def test_messages_arrive_in_the_order_of_publishing(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())
    guest.subscribe("dev/public/order")
    job = aws.connect(aws.role("publisher_role"), "job-order")
    for number in range(100):  # what a connection may publish in a second
        job.paho.publish("dev/public/order", str(number))
    received = [guest.next_message()[1] for _ in range(100)]
    assert received == [str(number).encode() for number in range(100)]


def test_topic_with_characters_that_need_encoding(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())
    guest.subscribe("dev/public/a:b@c é")
    aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/a:b@c é", payload=b"x")
    assert guest.next_message() == ("dev/public/a:b@c é", b"x")


def test_largest_payload_passes(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())
    guest.subscribe("dev/public/large")
    job = aws.iot_data(aws.role("publisher_role"))
    job.publish(topic="dev/public/large", payload=b"x" * 131_072)
    assert guest.next_message() == ("dev/public/large", b"x" * 131_072)


def test_payload_one_byte_too_large_is_413(aws: "Aws") -> None:
    job = aws.iot_data(aws.role("publisher_role"))
    with pytest.raises(ClientError) as caught:
        job.publish(topic="dev/public/large", payload=b"x" * 131_073)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert caught.value.response["Error"]["Code"] == "RequestEntityTooLargeException"


def test_qos_1_publish_is_acknowledged(aws: "Aws") -> None:
    job = aws.connect(aws.role("publisher_role"), "job-qos1")
    sent = job.paho.publish("dev/public/x", b"1", qos=1)
    assert job.published.get(timeout=10) == sent.mid


def test_second_tab_of_a_guest_connects_beside_the_first(aws: "Aws") -> None:
    signer = aws.guest()
    first = aws.connect(signer, signer.identity_id)
    second = aws.connect(signer, f"{signer.identity_id}-tab2")
    first.subscribe("dev/public/tabs")
    second.subscribe("dev/public/tabs")
    aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/tabs", payload=b"both")
    assert first.next_message() == second.next_message() == ("dev/public/tabs", b"both")


def test_same_client_id_takes_over(aws: "Aws") -> None:
    signer = aws.guest()
    first = aws.connect(signer)
    with aws.clock.moved(1):  # AWS takes one CONNECT a second for each client id
        second = aws.connect(signer)
    first.disconnected.get(timeout=10)
    assert second.subscribe("dev/public/host") == [0]


def test_silent_client_is_disconnected_after_one_and_a_half_keep_alives(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())  # keep-alive 60 s
    with aws.clock.moved(91):
        aws.running.call(aws.stand_in.broker.expire)
    guest.disconnected.get(timeout=10)


def test_mqtt_5_client_is_served(aws: "Aws") -> None:
    signer = aws.guest()
    client = aws.start_connecting(signer, signer.identity_id, protocol=MQTTProtocolVersion.MQTTv5)
    assert client.connected.get(timeout=10) == 0
    assert client.subscribe("dev/public/five", "#") == [0, 0x87]
    aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/five", payload=b"x")
    assert client.next_message() == ("dev/public/five", b"x")


@pytest.mark.parametrize("topic_filter", ["dev/user/someone", "#", "+/public/x", "prod/public/x"])
def test_filter_outside_the_policy_is_refused_in_the_suback(aws: "Aws", topic_filter: str) -> None:
    guest = aws.connect(aws.guest())
    assert guest.subscribe("dev/public/mine", topic_filter) == [0, 0x80]


def test_client_id_of_another_is_refused_by_hanging_up(aws: "Aws") -> None:
    other = aws.guest()
    client = aws.start_connecting(aws.guest(), other.identity_id)
    client.disconnected.get(timeout=10)
    assert client.connected.empty()


@pytest.mark.parametrize("suffix", ["-a/b", "-#", "-+"])
def test_own_prefix_with_a_forbidden_character_is_refused(aws: "Aws", suffix: str) -> None:
    signer = aws.guest()
    client = aws.start_connecting(signer, signer.identity_id + suffix)
    client.disconnected.get(timeout=10)
    assert client.connected.empty()


def test_publishing_guest_is_cut_off(aws: "Aws") -> None:
    guest = aws.connect(aws.guest())
    guest.paho.publish("dev/public/host", b"forged")
    guest.disconnected.get(timeout=10)


def test_publishing_guest_gets_403_over_https(aws: "Aws") -> None:
    with pytest.raises(ClientError, match="Forbidden") as caught:
        aws.iot_data(aws.guest()).publish(topic="dev/public/host", payload=b"forged")
    assert caught.value.response["Error"]["Code"] == "ForbiddenException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_job_cannot_publish_to_another_stage(aws: "Aws") -> None:
    with pytest.raises(ClientError) as caught:
        aws.iot_data(aws.role("publisher_role")).publish(topic="prod/public/x", payload=b"")
    assert caught.value.response["Error"]["Code"] == "ForbiddenException"


@pytest.mark.parametrize("topic", ["dev/public/#", "dev/+/x", "$aws/x", "a/" * 8 + "b", "x" * 257])
def test_invalid_topic_is_a_typed_error(aws: "Aws", topic: str) -> None:
    job = aws.iot_data(aws.role("publisher_role"))
    with pytest.raises(job.exceptions.InvalidRequestException):
        job.publish(topic=topic, payload=b"")


def test_wrong_secret_and_wrong_region_are_403(aws: "Aws") -> None:
    signer = aws.role("publisher_role")
    for client in (
        boto3.client(
            "iot-data",
            region_name="us-east-1",
            endpoint_url=aws.stand_in.aws_url,
            aws_access_key_id=signer.access_key_id,
            aws_secret_access_key="wrong",
        ),
        aws.iot_data(signer, region="eu-west-1"),
    ):
        with pytest.raises(ClientError) as caught:
            client.publish(topic="dev/public/x", payload=b"")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_unknown_pool_and_identity(aws: "Aws") -> None:
    cognito = aws.cognito()
    absent = "us-east-1:00000000-0000-4000-8000-000000000000"
    with pytest.raises(cognito.exceptions.ResourceNotFoundException, match="IdentityPool"):
        cognito.get_id(IdentityPoolId=absent)
    with pytest.raises(cognito.exceptions.ResourceNotFoundException, match="Identity '"):
        cognito.get_credentials_for_identity(IdentityId=absent)


def test_logins_are_not_supported_yet(aws: "Aws") -> None:
    cognito = aws.cognito()
    with pytest.raises(cognito.exceptions.NotAuthorizedException, match="not from a supported"):
        cognito.get_id(
            IdentityPoolId=aws.stand_in.identity_pool_id, Logins={"accounts.google.com": "token"}
        )


def test_cognito_answers_a_page_of_another_origin(aws: "Aws") -> None:
    preflight = aws.request(
        "OPTIONS",
        "/",
        {
            "Origin": "http://127.0.0.1:8080",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-amz-target",
        },
    )
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"].startswith("content-type,x-amz-target")
    answer = aws.request(
        "POST",
        "/",
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AWSCognitoIdentityService.GetId",
        },
        json.dumps({"IdentityPoolId": aws.stand_in.identity_pool_id}).encode(),
    )
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert json.loads(answer.body)["IdentityId"].startswith("us-east-1:")


@pytest.mark.parametrize(
    ("target", "body", "error_type"),
    [
        ("AWSCognitoIdentityService.DeleteIdentities", b"{}", "UnknownOperationException"),
        ("GetId", b"{}", "UnknownOperationException"),
        ("", b"", "UnknownOperationException"),
        ("AWSCognitoIdentityService.GetId", b"not json", "SerializationException"),
        ("AWSCognitoIdentityService.GetId", b"[]", "SerializationException"),
        ("AWSCognitoIdentityService.GetId", b"[" * 100_000, "SerializationException"),
        ("AWSCognitoIdentityService.GetId", b"{}", "InvalidParameterException"),
    ],
)
def test_cognito_refuses_what_it_cannot_read(
    aws: "Aws", target: str, body: bytes, error_type: str
) -> None:
    answer = aws.request("POST", "/", {"X-Amz-Target": target}, body)
    assert answer.status == 400
    assert json.loads(answer.body)["__type"] == error_type
    assert answer.headers["x-amzn-errortype"] == error_type
