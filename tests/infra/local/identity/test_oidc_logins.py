"""Logins of an OpenID Connect provider, from an issuer with keys of its own."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bellwire_local.accounts import Provider
from bellwire_local.identity.fetching import ProviderUnreachable
from bellwire_local.identity.oidc_keys import read_key_address
from bellwire_local.stand_in import StandInSettings
from infra.local.identity.conftest import DEVELOPER, SETTINGS, Cloud, MakeCloud
from infra.local.identity.oidc_issuer import AUDIENCE, Issuer, jwk_of, make_key, running_issuer

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient

NAME, USER_POOL = "id.example", "cognito-idp.us-east-1.amazonaws.com/us-east-1_x"
COGNITO = "cognito-identity.amazonaws.com"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def cloud(issuer: Issuer, make_cloud: MakeCloud) -> Iterator[Cloud]:
    """A pool that trusts the issuer under two names."""
    with make_cloud(_trusting(issuer)) as made:
        yield made


def _trusting(issuer: Issuer) -> StandInSettings:
    provider = Provider(issuer.url, (AUDIENCE, "another-page"))
    providers = {NAME: provider, USER_POOL: provider}
    return replace(SETTINGS, pool=replace(SETTINGS.pool, providers=providers))


def _get_id(cloud: Cloud, token: str, name: str = NAME) -> str:
    client = cloud.pool_client()
    return client.get_id(IdentityPoolId=cloud.pool_id, Logins={name: token})["IdentityId"]


def test_the_same_login_has_the_same_identity(cloud: Cloud, issuer: Issuer) -> None:
    identity_id = _get_id(cloud, issuer.sign("ann"))
    assert _get_id(cloud, issuer.sign("ann", aud=["x", "another-page"])) == identity_id
    assert _get_id(cloud, issuer.sign("bob")) != identity_id
    assert _get_id(cloud, issuer.sign("ann"), USER_POOL) != identity_id
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_login_gets_the_authenticated_role(cloud: Cloud, issuer: Issuer) -> None:
    token = issuer.sign("ann")
    identity_id = _get_id(cloud, token)
    client = cloud.pool_client()
    answer = client.get_credentials_for_identity(IdentityId=identity_id, Logins={NAME: token})
    issued = answer["Credentials"]
    grant = cloud.stand_in._issuer.look_up(  # noqa: SLF001  # what the credentials really carry
        issued["AccessKeyId"], issued["SessionToken"], time.time()
    )
    assert grant.principal.role == "member_role"
    assert grant.principal.amr == (
        "authenticated",
        "id.example",
        "arn:aws:iam::000000000000:oidc-provider/id.example:OIDC:ann",
    )
    own = client.get_open_id_token(IdentityId=identity_id, Logins={NAME: token})["Token"]
    claims = jwt.decode(own, options={"verify_signature": False})
    assert claims["amr"] == list(grant.principal.amr)
    assert claims["exp"] - claims["iat"] == 600
    pooled = client.get_open_id_token(
        IdentityId=_get_id(cloud, token, USER_POOL), Logins={USER_POOL: token}
    )["Token"]
    assert jwt.decode(pooled, options={"verify_signature": False})["amr"] == [
        "authenticated",
        "cognito-idp.us-east-1.amazonaws.com/us-east-1_x",
        "cognito-idp.us-east-1.amazonaws.com/us-east-1_x:CognitoSignIn:ann",
    ]


def test_a_guest_who_logs_in_keeps_the_identity(cloud: Cloud, issuer: Issuer) -> None:
    guest_id = cloud.guest().identity_id
    client = cloud.pool_client()
    logins = {NAME: issuer.sign("ann")}
    answer = client.get_credentials_for_identity(IdentityId=guest_id, Logins=logins)
    assert answer["IdentityId"] == guest_id
    assert _get_id(cloud, issuer.sign("ann")) == guest_id


def test_a_guest_who_logs_in_again_is_merged(cloud: Cloud, issuer: Issuer) -> None:
    identity_id = _get_id(cloud, issuer.sign("ann"))
    guest_id = cloud.guest().identity_id
    client = cloud.pool_client()
    logins = {NAME: issuer.sign("ann")}
    for _ in range(2):
        answer = client.get_credentials_for_identity(IdentityId=guest_id, Logins=logins)
        assert answer["IdentityId"] == identity_id
    with pytest.raises(client.exceptions.NotAuthorizedException, match="is forbidden"):
        client.get_credentials_for_identity(IdentityId=guest_id)


def test_logins_are_linked_when_both_are_shown(cloud: Cloud, issuer: Issuer) -> None:
    token = issuer.sign("ann")
    identity_id = _get_id(cloud, token)
    client = cloud.pool_client()
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins={USER_POOL: token})
    both = {NAME: token, USER_POOL: token}
    answer = client.get_credentials_for_identity(IdentityId=identity_id, Logins=both)
    assert answer["IdentityId"] == identity_id
    assert _get_id(cloud, token, USER_POOL) == identity_id
    client.unlink_identity(IdentityId=identity_id, Logins={NAME: token}, LoginsToRemove=[USER_POOL])
    assert _get_id(cloud, token, USER_POOL) != identity_id
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.get_id(IdentityPoolId=cloud.pool_id, Logins=both)
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins=both)


def test_only_who_is_logged_in_unlinks(cloud: Cloud, issuer: Issuer) -> None:
    identity_id = _get_id(cloud, issuer.sign("ann"))
    client = cloud.pool_client()
    asked: dict[str, Any] = {"IdentityId": identity_id, "LoginsToRemove": [NAME]}
    refused = client.exceptions.NotAuthorizedException
    with pytest.raises(refused, match="Logins don't match"):
        client.unlink_identity(**asked, Logins={NAME: issuer.sign("bob")})
    with pytest.raises(refused, match="is forbidden"):
        client.unlink_identity(**asked, Logins={})
    assert _get_id(cloud, issuer.sign("ann")) == identity_id


def test_a_developer_user_and_a_public_login_of_one_identity(cloud: Cloud, issuer: Issuer) -> None:
    token = issuer.sign("ann")
    public_id = _get_id(cloud, token)
    backend = cloud.pool_client("backend")
    answer = backend.get_open_id_token_for_developer_identity(
        IdentityPoolId=cloud.pool_id, Logins={DEVELOPER: "ann", NAME: token}
    )
    assert answer["IdentityId"] == public_id
    assert cloud.developer_token("ann")[0] == public_id
    cloud.developer_token("bob")
    bobs = {DEVELOPER: "bob", NAME: token}
    with pytest.raises(backend.exceptions.ResourceConflictException):
        backend.get_open_id_token_for_developer_identity(IdentityPoolId=cloud.pool_id, Logins=bobs)


def test_users_whom_a_provider_tells_apart_are_not_merged(cloud: Cloud, issuer: Issuer) -> None:
    backend = cloud.pool_client("backend")
    for user in ("ann", "bob"):
        backend.get_open_id_token_for_developer_identity(
            IdentityPoolId=cloud.pool_id, Logins={DEVELOPER: user, NAME: issuer.sign(user)}
        )
    with pytest.raises(backend.exceptions.ResourceConflictException):
        backend.merge_developer_identities(
            IdentityPoolId=cloud.pool_id,
            DeveloperProviderName=DEVELOPER,
            SourceUserIdentifier="ann",
            DestinationUserIdentifier="bob",
        )


BAD_CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"aud": "someone-else"}, "Incorrect token audience"),
    ({"aud": {"a": 1}}, "Incorrect token audience"),
    ({"iss": "https://elsewhere.example"}, "Issuer doesn't match providerName"),
    ({"exp": 1_000_000_000}, "Token expired: [0-9]+ >= 1000000000"),
    ({"nbf": 9_000_000_000}, "Token not yet valid: [0-9]+ < 9000000000"),
    ({"exp": "soon"}, "exp and nbf must be numbers"),
    ({"exp": True}, "exp and nbf must be numbers"),
    ({"exp": float("nan")}, "exp and nbf must be numbers"),
    ({"exp": 10**400}, "exp and nbf must be numbers"),
    ({"nbf": float("inf")}, "exp and nbf must be numbers"),
    ({"sub": ""}, "sub must be a text"),
    ({"sub": "\ud800"}, "sub must be a text"),
    ({"sub": "x" * 2049}, "sub must be a text"),
    ({"sub": None}, "Couldn't verify signed token"),
]


def test_claims_that_are_no_good(cloud: Cloud, issuer: Issuer) -> None:
    client = cloud.pool_client()
    for claims, why in BAD_CLAIMS:
        _refuse(client, cloud.pool_id, issuer.sign(**claims), why)


def _refuse(client: "CognitoIdentityClient", pool_id: str, token: str, why: str) -> None:
    with pytest.raises(
        client.exceptions.NotAuthorizedException, match=f"Invalid login token. {why}"
    ):
        client.get_id(IdentityPoolId=pool_id, Logins={NAME: token})


def test_signatures_that_are_no_good(cloud: Cloud, issuer: Issuer) -> None:
    """Another's key, no signature at all, and our public key taken for a shared secret."""
    client, pool_id = cloud.pool_client(), cloud.pool_id
    good = issuer.sign("ann")
    head, content, signature = good.split(".")
    foreign = Issuer(url=issuer.url, keys={"one": make_key()}).sign("ann")
    unknown = Issuer(url=issuer.url, keys={"two": make_key()}).sign("ann", "two")
    for token in (
        foreign,
        unknown,
        f"{head}.{content}.",
        f"{head}.{content}.{signature[:-6]}AAAAAA",
    ):
        _refuse(client, pool_id, token, "Couldn't verify signed token")
    public = json.dumps(jwk_of(issuer.keys["one"], "one")).encode()
    for header, secret in (
        ({"alg": "none", "typ": "JWT"}, None),
        ({"alg": "HS256", "typ": "JWT", "kid": "one"}, public),
        ({"alg": "RS1", "kid": "one"}, None),
        ({"kid": "one"}, None),
    ):
        signed = f"{_encode(json.dumps(header).encode())}.{content}"
        digest = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
        _refuse(client, pool_id, f"{signed}.{_encode(digest)}", "(Signed with|Not a valid)")
    for token in ("x", "a.b.c", f"{head}.{_encode(b'[]')}.{signature}", "." * 40_000):
        _refuse(client, pool_id, token, "Not a valid OpenId Connect identity token")


def test_a_shared_secret_in_the_key_set_is_no_key(cloud: Cloud, issuer: Issuer) -> None:
    secret = hashlib.sha256(b"shared").digest()
    issuer.publish({"kty": "oct", "kid": "oct", "k": _encode(secret), "alg": "HS256"})
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "exp": now + 600}
    token = jwt.encode(claims, secret, "HS256", {"kid": "oct"})
    _refuse(cloud.pool_client(), cloud.pool_id, token, "Signed with 'HS256'")


def test_keys_that_do_not_name_their_algorithm(cloud: Cloud, issuer: Issuer) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(ECAlgorithm.to_jwk(curve.public_key()))
    issuer.publish({**jwk, "kid": "ec"}, {**jwk, "kid": "other", "alg": "ES384"})
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 600}
    identity_id = _get_id(cloud, issuer.sign("ann"))
    for algorithm, key, key_id in (("RS512", issuer.keys["one"], "one"), ("ES256", curve, "ec")):
        token = jwt.encode(claims, key, algorithm, {"kid": key_id})
        assert _get_id(cloud, token) == identity_id
    token = jwt.encode(claims, curve, "ES256", {"kid": "other"})
    _refuse(cloud.pool_client(), cloud.pool_id, token, "Couldn't verify signed token")


def test_a_provider_that_the_pool_does_not_know(cloud: Cloud, issuer: Issuer) -> None:
    client = cloud.pool_client()
    with pytest.raises(
        client.exceptions.NotAuthorizedException, match="not from a supported provider"
    ):
        client.get_id(IdentityPoolId=cloud.pool_id, Logins={"other": issuer.sign()})
    assert issuer.asked == []


def test_keys_are_fetched_again_when_they_rotate(cloud: Cloud, issuer: Issuer) -> None:
    identity_id = _get_id(cloud, issuer.sign("ann"))
    issuer.keys = {"two": make_key()}
    issuer.publish()
    with cloud.clock.moved(3):
        assert _get_id(cloud, issuer.sign("ann", "two")) == identity_id
        assert len(issuer.asked) == 4
        unknown = Issuer(url=issuer.url, keys={"three": make_key()}).sign("ann", "three")
        for _ in range(5):
            _refuse(cloud.pool_client(), cloud.pool_id, unknown, "Couldn't verify")
        assert len(issuer.asked) == 4  # made-up key ids do not make us ask all the time
    with cloud.clock.moved(3700):
        exp = int(time.time()) + 9999
        _get_id(cloud, issuer.sign("ann", "two", exp=exp))
    assert len(issuer.asked) == 6


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"/.well-known/openid-configuration": b"no json"},
        {"/.well-known/openid-configuration": b"[" * 100_000},
        {"/.well-known/openid-configuration": b'{"issuer": "http://other"}'},
        {"/.well-known/openid-configuration": b"x" * 300_000},
        {"/.well-known/openid-configuration": b'{"issuer": "URL", "jwks_uri": "file:///keys"}'},
        {"/.well-known/openid-configuration": b'{"issuer": "URL", "jwks_uri": "http://[/"}'},
        {"/.well-known/openid-configuration": b'{"issuer": "URL", "jwks_uri": "URL/none"}'},
    ],
)
def test_an_issuer_that_gives_no_keys(
    cloud: Cloud, issuer: Issuer, answers: dict[str, bytes]
) -> None:
    token = issuer.sign("ann")
    issuer.answers = {
        path: body.replace(b"URL", issuer.url.encode()) for path, body in answers.items()
    }
    client = cloud.pool_client()
    with pytest.raises(client.exceptions.ExternalServiceException, match="cannot be fetched"):
        client.get_id(IdentityPoolId=cloud.pool_id, Logins={NAME: token})
    issuer.publish()
    with cloud.clock.moved(3):
        assert _get_id(cloud, token)


@pytest.mark.parametrize(
    ("issuer_url", "address", "is_taken"),
    [
        ("https://id.example", "https://keys.example/", True),
        ("http://localhost:1", "http://localhost:1/keys", True),
        ("http://localhost:1", "https://keys.example/", True),
        ("https://id.example", "http://id.example/keys", False),
        ("https://id.example", "HTTP://id.example/keys", False),
        ("HTTPS://id.example", "http://id.example/keys", False),
        ("http://localhost:1", "file:///keys", False),
        ("https://id.example", None, False),
        ("https://id.example", ["https://id.example"], False),
    ],
)
def test_keys_of_an_issuer_at_https_come_over_https(
    issuer_url: str, address: object, *, is_taken: bool
) -> None:
    configuration = {"issuer": issuer_url, "jwks_uri": address}
    if is_taken:
        assert read_key_address(issuer_url, configuration) == address
        return
    with pytest.raises(ProviderUnreachable, match=r"its jwks_uri is .*; https://… "):
        read_key_address(issuer_url, configuration)


def test_an_issuer_that_is_not_there(cloud: Cloud, make_cloud: MakeCloud) -> None:
    del cloud
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    absent = Issuer(url=url, keys={"one": make_key()})
    pool = replace(SETTINGS.pool, providers={NAME: Provider(url, (AUDIENCE,))})
    with make_cloud(replace(SETTINGS, pool=pool)) as elsewhere:
        client = elsewhere.pool_client()
        with pytest.raises(client.exceptions.ExternalServiceException, match="cannot be fetched"):
            client.get_id(IdentityPoolId=elsewhere.pool_id, Logins={NAME: absent.sign()})


def test_a_slow_issuer_holds_nobody_else_up(cloud: Cloud, issuer: Issuer) -> None:
    issuer.held = threading.Event()
    tokens = [issuer.sign("ann") for _ in range(3)]
    with ThreadPoolExecutor(3) as waiting:
        ids = [waiting.submit(_get_id, cloud, token) for token in tokens]
        try:
            guest = cloud.guest()  # while all of those wait
            assert not any(waiter.done() for waiter in ids)
        finally:
            issuer.held.set()
        found = {waiter.result(10) for waiter in ids}
    assert guest.identity_id not in found
    assert len(found) == 1
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
