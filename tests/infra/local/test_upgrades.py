"""The WebSocket port from outside: who is let in, and what the refused are told."""

import contextlib
import json
import logging
import resource
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bellwire_local.identity.credentials import Grant
from bellwire_local.iot.admission import EdgeChoices, UpgradeRequest, admit
from bellwire_local.iot.refusals import HttpRefusal

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


@pytest.fixture
def calm(aws: "Aws", caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], None]]:
    """A subscriber that goes on receiving whatever the others do, and a log without errors."""
    listener = aws.connect(aws.guest())
    assert listener.subscribe("dev/public/calm") == [0]
    job = aws.iot_data(aws.role("publisher_role"))

    def check() -> None:
        job.publish(topic="dev/public/calm", payload=b"x")
        assert listener.next_message() == ("dev/public/calm", b"x")

    check()
    yield check
    check()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.usefixtures("many_files")
def test_a_thousand_half_open_upgrades_disturb_nobody(aws: "Aws", calm: Callable[[], None]) -> None:
    idle = [socket.create_connection(aws.iot_address, timeout=10) for _ in range(1000)]
    try:
        for raw in idle:
            raw.sendall(b"GET /mqtt HTTP/1.1\r\nHost:")
        calm()
        assert aws.upgrade(aws.presign(aws.guest())).status == 101
    finally:
        for raw in idle:
            raw.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Both ends of a thousand sockets are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("calm")
def test_headers_that_trickle_in_are_cut_off_after_ten_seconds(aws: "Aws") -> None:
    begun_s = time.monotonic()
    with socket.create_connection(aws.iot_address, timeout=1) as raw:
        raw.sendall(b"GET /mqtt HTTP/1.1\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not _has_ended(raw):
                assert time.monotonic() - begun_s < 20
                raw.sendall(b"X")
    assert 9 < time.monotonic() - begun_s < 15


def _has_ended(raw: socket.socket) -> bool:
    try:
        return raw.recv(1) == b""
    except TimeoutError:
        return False


@pytest.mark.usefixtures("calm")
def test_an_upgrade_signed_in_its_headers_with_the_token_unsigned(aws: "Aws") -> None:
    guest = aws.guest()
    host, port = aws.iot_address
    request = AWSRequest("GET", f"http://{host}:{port}/mqtt")
    SigV4Auth(
        Credentials(guest.access_key_id, guest.secret_access_key), "iotdevicegateway", "us-east-1"
    ).add_auth(request)
    headers = dict(request.headers.items())
    assert _message(aws.upgrade("/mqtt", headers)).endswith("is invalid.")
    headers["X-Amz-Security-Token"] = guest.session_token or ""
    assert aws.upgrade("/mqtt", headers).status == 101
    headers["Authorization"] = headers["Authorization"][:-1] + "x"
    assert "does not match" in _message(aws.upgrade("/mqtt", headers))


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "Upgrade,keep-alive"])
def test_the_connection_header_may_name_more(aws: "Aws", guest: "Signer", connection: str) -> None:
    reply = aws.upgrade(aws.presign(guest), {"Connection": connection})  # the first is Firefox's
    assert reply.status == 101


def test_a_signed_request_that_asks_for_no_upgrade(aws: "Aws", guest: "Signer") -> None:
    assert aws.upgrade(aws.presign(guest), {"Connection": "close"}).status == 400
    assert aws.upgrade(aws.presign(guest), {"Upgrade": "h2c"}).status == 400


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "HEAD", "BREW"])
@pytest.mark.usefixtures("calm")
def test_other_methods_are_refused(aws: "Aws", method: str) -> None:
    with socket.create_connection(aws.iot_address, timeout=10) as raw:
        raw.sendall(f"{method} /mqtt HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert raw.recv(65_536).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("path", ["/", "/mqtt/", "/MQTT", "/topics/x", "//mqtt"])
def test_other_paths_are_404_in_aws_form(aws: "Aws", path: str) -> None:
    reply = aws.upgrade(path)
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException:")
    assert json.loads(reply.body)["traceId"] == reply.headers["x-amzn-requestid"]


def test_sub_protocols_that_are_none_of_ours_are_ignored(aws: "Aws", guest: "Signer") -> None:
    for offered, chosen in (("chat", None), ("chat, mqttv3.1 , mqtt", "mqttv3.1"), ("MQTT", None)):
        reply = aws.upgrade(aws.presign(guest), {"Sec-WebSocket-Protocol": offered})
        assert (reply.status, reply.headers.get("sec-websocket-protocol")) == (101, chosen)


def test_a_sub_protocol_is_required_when_so_chosen(aws: "Aws", guest: "Signer") -> None:
    strict = EdgeChoices(sub_protocol="required")
    path, headers = aws.presign(guest), {"host": ":".join(map(str, aws.iot_address))}
    verifier = aws.stand_in.upgrade_verifier
    refused = admit(UpgradeRequest("GET", path, headers), verifier, time.time(), strict)
    assert isinstance(refused, HttpRefusal)
    assert refused.status == 400
    assert b"Sub-protocol none; expected mqtt or mqttv3.1" in refused.body
    offering = UpgradeRequest("GET", path, {**headers, "sec-websocket-protocol": "mqtt"})
    assert isinstance(admit(offering, verifier, time.time(), strict), Grant)


def test_an_expired_url_is_426_when_so_chosen(aws: "Aws", guest: "Signer") -> None:
    lenient = EdgeChoices(expired_url_status=426)
    headers = {"host": ":".join(map(str, aws.iot_address))}
    request = UpgradeRequest("GET", aws.presign(guest), headers)
    verifier = aws.stand_in.upgrade_verifier
    refused = admit(request, verifier, time.time() + 301, lenient)
    assert isinstance(refused, HttpRefusal)
    assert refused.status == 426
    expired = admit(request, verifier, time.time() + 301, EdgeChoices())
    assert isinstance(expired, HttpRefusal)
    assert expired.status == 403
    forged = UpgradeRequest("GET", request.target[:-5] + "AAAAA", headers)
    other = admit(forged, verifier, time.time(), lenient)
    assert isinstance(other, HttpRefusal)
    assert other.status == 403
