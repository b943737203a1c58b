"""Logins of a provider, by the session and by the browser.

Of Google or any OpenID Connect issuer, and of Facebook and Amazon, whose tokens are opaque.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from bellwire.errors import Unauthenticated
from bellwire.subscriber import Subscriber
from infra.local.identity.oidc_issuer import AUDIENCE, Issuer, running_issuer
from infra.local.identity.profile_server import (
    ProfileServer,
    answer_with,
    running_profile_server,
)
from infra.local.mqtt_probe import Probe
from services import RunningService, running_service

GOOGLE, OTHER = "accounts.google.com", "login.other.example"
FACEBOOK, AMAZON = "graph.facebook.com", "www.amazon.com"
POOL = urllib3.PoolManager(retries=False)
PROBES = count()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def other_issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def facebook() -> Iterator[ProfileServer]:
    with running_profile_server() as running:
        yield running


@pytest.fixture(scope="module")
def amazon() -> Iterator[ProfileServer]:
    with running_profile_server() as running:
        yield running


@pytest.fixture(scope="module")
def service(
    issuer: Issuer,
    other_issuer: Issuer,
    facebook: ProfileServer,
    amazon: ProfileServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningService]:
    directory: Path = tmp_path_factory.mktemp("providers")
    providers = {
        GOOGLE: {"issuer": issuer.url, "audiences": [AUDIENCE]},
        OTHER: {"issuer": other_issuer.url, "audiences": [AUDIENCE]},
        FACEBOOK: {"profile_url": facebook.profile_url},
        AMAZON: {"profile_url": amazon.profile_url},
    }
    setup = directory / "setup.json"
    setup.write_text(json.dumps({"pool": {"providers": providers}}))
    with running_service(directory, "--no-demo", "--setup", str(setup)) as running:
        yield running


def open_session(service: RunningService, token: str, **body: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"}
    answer = POOL.request("POST", f"{service.url}/v1/session", json=body, headers=headers)
    return answer.status, answer.json()


def as_browser(service: RunningService) -> Any:
    config = Config(signature_version=UNSIGNED, retries={"max_attempts": 0})
    return boto3.client(
        "cognito-identity",
        region_name="us-east-1",
        endpoint_url=service.ready["aws"],
        config=config,
    )


def keys_of(service: RunningService, logins: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Do what a browser does without the session: GetId, GetCredentialsForIdentity."""
    browser, pool_id = as_browser(service), service.ready["identity_pool_id"]
    identity_id = browser.get_id(IdentityPoolId=pool_id, Logins=logins)["IdentityId"]
    issued = browser.get_credentials_for_identity(IdentityId=identity_id, Logins=logins)
    return identity_id, issued["Credentials"]


def can_subscribe(
    service: RunningService, identity_id: str, keys: dict[str, Any], channel: str
) -> bool:
    signer = (keys["AccessKeyId"], keys["SecretKey"], keys["SessionToken"])
    client_id = f"{identity_id}-{next(PROBES)}"  # AWS IoT takes one CONNECT a second of each
    with Probe(service.ready["iot"], signer, client_id) as probe:
        return probe.is_connected and probe.subscribe(f"dev/{channel}")


def test_the_identity_is_the_pools_and_the_browser_has_it_too(
    service: RunningService, issuer: Issuer
) -> None:
    token = issuer.sign("ann")
    identity_id, keys = keys_of(service, {GOOGLE: token})
    inbox = f"user/{identity_id}/inbox"
    assert not can_subscribe(service, identity_id, keys, inbox)  # nothing is attached yet

    status, session = open_session(service, token, credentials=True)
    assert (status, session["identity_id"], session["groups"]) == (200, identity_id, [])
    assert can_subscribe(service, identity_id, keys, inbox)
    assert not can_subscribe(service, identity_id, keys, "group/red/room")
    bearer = {"authorization": f"Bearer {session['token']}"}
    url = f"{service.url}/v1/updates?channels=user/me/inbox"
    assert POOL.request("GET", url, headers=bearer).status == 200


def test_the_body_names_nobody(service: RunningService, issuer: Issuer) -> None:
    _, ann = open_session(service, issuer.sign("ann"))
    mallory = {"identity_id": ann["identity_id"], "user": "ann"}
    status, session = open_session(service, issuer.sign("mallory"), **mallory)
    assert status == 200
    assert session["identity_id"] != ann["identity_id"]


@pytest.mark.parametrize(
    ("claims", "body"),
    [
        ({"aud": "another app"}, {}),
        ({"exp": 1}, {}),
        ({}, {"provider": OTHER}),
        ({}, {"provider": FACEBOOK}),
        ({}, {"provider": "login.unknown.example"}),
        ({"iss": "https://nobody.example"}, {}),
    ],
)
def test_a_login_that_the_pool_does_not_take_is_refused(
    service: RunningService, issuer: Issuer, claims: dict[str, Any], body: dict[str, Any]
) -> None:
    token = issuer.sign("ann", **claims)
    status, answer = open_session(service, token, **body)
    assert (status, answer["error"]["code"]) == (401, "unauthenticated")
    assert token not in json.dumps(answer)


def test_two_providers_of_one_user_are_one_identity_once_they_are_linked(
    service: RunningService, issuer: Issuer, other_issuer: Issuer
) -> None:
    ann, also_ann = issuer.sign("ann of two"), other_issuer.sign("ann elsewhere")
    _, first = open_session(service, ann)
    identity_id, _ = keys_of(service, {GOOGLE: ann, OTHER: also_ann})
    assert identity_id == first["identity_id"]
    _, second = open_session(service, also_ann)
    assert second["identity_id"] == first["identity_id"]


def test_two_providers_that_were_never_shown_together_are_two_identities(
    service: RunningService, issuer: Issuer, other_issuer: Issuer
) -> None:
    _, first = open_session(service, issuer.sign("bob"))
    _, second = open_session(service, other_issuer.sign("bob"))
    assert second["identity_id"] != first["identity_id"]


def test_a_user_of_a_provider_is_kicked_by_the_identity(
    service: RunningService, issuer: Issuer
) -> None:
    token = issuer.sign("carol")
    identity_id, keys = keys_of(service, {GOOGLE: token})
    _, session = open_session(service, token)
    done = service.run("kick", identity_id)
    assert (done.returncode, done.stderr) == (0, "")
    assert open_session(service, token)[0] == 401
    bearer = {"authorization": f"Bearer {session['token']}"}
    url = f"{service.url}/v1/updates?channels=user/me/inbox"
    assert POOL.request("GET", url, headers=bearer).status == 401
    assert not can_subscribe(service, identity_id, keys, f"user/{identity_id}/inbox")
    assert open_session(service, issuer.sign("carol"))[0] == 200


def test_a_login_linked_by_a_thief_is_no_way_in(service: RunningService, issuer: Issuer) -> None:
    """Whoever holds a token of the pool can link a login of their own to its identity."""
    login = POOL.request(
        "POST", f"{service.url}/dev/login", json={"user": "dora", "groups": []}
    ).json()["token"]
    _, stolen = open_session(service, login)
    mallory = issuer.sign("mallory the thief")
    logins = {"cognito-identity.amazonaws.com": stolen["token"], GOOGLE: mallory}
    as_browser(service).get_credentials_for_identity(
        IdentityId=stolen["identity_id"], Logins=logins
    )
    status, answer = open_session(service, mallory)
    assert (status, answer["error"]["code"]) == (401, "unauthenticated")


def test_no_older_token_makes_a_newer_one(service: RunningService, issuer: Issuer) -> None:
    """By which a revocation could be outlived; the classic flow would."""
    token = issuer.sign("erin")
    _, session = open_session(service, token)
    for logins in ({GOOGLE: token}, {"cognito-identity.amazonaws.com": session["token"]}):
        with pytest.raises(ClientError, match="classic"):
            as_browser(service).get_open_id_token(IdentityId=session["identity_id"], Logins=logins)


def test_a_program_reads_by_a_providers_login(service: RunningService, issuer: Issuer) -> None:
    """By the issuer that the token names, and by the provider that is named beside it."""
    for provider in (None, GOOGLE):
        reader = Subscriber(service.url, lambda: issuer.sign("ida"), provider=provider)
        told = reader.follow(["user/me/inbox"], rewind=1)
        owner = reader.identity().identity_id
        service.publish(f"user/{owner}/inbox", "hello")
        first = next(told)
        assert first.update is not None
        assert (first.channel, first.update.data) == ("user/me/inbox", "hello")
    wrong = Subscriber(service.url, issuer.sign("ida"), provider=OTHER)
    with pytest.raises(Unauthenticated):
        wrong.identity()


def test_the_terminal_reads_by_a_providers_login(service: RunningService, issuer: Issuer) -> None:
    token = issuer.sign("joe")
    owner = Subscriber(service.url, token).identity().identity_id
    service.publish(f"user/{owner}/inbox", "hello")
    environment = {**service.environment, "BELLWIRE_TOKEN": token, "BELLWIRE_PROVIDER": GOOGLE}
    words = ("tail", "user/me/inbox", "--rewind", "1", "--count", "1", "--json")
    done = replace(service, environment=environment).run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["data"] == "hello"
    environment["BELLWIRE_PROVIDER"] = OTHER
    done = replace(service, environment=environment).run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert token not in done.stderr


def test_an_opaque_token_is_a_login_too(service: RunningService, facebook: ProfileServer) -> None:
    facebook.profiles["EAAGann"] = {"id": "10101"}
    status, session = open_session(service, "EAAGann", provider=FACEBOOK, credentials=True)
    assert (status, session["groups"]) == (200, [])
    identity_id, keys = keys_of(service, {FACEBOOK: "EAAGann"})
    assert session["identity_id"] == identity_id
    inbox = f"user/{identity_id}/inbox"
    assert can_subscribe(service, identity_id, keys, inbox)
    issued = session["credentials"]
    its_keys = {
        "AccessKeyId": issued["access_key_id"],
        "SecretKey": issued["secret_access_key"],
        "SessionToken": issued["session_token"],
    }
    assert can_subscribe(service, identity_id, its_keys, inbox)
    assert not can_subscribe(service, identity_id, its_keys, "group/red/room")
    bearer = {"authorization": f"Bearer {session['token']}"}
    url = f"{service.url}/v1/updates?channels=user/me/inbox"
    assert POOL.request("GET", url, headers=bearer).status == 200


def test_an_opaque_token_does_not_say_whose_it_is(
    service: RunningService, facebook: ProfileServer, amazon: ProfileServer
) -> None:
    facebook.profiles["EAAGbob"] = {"id": "20202"}
    asked = len(facebook.asked)
    for body in ({}, {"provider": OTHER}, {"provider": AMAZON}):
        status, answer = open_session(service, "EAAGbob", **body)
        assert (status, answer["error"]["code"]) == (401, "unauthenticated")
        assert "EAAGbob" not in json.dumps(answer)
    assert len(facebook.asked) == asked
    assert amazon.asked[-1] == ("/me?fields=id", "Bearer EAAGbob")
    _, unnamed = open_session(service, "EAAGbob")
    assert unnamed["error"]["message"] == (
        'expected a JSON Web Token, or "provider" to name whose opaque token it is: '
        "graph.facebook.com or www.amazon.com"
    )


def test_an_opaque_token_holds_until_its_provider_revokes_it(
    service: RunningService, facebook: ProfileServer
) -> None:
    facebook.profiles["EAAGfred"] = {"id": "30303"}
    status, session = open_session(service, "EAAGfred", provider=FACEBOOK)
    assert status == 200
    assert service.run("kick", session["identity_id"]).returncode == 0
    assert open_session(service, "EAAGfred", provider=FACEBOOK)[0] == 200  # it does not tell when
    del facebook.profiles["EAAGfred"]
    for token in ("EAAGfred", "EAAGmadeUp"):
        status, answer = open_session(service, token, provider=FACEBOOK)
        assert (status, answer["error"]["code"]) == (401, "unauthenticated")
        assert "Invalid login token" in answer["error"]["message"]


def test_a_provider_that_fails_refuses_nobody(
    service: RunningService, facebook: ProfileServer
) -> None:
    """Who has logged in is to try again, not to log in again."""
    facebook.script = answer_with("503 Service Unavailable")
    try:
        status, answer = open_session(service, "EAAGgina", provider=FACEBOOK)
    finally:
        facebook.script = None
    assert (status, answer["error"]["code"]) == (502, "upstream")
    assert "EAAGgina" not in json.dumps(answer)


def test_opaque_and_other_logins_of_one_user_are_one_identity_once_they_are_linked(
    service: RunningService, issuer: Issuer, facebook: ProfileServer, amazon: ProfileServer
) -> None:
    facebook.profiles["EAAGhope"] = {"id": "40404"}
    amazon.profiles["Atza|hope"] = {"user_id": "amzn1.account.HOPE"}
    google = issuer.sign("hope")
    _, apart = open_session(service, "Atza|hope", provider=AMAZON)
    logins = {FACEBOOK: "EAAGhope", GOOGLE: google}
    identity_id, _ = keys_of(service, logins)
    assert identity_id != apart["identity_id"]
    for token, body in (("EAAGhope", {"provider": FACEBOOK}), (google, {})):
        assert open_session(service, token, **body)[1]["identity_id"] == identity_id
    with pytest.raises(ClientError, match="already linked"):
        keys_of(service, {**logins, AMAZON: "Atza|hope"})


def test_an_opaque_token_is_in_no_log(service: RunningService, facebook: ProfileServer) -> None:
    token = "EAAGsecretOfIris"
    open_session(service, token, provider=FACEBOOK)
    facebook.profiles[token] = {"id": "50505"}
    open_session(service, token, provider=FACEBOOK)
    open_session(service, token)
    written = service.log.read_text()
    assert "Cognito refused: NotAuthorizedException: Invalid login token" in written
    assert token not in written
    told = POOL.request("GET", f"{service.url}/dev/decisions").data
    assert token.encode() not in told


def test_a_program_reads_by_an_opaque_token(
    service: RunningService, facebook: ProfileServer
) -> None:
    facebook.profiles["EAAGkim"] = {"id": "40404"}
    reader = Subscriber(service.url, "EAAGkim", provider=FACEBOOK)
    service.publish(f"user/{reader.identity().identity_id}/inbox", "hello")
    first = next(reader.follow(["user/me/inbox"], rewind=1))
    assert first.update is not None
    assert first.update.data == "hello"
