"""What of AWS is read from a developer's machine; and signatures, against AWS's C library."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from awscrt import auth, http

from bellwire.aws.accounts import endpoint_of, keys_of_profile
from bellwire.aws.signing import sign_headers
from bellwire.errors import Unauthenticated
from bellwire.identity_ports import Keys

PROFILES = """\
[profile job]
aws_access_key_id = AKIAJOB
aws_secret_access_key = secret

[profile empty]
region = us-east-1
"""


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("profiles")
def test_a_profile_has_keys() -> None:
    assert keys_of_profile("job") == Keys("AKIAJOB", "secret", None)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "the AWS profile 'nobody' does not work: .*could not be found"),
        ("empty", "the AWS profile 'empty' has no credentials"),
    ],
)
def test_a_profile_without_keys_is_named(name: str, message: str) -> None:
    with pytest.raises(Unauthenticated, match=message):
        keys_of_profile(name)


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("iot", "https://iot.eu-central-1.amazonaws.com"),
        ("sts", "https://sts.eu-central-1.amazonaws.com"),
        ("cognito-identity", "https://cognito-identity.eu-central-1.amazonaws.com"),
    ],
)
def test_services_are_where_the_sdk_says(service: str, url: str) -> None:
    assert endpoint_of(service, "eu-central-1") == url


def test_the_environment_may_name_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:4566/")
    assert endpoint_of("sts", "eu-central-1") == "http://127.0.0.1:4566"


@pytest.mark.parametrize("token", [None, "to/ken+="])
def test_the_signature_is_that_of_awscrt(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: at.replace(tzinfo=None))
    path, body = "/v1/publish?x=a%2Fb", b'{"updates":[]}'
    keys = Keys("AKIAEXAMPLE", "secret/+=", token)
    given = {"content-type": "application/json"}
    ours = sign_headers(
        keys, "execute-api", "us-east-1", "POST", f"https://api.example{path}", given, body
    )
    assert ours["Authorization"] == crt_authorization(keys, path, body, at)
    assert ours.get("X-Amz-Security-Token") == token


def crt_authorization(keys: Keys, path: str, body: bytes, at: datetime) -> str:
    headers = http.HttpHeaders([("host", "api.example"), ("content-type", "application/json")])
    request = http.HttpRequest("POST", path, headers, BytesIO(body))
    provider = auth.AwsCredentialsProvider.new_static(
        keys.access_key_id, keys.secret_access_key, keys.session_token
    )
    config = auth.AwsSigningConfig(
        algorithm=auth.AwsSigningAlgorithm.V4,
        signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=provider,
        region="us-east-1",
        service="execute-api",
        date=at,
        signed_body_header_type=auth.AwsSignedBodyHeaderType.NONE,
    )
    signed = auth.aws_sign_request(request, config).result(10)
    return str(signed.headers.get("authorization"))
