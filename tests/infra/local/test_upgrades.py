"""The WebSocket port from outside: who is let in, and what the refused are told."""

import json
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from infra.local.conftest import Aws, HttpReply, Signer


def _message(reply: "HttpReply") -> str:
    """Check the shape of AWS's refusal and return its text."""
    assert reply.status == 403
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-amzn-errortype"] == "ForbiddenException:"
    assert reply.headers["access-control-allow-origin"] == "*"
    content = json.loads(reply.body)
    assert content["traceId"] == reply.headers["x-amzn-requestid"]
    assert int(reply.headers["content-length"]) == len(reply.body)
    return str(content["message"])


@pytest.fixture
def guest(aws: "Aws") -> "Signer":
    return aws.guest()


def test_signed_upgrade_is_accepted_and_the_sub_protocol_echoed(
    aws: "Aws", guest: "Signer"
) -> None:
    for name in ("mqtt", "mqttv3.1"):
        reply = aws.upgrade(aws.presign(guest), {"Sec-WebSocket-Protocol": name})
        assert reply.status == 101
        assert reply.headers["sec-websocket-protocol"] == name
        assert reply.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_service_iotdata_is_accepted_and_another_is_not(aws: "Aws", guest: "Signer") -> None:
    assert aws.upgrade(aws.presign(guest, service="iotdata")).status == 101
    refused = aws.upgrade(aws.presign(guest, service="execute-api"))
    assert "correct service" in _message(refused)


def test_unsigned_upgrade(aws: "Aws") -> None:
    assert _message(aws.upgrade("/mqtt")) == "Missing Authentication Token"


def test_forged_signature_has_the_length_that_aws_answers(aws: "Aws", guest: "Signer") -> None:
    path = aws.presign(guest)
    place = path.index("X-Amz-Signature=") + len("X-Amz-Signature=")
    forged = path[:place] + ("0" if path[place] != "0" else "1") + path[place + 1 :]
    reply = aws.upgrade(forged)
    assert _message(reply).startswith("The request signature we calculated does not match")
    assert len(reply.body) == 241  # as observed on AWS


def test_foreign_region(aws: "Aws", guest: "Signer") -> None:
    reply = aws.upgrade(aws.presign(guest, region="eu-west-1"))
    assert _message(reply) == "Credential should be scoped to a valid region, not 'eu-west-1'."


def test_old_and_early_signatures_have_the_lengths_that_aws_answers(
    aws: "Aws", guest: "Signer"
) -> None:
    path = aws.presign(guest)
    with aws.clock.moved(302):
        expired = aws.upgrade(path)
    with aws.clock.moved(-302):
        early = aws.upgrade(path)
    assert _message(expired).startswith("Signature expired: ")
    assert len(expired.body) == 163
    assert _message(early).startswith("Signature not yet current: ")
    assert len(early.body) == 171


def test_expired_credentials(aws: "Aws", guest: "Signer") -> None:
    with aws.clock.moved(3601):
        reply = aws.upgrade(aws.presign(guest))
    assert _message(reply) == "The security token included in the request is expired."


def test_missing_foreign_and_damaged_session_tokens(aws: "Aws", guest: "Signer") -> None:
    path, _, token = aws.presign(guest).partition("&X-Amz-Security-Token=")
    others = aws.guest().session_token or ""
    for wrong in ("", quote(others, safe=""), token[:-8] + "AAAAAAA%3D", "%ff", "zzz"):
        reply = aws.upgrade(f"{path}&X-Amz-Security-Token={wrong}" if wrong else path)
        assert _message(reply) == "The security token included in the request is invalid."


def test_a_parameter_given_twice(aws: "Aws", guest: "Signer") -> None:
    reply = aws.upgrade(aws.presign(guest) + "&X-Amz-Date=20200101T000000Z")
    assert "more than once" in _message(reply)


def test_another_path_is_404(aws: "Aws", guest: "Signer") -> None:
    assert aws.upgrade(aws.presign(guest).replace("/mqtt", "/other", 1)).status == 404


@pytest.mark.parametrize(
    "received",
    [
        b"GET /mqtt HTTP/1.1\r\n\r\n",
        b"GET /mqtt HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        b"POST /mqtt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /mqtt?X-Amz-Signature=%zz&X-Amz-Credential=a/b/c/d/e HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /mqtt HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=,,=\r\n\r\n",
        b"A" * 20_000,
    ],
)
def test_bytes_that_are_no_upgrade_end_the_socket_and_nothing_else(
    aws: "Aws", received: bytes
) -> None:
    with socket.create_connection(aws.iot_address, timeout=10) as raw:
        raw.sendall(received)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    assert not answer.startswith(b"HTTP/1.1 5")
    assert aws.upgrade(aws.presign(aws.guest())).status == 101


def test_two_hundred_half_open_upgrades_disturb_nobody(aws: "Aws", guest: "Signer") -> None:
    listener = aws.connect(guest)
    listener.subscribe("dev/public/calm")
    idle = [socket.create_connection(aws.iot_address, timeout=10) for _ in range(200)]
    try:
        for raw in idle:
            raw.sendall(b"GET /mqtt HTTP/1.1\r\nHost:")
        aws.iot_data(aws.role("publisher_role")).publish(topic="dev/public/calm", payload=b"x")
        assert listener.next_message() == ("dev/public/calm", b"x")
    finally:
        for raw in idle:
            raw.close()
