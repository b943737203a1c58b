"""Users that a developer's own backend has logged in, with an unmodified boto3."""

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from botocore.exceptions import ClientError

from infra.local.conftest import Signer
from infra.local.identity.conftest import DEVELOPER, OTHER, SETTINGS, MakeCloud

if TYPE_CHECKING:
    from infra.local.identity.conftest import Cloud

COGNITO = "cognito-identity.amazonaws.com"
IDENTITY = re.compile(r"us-east-1:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _user() -> str:
    return f"user-{uuid.uuid4()}"


def test_a_developer_identity_gets_a_token_and_credentials(cloud: "Cloud") -> None:
    user = _user()
    identity_id, token = cloud.developer_token(user)
    assert IDENTITY.fullmatch(identity_id)
    answer = cloud.pool_client().get_credentials_for_identity(
        IdentityId=identity_id, Logins={COGNITO: token}
    )
    assert answer["IdentityId"] == identity_id
    issued = answer["Credentials"]
    signer = Signer(issued["AccessKeyId"], issued["SecretKey"], issued["SessionToken"])
    seen = cloud.sts(signer).get_caller_identity()
    assert seen["Arn"] == (
        "arn:aws:sts::000000000000:assumed-role/member_role/CognitoIdentityCredentials"
    )
    grant = cloud.stand_in._issuer.look_up(  # noqa: SLF001  # what the credentials really carry
        signer.access_key_id, signer.session_token, 0
    )
    assert grant.principal.is_authenticated_identity
    assert grant.principal.identity_id == identity_id
    assert grant.principal.amr == (
        "authenticated",
        "login.example",
        f"login.example:{cloud.pool_id}:{user}",
    )


def test_what_a_developer_token_says(cloud: "Cloud") -> None:
    identity_id, token = cloud.developer_token("ann", PrincipalTags={"team": "red"})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert {name: claims[name] for name in ("sub", "aud", "iss", "amr")} == {
        "sub": identity_id,
        "aud": cloud.pool_id,
        "iss": "https://cognito-identity.amazonaws.com",
        "amr": ["authenticated", "login.example", f"login.example:{cloud.pool_id}:ann"],
    }
    assert claims["exp"] - claims["iat"] == 900
    assert claims["https://aws.amazon.com/tags"] == {"principal_tags": {"team": ["red"]}}
    assert claims["https://cognito-identity.amazonaws.com/identity-pool-arn"] == (
        f"arn:aws:cognito-identity:us-east-1:000000000000:identitypool/{cloud.pool_id}"
    )
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("RS512", "JWS")
    _, long = cloud.developer_token("ann", TokenDuration=86_400)
    claims = jwt.decode(long, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 86_400


def test_a_user_keeps_the_identity_across_a_restart(make_cloud: MakeCloud) -> None:
    with make_cloud(SETTINGS) as first:
        identity_id, token = first.developer_token("ann")
        other_id, _ = first.developer_token("bob")
    assert identity_id != other_id
    with make_cloud(SETTINGS) as second:
        assert second.developer_token("ann")[0] == identity_id
        answer = second.pool_client().get_credentials_for_identity(
            IdentityId=identity_id, Logins={COGNITO: token}
        )
    assert answer["IdentityId"] == identity_id


def test_a_guest_becomes_a_member_and_keeps_the_identity(cloud: "Cloud") -> None:
    guest = cloud.guest()
    identity_id, token = cloud.developer_token(_user(), IdentityId=guest.identity_id)
    assert identity_id == guest.identity_id
    client = cloud.pool_client()
    forbidden = f"Access to Identity '{identity_id}' is forbidden"
    with pytest.raises(client.exceptions.NotAuthorizedException, match=forbidden):
        client.get_credentials_for_identity(IdentityId=identity_id)
    answer = client.get_credentials_for_identity(IdentityId=identity_id, Logins={COGNITO: token})
    assert answer["IdentityId"] == identity_id


def test_several_users_of_one_identity(cloud: "Cloud") -> None:
    first, second, third = _user(), _user(), _user()
    identity_id, _ = cloud.developer_token(first)
    assert cloud.developer_token(second, IdentityId=identity_id)[0] == identity_id
    assert cloud.developer_token(second)[0] == identity_id
    backend = cloud.pool_client("backend")
    found = backend.lookup_developer_identity(
        IdentityPoolId=cloud.pool_id, DeveloperUserIdentifier=first
    )
    assert found["IdentityId"] == identity_id
    assert found["DeveloperUserIdentifierList"] == sorted([first, second])
    cloud.developer_token(third)
    with pytest.raises(backend.exceptions.DeveloperUserAlreadyRegisteredException):
        cloud.developer_token(third, IdentityId=identity_id)
    with pytest.raises(backend.exceptions.ResourceConflictException):
        backend.lookup_developer_identity(
            IdentityPoolId=cloud.pool_id, IdentityId=identity_id, DeveloperUserIdentifier=third
        )


def test_looking_users_up_page_by_page(cloud: "Cloud") -> None:
    users = sorted(_user() for _ in range(5))
    identity_id, _ = cloud.developer_token(users[0])
    for user in users[1:]:
        cloud.developer_token(user, IdentityId=identity_id)
    backend = cloud.pool_client("backend")
    asked: dict[str, Any] = {"IdentityPoolId": cloud.pool_id, "IdentityId": identity_id}
    pages: list[list[str]] = []
    token: dict[str, Any] = {}
    for _ in range(3):
        page = backend.lookup_developer_identity(**asked, MaxResults=2, **token)
        pages.append(page["DeveloperUserIdentifierList"])
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert pages == [users[:2], users[2:4], users[4:]]
    assert token == {}
    with pytest.raises(backend.exceptions.InvalidParameterException, match="NextToken"):
        backend.lookup_developer_identity(**asked, NextToken="made-up")


def test_an_identity_has_twenty_logins_at_most(cloud: "Cloud") -> None:
    identity_id, _ = cloud.developer_token(_user())
    for _ in range(19):
        cloud.developer_token(_user(), IdentityId=identity_id)
    with pytest.raises(ClientError, match="20 are allowed") as caught:
        cloud.developer_token(_user(), IdentityId=identity_id)
    assert caught.value.response["Error"]["Code"] == "LimitExceededException"


def test_an_unlinked_user_is_somebody_new(cloud: "Cloud") -> None:
    user = _user()
    identity_id, token = cloud.developer_token(user)
    backend = cloud.pool_client("backend")
    asked: dict[str, Any] = {
        "IdentityPoolId": cloud.pool_id,
        "DeveloperProviderName": DEVELOPER,
        "DeveloperUserIdentifier": user,
    }
    other_id, _ = cloud.developer_token(_user())
    with pytest.raises(backend.exceptions.ResourceConflictException):
        backend.unlink_developer_identity(**asked, IdentityId=other_id)
    backend.unlink_developer_identity(**asked, IdentityId=identity_id)
    with pytest.raises(backend.exceptions.ResourceNotFoundException):
        backend.unlink_developer_identity(**asked, IdentityId=identity_id)
    with pytest.raises(backend.exceptions.ResourceNotFoundException):
        backend.lookup_developer_identity(
            IdentityPoolId=cloud.pool_id, DeveloperUserIdentifier=user
        )
    assert cloud.developer_token(user)[0] != identity_id
    client = cloud.pool_client()
    with pytest.raises(client.exceptions.NotAuthorizedException, match="is forbidden"):
        client.get_credentials_for_identity(IdentityId=identity_id)
    with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins={COGNITO: token})


def test_merging_disables_the_source(cloud: "Cloud") -> None:
    source, destination = _user(), _user()
    source_id, source_token = cloud.developer_token(source)
    destination_id, _ = cloud.developer_token(destination)
    backend = cloud.pool_client("backend")
    asked: dict[str, Any] = {
        "IdentityPoolId": cloud.pool_id,
        "DeveloperProviderName": DEVELOPER,
        "SourceUserIdentifier": source,
        "DestinationUserIdentifier": destination,
    }
    assert backend.merge_developer_identities(**asked)["IdentityId"] == destination_id
    assert backend.merge_developer_identities(**asked)["IdentityId"] == destination_id
    assert cloud.developer_token(source)[0] == destination_id
    client = cloud.pool_client()
    for logins in ({}, {COGNITO: source_token}):
        with pytest.raises(client.exceptions.NotAuthorizedException, match="is forbidden"):
            client.get_credentials_for_identity(IdentityId=source_id, Logins=logins)
    with pytest.raises(backend.exceptions.NotAuthorizedException, match="is forbidden"):
        cloud.developer_token(_user(), IdentityId=source_id)


def test_describing_identities(cloud: "Cloud") -> None:
    backend = cloud.pool_client("backend")
    identity_id, _ = cloud.developer_token(_user())
    described = backend.describe_identity(IdentityId=identity_id)
    assert described["Logins"] == ["login.example"]
    assert described["CreationDate"] <= described["LastModifiedDate"]
    guest_id = cloud.guest().identity_id
    described = backend.describe_identity(IdentityId=guest_id)
    assert {name for name in described if name != "ResponseMetadata"} == {"IdentityId"}


def test_anothers_token_is_no_use(cloud: "Cloud") -> None:
    ann_id, _ = cloud.developer_token(_user())
    bob_id, bobs_token = cloud.developer_token(_user())
    client = cloud.pool_client()
    for identity_id in (ann_id, cloud.guest().identity_id):
        with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't match"):
            client.get_credentials_for_identity(
                IdentityId=identity_id, Logins={COGNITO: bobs_token}
            )
    found = client.get_id(IdentityPoolId=cloud.pool_id, Logins={COGNITO: bobs_token})
    assert found["IdentityId"] == bob_id


def test_tokens_that_are_no_login(cloud: "Cloud") -> None:
    identity_id, token = cloud.developer_token(_user(), TokenDuration=60)
    guest_id, guest_token = cloud.guest_token()
    client = cloud.pool_client()
    ask = client.get_credentials_for_identity
    refused = client.exceptions.NotAuthorizedException
    unsigned = jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", "none")
    for made_up in (token[:-8] + "AAAAAAAA", unsigned, "x", "a.b.c"):
        with pytest.raises(refused, match=r"Invalid login token. Couldn't verify signed token."):
            ask(IdentityId=identity_id, Logins={COGNITO: made_up})
    with pytest.raises(refused, match=r"Invalid login token. The token is a guest's"):
        ask(IdentityId=guest_id, Logins={COGNITO: guest_token})
    with cloud.clock.moved(61), pytest.raises(refused, match=r"Invalid login token. Token expired"):
        ask(IdentityId=identity_id, Logins={COGNITO: token})


def test_a_token_of_another_pool_is_no_login(cloud: "Cloud", make_cloud: MakeCloud) -> None:
    identity_id, _ = cloud.developer_token(_user())
    with make_cloud(SETTINGS) as elsewhere:
        _, token = elsewhere.developer_token(_user())
    client = cloud.pool_client()
    with pytest.raises(client.exceptions.NotAuthorizedException, match="verify signed token"):
        client.get_credentials_for_identity(IdentityId=identity_id, Logins={COGNITO: token})


def test_who_may_vouch_for_users(cloud: "Cloud", make_cloud: MakeCloud) -> None:
    asked: dict[str, Any] = {"IdentityPoolId": cloud.pool_id, "Logins": {DEVELOPER: "ann"}}
    refusals = []
    for client in (cloud.pool_client(), cloud.pool_client("powerless")):
        with pytest.raises(ClientError) as caught:
            client.get_open_id_token_for_developer_identity(**asked)
        refusals.append(caught.value.response["Error"])
    assert [refusal["Code"] for refusal in refusals] == [
        "MissingAuthenticationTokenException",
        "AccessDeniedException",
    ]
    assert refusals[1]["Message"] == (
        "User: arn:aws:sts::000000000000:assumed-role/powerless/job is not authorized to perform: "
        "cognito-identity:GetOpenIdTokenForDeveloperIdentity on resource: "
        f"arn:aws:cognito-identity:us-east-1:000000000000:identitypool/{cloud.pool_id} because no "
        "identity-based policy allows the "
        "cognito-identity:GetOpenIdTokenForDeveloperIdentity action"
    )
    far = cloud.sts(cloud.role("backend")).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/shared", RoleSessionName="far"
    )["Credentials"]
    foreign = cloud.boto(  # with credentials of another account
        "cognito-identity",
        Signer(far["AccessKeyId"], far["SecretAccessKey"], far["SessionToken"]),
    )
    with pytest.raises(ClientError, match="of another account"):
        foreign.get_open_id_token_for_developer_identity(**asked)
    no_provider = replace(SETTINGS, pool=replace(SETTINGS.pool, developer_provider=None))
    with (
        make_cloud(no_provider) as elsewhere,
        pytest.raises(ClientError, match="no developer provider"),
    ):
        elsewhere.developer_token("ann")


@pytest.mark.parametrize(
    "wrong",
    [
        {"TokenDuration": 86_401},
        {"Logins": {"login.other": "ann"}},
        {"Logins": {}},
        {"Logins": {DEVELOPER: "x" * 1025}},
        {"IdentityPoolId": "us-east-1:g"},
        {"PrincipalTags": {"k": "x" * 257}},
        {"PrincipalTags": {f"k{n}": "x" for n in range(51)}},
    ],
)
def test_parameters_that_are_no_good(cloud: "Cloud", wrong: dict[str, Any]) -> None:
    client = cloud.pool_client("backend")
    asked: dict[str, Any] = {"IdentityPoolId": cloud.pool_id, "Logins": {DEVELOPER: "ann"}, **wrong}
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.get_open_id_token_for_developer_identity(**asked)


def test_identities_and_pools_that_are_not_there(cloud: "Cloud") -> None:
    client = cloud.pool_client("backend")
    absent = "us-east-1:11111111-1111-4111-8111-111111111111"
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="Identity '"):
        cloud.developer_token(_user(), IdentityId=absent)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="IdentityPool '"):
        client.get_open_id_token_for_developer_identity(
            IdentityPoolId=absent, Logins={DEVELOPER: "ann"}
        )
