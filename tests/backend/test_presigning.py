"""The presigned URL of the websocket, against the signer of AWS's own C library."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from awscrt import auth, http

from bellwire.aws.presigning import presign_iot_url
from bellwire.identity_ports import Credentials, Keys

IOT_URL = "ws://127.0.0.1:8081/mqtt"
CREDENTIALS = Credentials("ASIAEXAMPLE", "secret/+=", "token/+=&", 0)


def crt_query(at: datetime) -> dict[str, str]:
    request = http.HttpRequest("GET", "/mqtt", http.HttpHeaders([("host", "127.0.0.1:8081")]))
    provider = auth.AwsCredentialsProvider.new_static("ASIAEXAMPLE", "secret/+=", "token/+=&")
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
        credentials_provider=provider,
        region="us-east-1",
        service="iotdevicegateway",
        date=at,
        expiration_in_seconds=300,
        omit_session_token=True,
    )
    signed = auth.aws_sign_request(request, config).result(10)
    return dict(parse_qsl(urlsplit(signed.path).query))


def test_the_signature_is_that_of_awscrt(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None))
    url = presign_iot_url(IOT_URL, "us-east-1", CREDENTIALS)
    assert urlsplit(url)[:3] == ("ws", "127.0.0.1:8081", "/mqtt")
    assert dict(parse_qsl(urlsplit(url).query)) == crt_query(at)
    assert url.endswith("&X-Amz-Security-Token=token%2F%2B%3D%26")


def test_a_long_lived_key_comes_without_a_token() -> None:
    url = presign_iot_url(IOT_URL, "us-east-1", Keys("AKIAEXAMPLE", "secret"))
    assert "X-Amz-Signature=" in url
    assert "Token" not in url
