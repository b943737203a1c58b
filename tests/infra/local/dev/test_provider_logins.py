"""Logins of a provider (Google, any OpenID Connect issuer), by the session and by the browser."""

import json
from collections.abc import Iterator
from dataclasses import replace
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
from infra.local.mqtt_probe import Probe
from services import RunningService, running_service

GOOGLE, OTHER = "accounts.google.com", "login.other.example"
POOL = urllib3.PoolManager(retries=False)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def other_issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def service(
    issuer: Issuer, other_issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    directory: Path = tmp_path_factory.mktemp("providers")
    providers = {
        GOOGLE: {"issuer": issuer.url, "audiences": [AUDIENCE]},
        OTHER: {"issuer": other_issuer.url, "audiences": [AUDIENCE]},
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
    with Probe(service.ready["iot"], signer, f"{identity_id}-probe") as probe:
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
        ({}, {"provider": "graph.facebook.com"}),
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
