"""Logins with opaque access tokens, from a provider that is asked whose they are."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from botocore.exceptions import ClientError

from bellwire_local.accounts import Account, OpaqueProvider, Provider, Role
from bellwire_local.stand_in import StandInSettings
from infra.local.identity.conftest import (
    ACCOUNTS,
    DEVELOPER,
    HOME,
    IOT,
    SETTINGS,
    Cloud,
    MakeCloud,
    trust_pool,
)
from infra.local.identity.oidc_issuer import AUDIENCE, running_issuer
from infra.local.identity.profile_server import (
    ProfileServer,
    Script,
    Write,
    answer_with,
    running_profile_server,
)

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient

FACEBOOK, AMAZON, OIDC = "graph.facebook.com", "www.amazon.com", "id.example"
TOKEN, AMAZON_TOKEN = "EAAGsecretOfAnn", "Atza|secret.of-Ann=="
FACEBOOKS_USERS = {
    "member_role": Role(IOT, trust_pool("authenticated")),
    "facebooks": Role(IOT, trust_pool(FACEBOOK)),
    "anns": Role(IOT, trust_pool("graph.facebook.com:*:10101")),
    "amazons": Role(IOT, trust_pool(AMAZON)),
}


@pytest.fixture
def provider() -> Iterator[ProfileServer]:
    with running_profile_server() as running:
        running.profiles[TOKEN] = {"id": "10101", "name": "Ann"}
        running.profiles[AMAZON_TOKEN] = {"user_id": "amzn1.account.ANN"}
        yield running


@pytest.fixture
def cloud(provider: ProfileServer, make_cloud: MakeCloud) -> Iterator[Cloud]:
    """A pool that trusts the provider under two names."""
    with make_cloud(_trusting(provider.profile_url)) as made:
        yield made


def _trusting(profile_url: str, **more: Provider) -> StandInSettings:
    opaque = OpaqueProvider(profile_url)
    pool = replace(SETTINGS.pool, providers={FACEBOOK: opaque, AMAZON: opaque, **more})
    home = Account({**ACCOUNTS[HOME].roles, **FACEBOOKS_USERS})
    return replace(SETTINGS, pool=pool, accounts={**ACCOUNTS, HOME: home})


def _get_id(cloud: Cloud, token: str = TOKEN, name: str = FACEBOOK, **more: str) -> str:
    logins = {name: token, **more}
    return cloud.pool_client().get_id(IdentityPoolId=cloud.pool_id, Logins=logins)["IdentityId"]


def _refuse(cloud: Cloud, token: str, why: str = "Token is expired.") -> None:
    client = cloud.pool_client()
    with pytest.raises(
        client.exceptions.NotAuthorizedException, match=f"Invalid login token. {why}"
    ) as refused:
        client.get_id(IdentityPoolId=cloud.pool_id, Logins={FACEBOOK: token})
    assert token not in str(refused.value)


def test_the_same_user_has_the_same_identity(cloud: Cloud, provider: ProfileServer) -> None:
    provider.profiles |= {"another": {"id": "10101"}, "bobs": {"id": "20202"}}
    identity_id = _get_id(cloud)
    assert _get_id(cloud, "another") == identity_id
    assert _get_id(cloud, "bobs") != identity_id
    assert _get_id(cloud, TOKEN, AMAZON) != identity_id
    assert provider.asked == [
        ("/me?fields=id", f"Bearer {token}") for token in (TOKEN, "another", "bobs", TOKEN)
    ]


@pytest.mark.parametrize(
    ("profile", "subject"),
    [
        ({"id": "10101", "user_id": "2", "sub": "3"}, "10101"),
        ({"name": "Ann", "user_id": "amzn1.account.ANN", "sub": "3"}, "amzn1.account.ANN"),
        ({"sub": "ann", "email": "ann@id.example"}, "ann"),
    ],
)
def test_where_the_subject_stands(
    cloud: Cloud, provider: ProfileServer, profile: dict[str, str], subject: str
) -> None:
    provider.profiles[TOKEN] = profile
    token = _open_id_token(cloud.pool_client(), _get_id(cloud))
    amr = jwt.decode(token, options={"verify_signature": False})["amr"]
    assert amr == ["authenticated", "graph.facebook.com", f"graph.facebook.com::{subject}"]


def _open_id_token(client: "CognitoIdentityClient", identity_id: str) -> str:
    logins = {FACEBOOK: TOKEN}
    return client.get_open_id_token(IdentityId=identity_id, Logins=logins)["Token"]


def test_a_login_gets_the_authenticated_role(cloud: Cloud) -> None:
    identity_id = _get_id(cloud)
    issued = cloud.pool_client().get_credentials_for_identity(
        IdentityId=identity_id, Logins={FACEBOOK: TOKEN}
    )["Credentials"]
    grant = cloud.stand_in._issuer.look_up(  # noqa: SLF001  # what the credentials really carry
        issued["AccessKeyId"], issued["SessionToken"], time.time()
    )
    assert (grant.principal.role, grant.principal.identity_id) == ("member_role", identity_id)
    assert grant.principal.amr == (
        "authenticated",
        "graph.facebook.com",
        "graph.facebook.com::10101",
    )


def test_a_trust_policy_tells_providers_and_users_apart(cloud: Cloud) -> None:
    token = _open_id_token(cloud.pool_client(), _get_id(cloud))
    asked: dict[str, Any] = {"RoleSessionName": "ann", "WebIdentityToken": token}
    for name in ("facebooks", "anns"):
        arn = f"arn:aws:iam::{HOME}:role/{name}"
        assert cloud.sts().assume_role_with_web_identity(RoleArn=arn, **asked)["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.sts().assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{HOME}:role/amazons", **asked
        )


def test_a_guest_who_logs_in_keeps_the_identity(cloud: Cloud) -> None:
    guest_id = cloud.guest().identity_id
    answer = cloud.pool_client().get_credentials_for_identity(
        IdentityId=guest_id, Logins={FACEBOOK: TOKEN}
    )
    assert answer["IdentityId"] == guest_id
    assert _get_id(cloud) == guest_id


def test_logins_are_linked_when_both_are_shown(cloud: Cloud, provider: ProfileServer) -> None:
    identity_id = _get_id(cloud)
    client = cloud.pool_client()
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins={AMAZON: AMAZON_TOKEN})
    provider.asked.clear()
    assert _get_id(cloud, **{AMAZON: AMAZON_TOKEN}) == identity_id
    assert len(provider.asked) == 2
    assert _get_id(cloud, AMAZON_TOKEN, AMAZON) == identity_id
    client.unlink_identity(
        IdentityId=identity_id, Logins={FACEBOOK: TOKEN}, LoginsToRemove=[AMAZON]
    )
    assert _get_id(cloud, AMAZON_TOKEN, AMAZON) != identity_id
    with pytest.raises(client.exceptions.ResourceConflictException):
        _get_id(cloud, **{AMAZON: AMAZON_TOKEN})


def test_both_kinds_of_providers_in_one_call(
    provider: ProfileServer, make_cloud: MakeCloud
) -> None:
    with running_issuer() as issuer:
        oidc = Provider(issuer.url, (AUDIENCE,))
        with make_cloud(_trusting(provider.profile_url, **{OIDC: oidc})) as cloud:
            id_token = issuer.sign("ann")
            identity_id = _get_id(cloud, **{OIDC: id_token, AMAZON: AMAZON_TOKEN})
            assert _get_id(cloud, id_token, OIDC) == identity_id
            assert _get_id(cloud) == identity_id
            client = cloud.pool_client()
            with pytest.raises(ClientError, match="Not a valid OpenId Connect identity token"):
                client.get_id(IdentityPoolId=cloud.pool_id, Logins={OIDC: TOKEN})
    assert len(provider.asked) == 3


def test_a_developer_user_with_a_login_of_the_provider(cloud: Cloud) -> None:
    identity_id = _get_id(cloud)
    answer = cloud.pool_client("backend").get_open_id_token_for_developer_identity(
        IdentityPoolId=cloud.pool_id, Logins={DEVELOPER: "ann", FACEBOOK: TOKEN}
    )
    assert answer["IdentityId"] == identity_id


def test_the_pools_token_and_what_it_was_made_for(cloud: Cloud) -> None:
    """It is a login for as long as the user that it was made for is of the identity."""
    client, identity_id = cloud.pool_client(), _get_id(cloud)
    logins = {"cognito-identity.amazonaws.com": _open_id_token(client, identity_id)}
    assert client.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)
    client.unlink_identity(
        IdentityId=identity_id, Logins={FACEBOOK: TOKEN}, LoginsToRemove=[FACEBOOK]
    )
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_that_the_provider_does_not_know(
    cloud: Cloud, provider: ProfileServer, status: int
) -> None:
    provider.refusal = status
    _refuse(cloud, "EAAGmadeUp")
    assert len(provider.asked) == 1


def test_a_revoked_token_is_refused_by_the_next_call(cloud: Cloud, provider: ProfileServer) -> None:
    identity_id = _get_id(cloud)
    client = cloud.pool_client()
    logins = {FACEBOOK: TOKEN}
    client.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)
    del provider.profiles[TOKEN]
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Invalid login token"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)
    _refuse(cloud, TOKEN)


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"name": "Ann"},
        {"id": None, "sub": "ann"},
        {"id": 10101},
        {"id": ""},
        {"id": ["10101"]},
        {"sub": "x" * 2049},
        {"sub": "\ud800"},
    ],
)
def test_a_profile_that_names_nobody(
    cloud: Cloud, provider: ProfileServer, profile: object
) -> None:
    provider.profiles[TOKEN] = profile
    _refuse(cloud, TOKEN, "The profile names nobody; a text in one of id, user_id, sub")


@pytest.mark.parametrize("token", ["Grüße", "\x00", "a\x7f", "\x1b[31m"])
def test_what_cannot_stand_in_a_header_is_no_token(
    cloud: Cloud, provider: ProfileServer, token: str
) -> None:
    _refuse(cloud, token)
    assert provider.asked == []


def _trickle(write: Write, head: bytes, piece: bytes = b"") -> None:
    """Send a piece now and then, so that no single wait is long."""
    write(head)
    for _ in range(40):
        time.sleep(0.05)
        write(piece)


BAD_ANSWERS: dict[str, Script] = {
    "no JSON": answer_with("200 OK", b"<html>"),
    "not UTF-8": answer_with("200 OK", b'{"id": "\xff"}'),
    "deeply nested": answer_with("200 OK", b"[" * 100_000),
    "no object": answer_with("200 OK", b'["10101"]'),
    "huge": answer_with("200 OK", b'{"id": "1", "x": "' + b"x" * 300_000 + b'"}'),
    "cut off": lambda write: write(b'HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{"id": "1"}'),
    "no HTTP": lambda write: write(b"220 mail.example ESMTP\r\n"),
    "nothing": lambda _: None,
    "empty": answer_with("204 No Content", b""),
    "not found": answer_with("404 Not Found"),
    "error": answer_with("500 Oops", b'{"id": "10101"}'),
    "too many": answer_with("429 Too Many Requests"),
    "silent": lambda write: _trickle(write, b""),
    "slow head": lambda write: _trickle(write, b"HTTP/1.0 200 OK\r\nX: ", b"x"),
    "slow body": lambda write: _trickle(write, b"HTTP/1.0 200 OK\r\n\r\n", b" "),
}
"""None of them is a profile; the slow ones take two seconds."""


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_a_provider_that_gives_no_profile(
    cloud: Cloud, provider: ProfileServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bellwire_local.identity.profiles.FETCH_WAIT_S", 0.5)
    provider.script = BAD_ANSWERS[kind]
    started_s = time.monotonic()
    _fail(cloud)
    assert time.monotonic() - started_s < 1.5
    provider.script = None
    assert _get_id(cloud)  # at once: no failure is remembered


def _fail(cloud: Cloud) -> str:
    client = cloud.pool_client()
    with pytest.raises(
        client.exceptions.ExternalServiceException, match=r"The profile at .* cannot be fetched: "
    ) as failed:
        _get_id(cloud)
    assert TOKEN not in str(failed.value)
    return str(failed.value)


def test_a_redirect_takes_the_token_nowhere(cloud: Cloud, provider: ProfileServer) -> None:
    with running_profile_server() as elsewhere:
        elsewhere.profiles[TOKEN] = {"id": "10101"}
        for status in (301, 302, 307, 308):
            location = f"Location: {elsewhere.profile_url}"
            provider.script = answer_with(f"{status} Moved", b"{}", location)
            assert f"answers {status}" in _fail(cloud)
    assert elsewhere.asked == []


def test_a_provider_that_is_not_there(make_cloud: MakeCloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/me"
    with make_cloud(_trusting(url)) as cloud:
        _fail(cloud)


def test_a_slow_provider_holds_nobody_else_up(cloud: Cloud, provider: ProfileServer) -> None:
    provider.held = threading.Event()
    with ThreadPoolExecutor(3) as waiting:
        ids = [waiting.submit(_get_id, cloud) for _ in range(3)]
        try:
            guest = cloud.guest()  # while all of those wait
            assert not any(waiter.done() for waiter in ids)
        finally:
            provider.held.set()
        found = {waiter.result(10) for waiter in ids}
    assert guest.identity_id not in found
    assert len(found) == 1


def test_no_token_is_told(
    cloud: Cloud,
    provider: ProfileServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither in a log, however much is logged, nor in the decisions, errors or URLs."""
    monkeypatch.setattr("bellwire_local.identity.profiles.FETCH_WAIT_S", 0.5)
    for name in ("bellwire_local", "urllib3", "asyncio", "concurrent"):
        caplog.set_level(logging.DEBUG, name)
    errors = [_trouble(cloud, {FACEBOOK: TOKEN})]
    provider.profiles.clear()
    errors += [_trouble(cloud, {FACEBOOK: TOKEN}), _trouble(cloud, {FACEBOOK: f"ü{TOKEN}"})]
    for script in BAD_ANSWERS.values():
        provider.script = script
        errors.append(_trouble(cloud, {FACEBOOK: TOKEN}))
    decisions = cloud.running.call(lambda: list(cloud.stand_in.decisions.latest(1000)))
    assert errors[0] == "none"
    assert sum(each.startswith("An error occurred") for each in errors) == len(errors) - 1
    assert "The profile at" in caplog.text
    assert TOKEN not in f"{caplog.text} {errors} {decisions} {[path for path, _ in provider.asked]}"


def _trouble(cloud: Cloud, logins: dict[str, Any]) -> str:
    client = cloud.pool_client()
    try:
        client.get_id(IdentityPoolId=cloud.pool_id, Logins=logins)
    except ClientError as error:
        return str(error)
    return "none"
