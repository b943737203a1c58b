"""The IAM authorizer of an HTTP API, against requests that botocore has signed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bellwire_local.accounts import Account, Role
from bellwire_local.identity.api_gateway import ApiAuthorizer, ApiForbidden
from bellwire_local.identity.principals import role_id_of
from bellwire_local.identity.sigv4 import ReceivedRequest
from infra.local.conftest import Signer
from infra.local.identity.conftest import (
    ACCOUNTS,
    DEVELOPER,
    HOME,
    OTHER,
    SETTINGS,
    Cloud,
    allow,
    running_cloud,
    trust_pool,
    trust_role,
)

API = "a1b2c3"
ARN = f"arn:aws:execute-api:us-east-1:{HOME}:{API}"
UPDATES, PUBLISH = "/v1/signed/updates", "/v1/publish"
HOST = "api.example"
ROLES = {
    "guest_role": Role(allow("execute-api:Invoke", "iot:*")),
    "member_role": Role(
        allow("execute-api:Invoke", resource=f"{ARN}/*/GET{UPDATES}"), trust_pool("authenticated")
    ),
    "job": Role(allow("execute-api:Invoke", resource=f"{ARN}/*/POST{PUBLISH}")),
    "of_another_api": Role(
        allow("execute-api:Invoke", resource=f"arn:aws:execute-api:us-east-1:{HOME}:other/*")
    ),
    "of_another_region": Role(
        allow("execute-api:Invoke", resource=f"arn:aws:execute-api:eu-west-1:{HOME}:{API}/*")
    ),
    "denied": Role(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": f"{ARN}/*/GET/*"},
            ],
        }
    ),
    "backend": ACCOUNTS[HOME].roles["backend"],
    "narrowed": Role(allow("execute-api:*"), trust_role(f"arn:aws:iam::{HOME}:role/backend")),
}
STRANGERS = {"admin": Role(allow("*"), trust_role(f"arn:aws:iam::{HOME}:root"))}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    accounts = {HOME: Account(ROLES), OTHER: Account(STRANGERS)}
    directory = tmp_path_factory.mktemp("api")
    with running_cloud(replace(SETTINGS, accounts=accounts, data_dir=directory)) as found:
        yield found


def authorizer(cloud: Cloud) -> ApiAuthorizer:
    made: ApiAuthorizer = cloud.stand_in.make_api_authorizer(API)
    return made


def signed(
    signer: Signer,
    method: str = "GET",
    path: str = UPDATES,
    body: bytes = b"",
    *,
    service: str = "execute-api",
    region: str = "us-east-1",
    headers: Mapping[str, str] | None = None,
) -> ReceivedRequest:
    """Sign in the headers and return the request as it arrives."""
    request = AWSRequest(method, f"https://{HOST}{path}", headers or {}, body)
    credentials = Credentials(signer.access_key_id, signer.secret_access_key, signer.session_token)
    SigV4Auth(credentials, service, region).add_auth(request)
    sent = {name.lower(): value for name, value in request.headers.items()}
    parts = urlsplit(path)
    return ReceivedRequest(
        method, parts.path, parts.query, {**sent, "host": HOST}, sha256(body).hexdigest()
    )


def presigned(signer: Signer, path: str, expires_s: int = 60) -> ReceivedRequest:
    request = AWSRequest("GET", f"https://{HOST}{path}")
    credentials = Credentials(signer.access_key_id, signer.secret_access_key, signer.session_token)
    SigV4QueryAuth(credentials, "execute-api", "us-east-1", expires_s).add_auth(request)
    parts = urlsplit(str(request.url))
    return ReceivedRequest("GET", parts.path, parts.query, {"host": HOST})


def member(cloud: Cloud, user: str = "ann") -> Signer:
    identity_id, token = cloud.developer_token(user)
    issued = cloud.pool_client().get_credentials_for_identity(
        IdentityId=identity_id, Logins={"cognito-identity.amazonaws.com": token}
    )["Credentials"]
    return Signer(issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"], identity_id)


def admit(cloud: Cloud, request: ReceivedRequest) -> dict[str, Any]:
    return authorizer(cloud).authorize(request, "127.0.0.1")


def refuse(cloud: Cloud, request: ReceivedRequest, why: str) -> None:
    with pytest.raises(ApiForbidden, match=why):
        admit(cloud, request)


def test_a_members_request_tells_whose_it_is(cloud: Cloud) -> None:
    ann = member(cloud)
    query = "?channels=user%2Fme%2Finbox%2Cpublic%2Fa%20b&limit=7"
    found = admit(cloud, signed(ann, path=UPDATES + query))
    unique_id = f"{role_id_of(HOME, 'member_role')}:CognitoIdentityCredentials"
    assert found == {
        "accountId": HOME,
        "callerId": unique_id,
        "cognitoIdentity": {
            "amr": ["authenticated", DEVELOPER, f"{DEVELOPER}:{cloud.pool_id}:ann"],
            "identityId": ann.identity_id,
            "identityPoolId": cloud.pool_id,
        },
        "userArn": f"arn:aws:sts::{HOME}:assumed-role/member_role/CognitoIdentityCredentials",
        "userId": unique_id,
    }
    assert admit(cloud, presigned(ann, UPDATES + query)) == found


def test_a_jobs_request_tells_of_no_identity(cloud: Cloud) -> None:
    found = admit(cloud, signed(cloud.role("job"), "POST", PUBLISH, b'{"updates":[]}'))
    assert found["cognitoIdentity"] is None
    assert found["userArn"] == f"arn:aws:sts::{HOME}:assumed-role/job/job"


def test_nothing_secret_is_told(cloud: Cloud) -> None:
    ann = member(cloud)
    found = str(admit(cloud, signed(ann)))
    for secret in (ann.access_key_id, ann.secret_access_key, ann.session_token):
        assert str(secret) not in found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PUBLISH),
        ("POST", UPDATES),
        ("HEAD", UPDATES),
        ("GET", "/v1/signed/updates/"),
        ("GET", "/v1/signed"),
        ("GET", "/v1/kick"),
        ("GET", "/v1/signed%2Fupdates"),
    ],
)
def test_a_member_may_do_nothing_else(cloud: Cloud, method: str, path: str) -> None:
    refuse(cloud, signed(member(cloud), method, path), "not authorized to perform: execute-api")


@pytest.mark.parametrize(
    ("role", "why"),
    [
        ("backend", "no identity-based policy allows the execute-api:Invoke action"),
        ("of_another_api", "no identity-based policy allows the execute-api:Invoke action"),
        ("of_another_region", "no identity-based policy allows the execute-api:Invoke action"),
        ("denied", "with an explicit deny in an identity-based policy"),
    ],
)
def test_who_may_not_invoke_is_refused(cloud: Cloud, role: str, why: str) -> None:
    refuse(cloud, signed(cloud.role(role)), why)


def test_a_guest_is_refused_whatever_the_role_says(cloud: Cloud) -> None:
    """Source: Cognito guide, "Services that unauthenticated identities can access"."""
    refuse(cloud, signed(cloud.guest()), "no session policy allows the execute-api:Invoke action")


def test_a_session_policy_that_is_silent_refuses(cloud: Cloud) -> None:
    sts = cloud.sts(cloud.role("backend"))
    words: Any = {"RoleArn": f"arn:aws:iam::{HOME}:role/narrowed", "RoleSessionName": "bellwire-1"}
    whole = sts.assume_role(**words)["Credentials"]
    narrow = sts.assume_role(
        **words,
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*",'
        '"Resource":"*"}]}',
    )["Credentials"]
    keys = [
        Signer(each["AccessKeyId"], each["SecretAccessKey"], each["SessionToken"])
        for each in (whole, narrow)
    ]
    assert admit(cloud, signed(keys[0]))["cognitoIdentity"] is None
    refuse(cloud, signed(keys[1]), "no session policy allows")


def test_another_account_is_refused(cloud: Cloud) -> None:
    issued = cloud.sts(cloud.role("denied")).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/admin", RoleSessionName="visitor"
    )["Credentials"]
    visitor = Signer(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    refuse(cloud, signed(visitor), "is of another account than")


@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ({"service": "iotdata"}, "correct service: 'execute-api'"),
        ({"service": "sts"}, "correct service"),
        ({"service": "cognito-identity"}, "correct service"),
        ({"region": "eu-west-1"}, "valid region, not 'eu-west-1'"),
    ],
)
def test_a_signature_for_something_else_is_refused(
    cloud: Cloud, scope: dict[str, str], why: str
) -> None:
    refuse(cloud, signed(member(cloud), **scope), why)  # type: ignore[arg-type]  # its keywords


def test_a_signature_for_this_api_opens_nothing_else(cloud: Cloud) -> None:
    request = signed(cloud.role("denied"), "POST", "/topics/dev/public/a", b"x")
    reply = cloud.request("POST", request.path, dict(request.headers), b"x")
    assert reply.status == 403


def test_a_wrong_key_is_refused(cloud: Cloud) -> None:
    ann, bob = member(cloud, "ann"), member(cloud, "bob")
    for changed in (
        replace(ann, secret_access_key=bob.secret_access_key),
        replace(ann, secret_access_key=""),
        replace(ann, session_token=bob.session_token),
        replace(ann, session_token=None),
        replace(ann, access_key_id=bob.access_key_id),
        replace(ann, access_key_id="ASIAUNKNOWN"),
        replace(ann, session_token=f"{ann.session_token}x"),
    ):
        refuse(cloud, signed(changed), "security token|does not match")


def test_what_was_changed_after_signing_is_refused(cloud: Cloud) -> None:
    ann, job = member(cloud), cloud.role("job")
    request = signed(ann, path=f"{UPDATES}?channels=public%2Fa")
    post = signed(job, "POST", PUBLISH, b'{"updates":[1]}')
    for changed in (
        replace(request, query="channels=public%2Fb"),
        replace(request, query="channels=public%2Fa&limit=1"),
        replace(request, method="POST"),
        replace(request, path="/v1/publish"),
        replace(request, headers={**request.headers, "host": "evil.example"}),
        replace(request, headers={**request.headers, "x-amz-date": "20200101T000000Z"}),
        replace(post, body_sha256=sha256(b'{"updates":[2]}').hexdigest()),
    ):
        refuse(cloud, changed, "does not match|Signature expired|Date in Credential scope")
    ignored = replace(request, headers={**request.headers, "cookie": "a=b"})
    assert admit(cloud, ignored)["cognitoIdentity"]["identityId"] == ann.identity_id


def test_an_unsigned_payload_is_no_excuse(cloud: Cloud) -> None:
    """API Gateway hashes the body, whatever a header says that its hash is."""
    job = cloud.role("job")
    said = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    refuse(cloud, signed(job, "POST", PUBLISH, b"{}", headers=said), "does not match")


def test_what_is_unsigned_is_refused(cloud: Cloud) -> None:
    good = signed(member(cloud))
    for headers in (
        {"host": HOST},
        {"host": HOST, "authorization": ""},
        {"host": HOST, "authorization": "Bearer x"},
        {"host": HOST, "authorization": "AWS4-HMAC-SHA256"},
        {"host": HOST, "authorization": "AWS4-HMAC-SHA256 Credential=x"},
        {**good.headers, "authorization": f"Bearer x,{good.headers['authorization']}"},
        {**good.headers, "authorization": good.headers["authorization"].lower()},
    ):
        with pytest.raises(ApiForbidden):
            admit(cloud, replace(good, headers=headers))


def test_two_authorizations_are_none(cloud: Cloud) -> None:
    """They come as one, joined by a comma. AWS answers: not a valid key=value pair."""
    good = signed(member(cloud))
    for more in ("Bearer x", "x", "", "Signature=00"):
        headers = {**good.headers, "authorization": f"{good.headers['authorization']},{more}"}
        refuse(cloud, replace(good, headers=headers), "in Authorization header")


def test_a_signature_ends(cloud: Cloud) -> None:
    ann = member(cloud)
    request, url = signed(ann), presigned(ann, UPDATES, expires_s=60)
    with cloud.clock.moved(59):
        admit(cloud, request)
        admit(cloud, url)
    with cloud.clock.moved(62):
        admit(cloud, request)
        refuse(cloud, url, "Signature expired")
    with cloud.clock.moved(302):
        refuse(cloud, request, "Signature expired")
    with cloud.clock.moved(-302):
        refuse(cloud, request, "Signature not yet current")
    with cloud.clock.moved(3_602):
        refuse(cloud, signed(ann), "token included in the request is expired|Signature expired")
