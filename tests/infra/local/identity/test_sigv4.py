"""The verifier against two independent signers, botocore and awscrt, and against tampering."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

import pytest
from awscrt import auth as crt
from awscrt.http import HttpHeaders, HttpRequest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bellwire_local.identity.credentials import CredentialsRefused, Grant
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier

KEY, SECRET, TOKEN = "ASIAEXAMPLE", "secret/with+signs", "token/+=="
SIGNED = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NOW_S = SIGNED.timestamp()
PRINCIPAL = Principal("000000000000", "guest_role", "session")


def _look_up(access_key_id: str, session_token: str | None, _now_s: float) -> Grant:
    if (access_key_id, session_token) != (KEY, TOKEN):
        raise CredentialsRefused("The security token included in the request is invalid.")
    return Grant(PRINCIPAL, SECRET)


SERVICES = ("iotdevicegateway", "iotdata")
VERIFIER = Verifier("us-east-1", SERVICES, _look_up, is_for_upgrades=True)
HTTPS_VERIFIER = Verifier("us-east-1", SERVICES, _look_up)


def _sign_with_crt(host: str, *, omit_session_token: bool, expires_s: int | None = None) -> str:
    """Return the path that the AWS SDKs for MQTT would ask for."""
    config = crt.AwsSigningConfig(
        algorithm=crt.AwsSigningAlgorithm.V4,
        signature_type=crt.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
        credentials_provider=crt.AwsCredentialsProvider.new_static(KEY, SECRET, TOKEN),
        region="us-east-1",
        service="iotdevicegateway",
        date=SIGNED,
        omit_session_token=omit_session_token,
        expiration_in_seconds=expires_s,
    )
    request = HttpRequest("GET", "/mqtt", HttpHeaders([("host", host)]))
    signed = crt.aws_sign_request(request, config).result(timeout=10)
    return str(signed.path)


def _received(path: str, headers: Mapping[str, str]) -> ReceivedRequest:
    parts = urlsplit(path)
    return ReceivedRequest("GET", parts.path, parts.query, headers)


@pytest.mark.parametrize("received_host", ["example.test", "example.test:8081"])
def test_url_of_the_aws_sdk_with_and_without_port(received_host: str) -> None:
    path = _sign_with_crt("example.test", omit_session_token=True)
    grant = VERIFIER.verify(_received(path, {"host": received_host}), NOW_S)
    assert grant.principal is PRINCIPAL


def test_url_that_signs_its_port() -> None:
    path = _sign_with_crt("example.test:8081", omit_session_token=True)
    received = _received(path, {"host": "example.test:8081"})
    assert VERIFIER.verify(received, NOW_S).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match="does not match"):
        VERIFIER.verify(_received(path, {"host": "example.test"}), NOW_S)


def test_url_that_signs_its_token_is_refused_as_on_aws() -> None:
    path = _sign_with_crt("example.test", omit_session_token=False)
    with pytest.raises(SignatureRefused, match="does not match"):
        VERIFIER.verify(_received(path, {"host": "example.test"}), NOW_S)


def _presign(expires_s: int) -> ReceivedRequest:
    """Make the URL of any other service, whose session token is signed."""
    path = _sign_with_crt("example.test", omit_session_token=False, expires_s=expires_s)
    return _received(path, {"host": "example.test"})


def test_only_the_url_of_a_websocket_leaves_its_token_unsigned() -> None:
    presigned = _presign(600)
    assert HTTPS_VERIFIER.verify(presigned, NOW_S).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match="does not match"):
        VERIFIER.verify(presigned, NOW_S)
    unsigned = _received(
        _sign_with_crt("example.test", omit_session_token=True), {"host": "example.test"}
    )
    assert VERIFIER.verify(unsigned, NOW_S).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match="does not match"):
        HTTPS_VERIFIER.verify(unsigned, NOW_S)


@pytest.mark.parametrize("expires_s", [1, 600, 604_800])
def test_a_presigned_url_is_good_as_long_as_it_says(expires_s: int) -> None:
    presigned = _presign(expires_s)
    assert HTTPS_VERIFIER.verify(presigned, NOW_S + expires_s).principal is PRINCIPAL
    assert HTTPS_VERIFIER.verify(presigned, NOW_S - 300).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match=rf"^Signature expired: .* - {expires_s} s\.\)$"):
        HTTPS_VERIFIER.verify(presigned, NOW_S + expires_s + 1)
    with pytest.raises(SignatureRefused, match=r"^Signature not yet current"):
        HTTPS_VERIFIER.verify(presigned, NOW_S - 301)


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "10000000", "", "x", "1.5"])
def test_seven_days_are_the_longest_that_a_url_may_say(expires: str) -> None:
    presigned = _presign(600)
    query = presigned.query.replace("X-Amz-Expires=600", f"X-Amz-Expires={expires}")
    with pytest.raises(SignatureRefused, match=f"X-Amz-Expires is '{expires}'; a number of"):
        HTTPS_VERIFIER.verify(replace(presigned, query=query), NOW_S)


def test_the_time_that_the_url_of_a_websocket_says_does_not_count() -> None:
    path = _sign_with_crt("example.test", omit_session_token=True, expires_s=86_400)
    assert "X-Amz-Expires=86400" in path
    received = _received(path, {"host": "example.test"})
    assert VERIFIER.verify(received, NOW_S + 300).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match=r"^Signature expired: .* - 5 min\.\)$"):
        VERIFIER.verify(received, NOW_S + 301)


@pytest.mark.parametrize("signed_headers", ["connection;host", "host", "host;x-custom"])
def test_any_list_of_signed_headers(signed_headers: str) -> None:
    headers = {"host": "example.test", "connection": "upgrade", "x-custom": "  a   b "}
    request = AWSRequest("GET", "https://example.test/mqtt")
    for name in signed_headers.split(";"):
        request.headers[name] = headers[name]
    received = _sign_with_botocore(request, {**headers})
    assert VERIFIER.verify(received, NOW_S).principal is PRINCIPAL


def _sign_with_botocore(
    request: AWSRequest, headers: Mapping[str, str], body: bytes = b""
) -> ReceivedRequest:
    """Sign in the headers, as boto3 does, and return what a server receives."""
    signer = SigV4Auth(Credentials(KEY, SECRET), "iotdata", "us-east-1")
    request.context["timestamp"] = "20261123T120000Z"
    request.headers["X-Amz-Date"] = "20261123T120000Z"
    canonical = signer.canonical_request(request)
    scope = "20261123/us-east-1/iotdata/aws4_request"
    to_sign = (
        f"AWS4-HMAC-SHA256\n20261123T120000Z\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    )
    signature = signer.signature(to_sign, request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    parts = urlsplit(str(request.url))
    return ReceivedRequest(
        str(request.method),
        parts.path,
        parts.query,
        {
            **headers,
            "host": parts.netloc,
            "x-amz-date": "20261123T120000Z",
            "x-amz-security-token": TOKEN,
            "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, "
            f"SignedHeaders={names}, Signature={signature}",
        },
        sha256(body).hexdigest(),
    )


@pytest.mark.parametrize("topic", ["app/prod", "us-east-1:abc/1", "a b+c", "é~_-.", "100%", "a//b"])
@pytest.mark.parametrize("safe", ["", "/"])
def test_paths_and_queries_are_read_as_botocore_writes_them(topic: str, safe: str) -> None:
    if "//" in topic and safe:
        topic = topic.replace("//", "/")  # botocore normalises what the data plane never sees
    url = f"https://example.test:8082/topics/{quote(topic, safe=safe)}?qos=1&b=x%20y&a=%2F&empty="
    received = _sign_with_botocore(AWSRequest("POST", url, data=b"payload"), {}, b"payload")
    assert VERIFIER.verify(received, NOW_S).principal is PRINCIPAL


@pytest.mark.parametrize(
    "tamper",
    [
        lambda received: replace(received, method="PUT"),
        lambda received: replace(received, path="/topics/other"),
        lambda received: replace(received, query="qos=1"),
        lambda received: replace(received, body_sha256=sha256(b"other").hexdigest()),
    ],
)
def test_whatever_was_signed_cannot_be_changed(
    tamper: Callable[[ReceivedRequest], ReceivedRequest],
) -> None:
    request = AWSRequest("POST", "https://example.test/topics/x?qos=0", data=b"payload")
    received = _sign_with_botocore(request, {}, b"payload")
    assert VERIFIER.verify(received, NOW_S).principal is PRINCIPAL
    with pytest.raises(SignatureRefused, match="does not match"):
        VERIFIER.verify(tamper(received), NOW_S)


@pytest.mark.parametrize(
    ("late_s", "is_good"), [(300, True), (301, False), (-300, True), (-301, False)]
)
def test_five_minutes_either_way(late_s: float, *, is_good: bool) -> None:
    path = _sign_with_crt("example.test", omit_session_token=True)
    received = _received(path, {"host": "example.test"})
    if is_good:
        assert VERIFIER.verify(received, NOW_S + late_s).principal is PRINCIPAL
        return
    with pytest.raises(SignatureRefused, match=r"^Signature (expired|not yet current): 2026"):
        VERIFIER.verify(received, NOW_S + late_s)


@pytest.mark.parametrize(
    ("replaced", "by", "complaint"),
    [
        ("X-Amz-Signature=", "X-Other=", "Missing Authentication Token"),
        ("X-Amz-Credential=", "X-Other=", "Missing Authentication Token"),
        ("AWS4-HMAC-SHA256", "AWS3", "Unsupported signing algorithm"),
        ("%2Faws4_request", "", "Credential must have the form"),
        ("us-east-1", "eu-west-1", "valid region, not 'eu-west-1'"),
        ("iotdevicegateway", "sts", "scoped to correct service"),
        ("%2F20261123%2F", "%2F20261122%2F", "'20261122' != '20261123'"),
        ("20261123T120000Z", "20261123T126000Z", "yyyymmddThhmmssZ"),
        ("20261123T120000Z", "yesterday", "yyyymmddThhmmssZ"),
        ("SignedHeaders=host", "SignedHeaders=", "'Host' must be"),
        (KEY, "ASIAOTHER", "token included in the request is invalid"),
        ("X-Amz-Security-Token=", "X-Other=", "token included in the request is invalid"),
    ],
)
def test_each_part_of_the_claim_is_checked(replaced: str, by: str, complaint: str) -> None:
    path = _sign_with_crt("example.test", omit_session_token=True)
    assert replaced in path
    with pytest.raises(SignatureRefused) as caught:
        VERIFIER.verify(_received(path.replace(replaced, by), {"host": "example.test"}), NOW_S)
    assert complaint in str(caught.value)
