"""The enhanced and the classic flow, and how a pool's settings change them."""

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import jwt
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bellwire_local.accounts import Account, PoolSettings, Role
from bellwire_local.identity.quotas import IdentityQuotas
from infra.local.identity.conftest import (
    ACCOUNTS,
    DEVELOPER,
    HOME,
    IOT,
    SETTINGS,
    MakeCloud,
    trust_pool,
)

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient

    from infra.local.identity.conftest import Cloud

COGNITO = "cognito-identity.amazonaws.com"
POOL = SETTINGS.pool
OPERATIONS = (
    "GetId",
    "GetCredentialsForIdentity",
    "GetOpenIdToken",
    "UnlinkIdentity",
    "GetOpenIdTokenForDeveloperIdentity",
)


def test_guests_are_new_at_each_call(cloud: "Cloud") -> None:
    client = cloud.pool_client()
    ids = {client.get_id(IdentityPoolId=cloud.pool_id)["IdentityId"] for _ in range(5)}
    assert len(ids) == 5


def test_the_classic_flow_can_be_off(make_cloud: MakeCloud) -> None:
    off = replace(SETTINGS, pool=replace(POOL, has_classic_flow=False))
    with make_cloud(off) as cloud:
        client = cloud.pool_client()
        identity_id = client.get_id(IdentityPoolId=cloud.pool_id)["IdentityId"]
        with pytest.raises(client.exceptions.InvalidParameterException) as caught:
            client.get_open_id_token(IdentityId=identity_id)
        assert client.get_credentials_for_identity(IdentityId=identity_id)["Credentials"]
        _become_member(cloud)
    assert caught.value.response["Error"]["Message"] == (
        "Basic (classic) flow is not enabled, please use enhanced flow."
    )


def test_whether_developer_tokens_need_the_classic_flow_is_a_setting(
    make_cloud: MakeCloud,
) -> None:
    pool = replace(POOL, has_classic_flow=False, developer_tokens_need_classic_flow=True)
    with make_cloud(replace(SETTINGS, pool=pool)) as cloud:
        with pytest.raises(ClientError, match="classic") as caught:
            _become_member(cloud)
        # The enhanced flow takes them all the same.
        identity_id, token = cloud.developer_token()
        cloud.pool_client().get_credentials_for_identity(
            IdentityId=identity_id, Logins={COGNITO: token}
        )
    assert caught.value.response["Error"]["Code"] == "InvalidIdentityToken"


def test_tags_stay_with_a_token_that_is_made_of_another(cloud: "Cloud") -> None:
    identity_id, token = cloud.developer_token("ann", PrincipalTags={"tenant": "a"})
    second = cloud.pool_client().get_open_id_token(IdentityId=identity_id, Logins={COGNITO: token})[
        "Token"
    ]
    claims = jwt.decode(second, options={"verify_signature": False})
    assert claims["https://aws.amazon.com/tags"] == {"principal_tags": {"tenant": ["a"]}}
    with pytest.raises(ClientError, match="Not authorized") as caught:
        _become(cloud, "for_members", second)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    _become(cloud, "for_tagged_members", second)


def test_tags_count_in_the_enhanced_flow(make_cloud: MakeCloud) -> None:
    tagged = replace(SETTINGS, pool=replace(POOL, authenticated_role="for_tagged_members"))
    for settings_now, is_let_in in ((SETTINGS, False), (tagged, True)):
        with make_cloud(settings_now) as cloud:
            client = cloud.pool_client()
            identity_id, token = cloud.developer_token("ann", PrincipalTags={"tenant": "a"})
            asked: Any = {"IdentityId": identity_id, "Logins": {COGNITO: token}}
            if is_let_in:
                assert client.get_credentials_for_identity(**asked)["Credentials"]
                continue
            with pytest.raises(client.exceptions.InvalidIdentityPoolConfigurationException):
                client.get_credentials_for_identity(**asked)
            _, untagged = cloud.developer_token("ann")
            asked["Logins"] = {COGNITO: untagged}
            assert client.get_credentials_for_identity(**asked)["Credentials"]


@pytest.mark.parametrize(("renew", "expected_s"), [(False, 60), (True, 600)])
def test_whether_tokens_renew_themselves_is_a_setting(
    make_cloud: MakeCloud, expected_s: int, *, renew: bool
) -> None:
    pool = replace(POOL, tokens_renew_themselves=renew)
    with make_cloud(replace(SETTINGS, pool=pool)) as cloud:
        client = cloud.pool_client()
        identity_id, first = cloud.developer_token("ann", TokenDuration=60)
        second = client.get_open_id_token(IdentityId=identity_id, Logins={COGNITO: first})["Token"]
        third = client.get_open_id_token(IdentityId=identity_id, Logins={COGNITO: second})["Token"]
        asked: Any = {"IdentityId": identity_id, "Logins": {COGNITO: third}}
        assert client.get_credentials_for_identity(**asked)["Credentials"]
        issued_at, *ends = (
            jwt.decode(token, options={"verify_signature": False})[claim]
            for token, claim in ((first, "iat"), (second, "exp"), (third, "exp"))
        )
        for end in ends:
            assert expected_s <= end - issued_at <= expected_s + (20 if renew else 0)
        with cloud.clock.moved(61):
            if renew:
                assert client.get_credentials_for_identity(**asked)["Credentials"]
                return
            with pytest.raises(client.exceptions.NotAuthorizedException, match="Token expired"):
                client.get_credentials_for_identity(**asked)


def test_a_guests_token_lasts_ten_minutes(cloud: "Cloud") -> None:
    claims = jwt.decode(cloud.guest_token()[1], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600


@pytest.mark.parametrize("outlive", [False, True])
def test_whether_tokens_outlive_unlinking_is_a_setting(
    make_cloud: MakeCloud, *, outlive: bool
) -> None:
    pool = replace(POOL, tokens_outlive_unlinking=outlive)
    with make_cloud(replace(SETTINGS, pool=pool)) as cloud:
        client, backend = cloud.pool_client(), cloud.pool_client("backend")
        identity_id, token = cloud.developer_token("ann")
        asked: Any = {"IdentityId": identity_id, "Logins": {COGNITO: token}}
        assert client.get_open_id_token(**asked)["Token"]
        backend.unlink_developer_identity(
            IdentityId=identity_id,
            IdentityPoolId=cloud.pool_id,
            DeveloperProviderName=DEVELOPER,
            DeveloperUserIdentifier="ann",
        )
        calls = (client.get_open_id_token, client.get_credentials_for_identity)
        for call in calls:
            if outlive:
                assert call(**asked)["IdentityId"] == identity_id
                continue
            with pytest.raises(client.exceptions.NotAuthorizedException, match="Logins don't"):
                call(**asked)
        if not outlive:
            backend.get_open_id_token_for_developer_identity(
                IdentityPoolId=cloud.pool_id, IdentityId=identity_id, Logins={DEVELOPER: "ann"}
            )
            assert client.get_open_id_token(**asked)["Token"]


def _become_member(cloud: "Cloud") -> None:
    _become(cloud, "for_members", cloud.developer_token()[1])


def _become(cloud: "Cloud", role: str, token: str) -> None:
    cloud.sts().assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{HOME}:role/{role}",
        RoleSessionName="ann",
        WebIdentityToken=token,
    )


@pytest.mark.parametrize(
    "role",
    [
        Role(IOT, trust_pool("authenticated")),
        Role(IOT, trust_pool("unauthenticated", "us-east-1:0-0")),
        None,
    ],
    ids=["of the other kind", "of another pool", "absent"],
)
def test_a_pool_role_that_does_not_trust_the_pool(make_cloud: MakeCloud, role: Role | None) -> None:
    roles = {**ACCOUNTS[HOME].roles, **({"odd": role} if role else {})}
    odd = replace(
        SETTINGS,
        accounts={HOME: Account(roles)},
        pool=PoolSettings(unauthenticated_role="odd"),
    )
    with make_cloud(odd) as cloud:
        client = cloud.pool_client()
        identity_id = client.get_id(IdentityPoolId=cloud.pool_id)["IdentityId"]
        with pytest.raises(
            client.exceptions.InvalidIdentityPoolConfigurationException,
            match="Check assigned IAM roles for this pool",
        ):
            client.get_credentials_for_identity(IdentityId=identity_id)


def test_a_pool_role_with_a_trust_policy_of_its_own(make_cloud: MakeCloud) -> None:
    settings = replace(SETTINGS, pool=replace(POOL, unauthenticated_role="for_guests"))
    with make_cloud(settings) as cloud:
        assert cloud.sts(cloud.guest()).get_caller_identity()["Arn"] == (
            "arn:aws:sts::000000000000:assumed-role/for_guests/CognitoIdentityCredentials"
        )


def test_members_need_a_role_of_the_pool(make_cloud: MakeCloud) -> None:
    settings = replace(SETTINGS, pool=replace(POOL, authenticated_role=None))
    with make_cloud(settings) as cloud:
        identity_id, token = cloud.developer_token()
        client = cloud.pool_client()
        with pytest.raises(client.exceptions.InvalidIdentityPoolConfigurationException):
            client.get_credentials_for_identity(IdentityId=identity_id, Logins={COGNITO: token})


def test_without_guests(make_cloud: MakeCloud) -> None:
    settings = replace(SETTINGS, pool=replace(POOL, unauthenticated_role=None))
    with make_cloud(settings) as cloud:
        client = cloud.pool_client()
        refused = client.exceptions.NotAuthorizedException
        with pytest.raises(refused, match="Unauthenticated access is not supported"):
            client.get_id(IdentityPoolId=cloud.pool_id)
        identity_id, token = cloud.developer_token()
        with pytest.raises(refused, match="Unauthenticated access is not supported"):
            client.get_credentials_for_identity(IdentityId=identity_id)
        assert client.get_credentials_for_identity(IdentityId=identity_id, Logins={COGNITO: token})[
            "Credentials"
        ]


def test_an_account_id_is_made_of_digits(cloud: "Cloud") -> None:
    client = cloud.pool_client()
    assert client.get_id(AccountId=HOME, IdentityPoolId=cloud.pool_id)["IdentityId"]
    with pytest.raises(client.exceptions.InvalidParameterException, match="digits are expected"):
        client.get_id(AccountId="mine", IdentityPoolId=cloud.pool_id)


def test_custom_roles_are_refused(cloud: "Cloud") -> None:
    client = cloud.pool_client()
    identity_id = client.get_id(IdentityPoolId=cloud.pool_id)["IdentityId"]
    with pytest.raises(client.exceptions.InvalidParameterException, match="CustomRoleArn"):
        client.get_credentials_for_identity(
            IdentityId=identity_id, CustomRoleArn=f"arn:aws:iam::{HOME}:role/for_guests"
        )


@pytest.mark.parametrize("status", [400, 429])
def test_rates(make_cloud: MakeCloud, status: Literal[400, 429]) -> None:
    settings = replace(
        SETTINGS,
        identity_quotas=IdentityQuotas(get_id_per_s=2),
        pool=replace(POOL, throttled_status=status),
    )
    with make_cloud(settings) as cloud:
        client = cloud.pool_client()
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            _make_guests(client, cloud.pool_id, 50)  # quicker than 2 a second by far
        cloud.developer_token()  # each operation counts for itself
        with cloud.clock.moved(10):
            assert client.get_id(IdentityPoolId=cloud.pool_id)["IdentityId"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def _make_guests(client: "CognitoIdentityClient", pool_id: str, count: int) -> None:
    for _ in range(count):
        client.get_id(IdentityPoolId=pool_id)


def test_credentials_can_be_made_to_end_early(make_cloud: MakeCloud) -> None:
    with make_cloud(SETTINGS) as cloud:
        guest = cloud.guest()
        assert cloud.sts(guest).get_caller_identity()["Account"] == HOME
        cloud.stand_in._issuer.shorten(0)  # noqa: SLF001  # as faults on purpose do
        with pytest.raises(ClientError, match="expired"):
            cloud.sts(guest).get_caller_identity()


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["us-east-1:0-0", COGNITO, DEVELOPER, "\ud800", "a.b.c"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["IdentityId", "IdentityPoolId", "Logins", "LoginsToRemove", "AccountId", "CustomRoleArn"]
)
_LOGINS = st.dictionaries(st.sampled_from([COGNITO, DEVELOPER, "\ud800", "x"]), _JSON, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    operation=st.sampled_from(OPERATIONS),
    body=st.one_of(
        st.dictionaries(_NAMES, st.one_of(_JSON, _LOGINS)).map(json.dumps),
        _JSON.map(json.dumps),
        st.text(),
    ),
    is_ours=st.booleans(),
)
def test_any_body_gets_a_clear_answer(
    cloud: "Cloud", caplog: pytest.LogCaptureFixture, operation: str, body: str, *, is_ours: bool
) -> None:
    if is_ours:
        body = body.replace("us-east-1:0-0", cloud.pool_id)
    target = {"X-Amz-Target": f"AWSCognitoIdentityService.{operation}"}
    answer = cloud.request("POST", "/", target, body.encode(errors="surrogatepass"))
    content = json.loads(answer.body)
    assert "IdentityId" in content or content["__type"] in {
        "SerializationException",
        "InvalidParameterException",
        "NotAuthorizedException",
        "ResourceNotFoundException",
        "MissingAuthenticationTokenException",
    }
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
