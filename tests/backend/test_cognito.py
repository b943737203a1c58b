"""The identity pool through its adapter, against the stand-in and with Bellwire's own roles."""

from typing import Any

import jwt
import pytest

from backend.cloud import DEVELOPER, OTHER, PROVIDER, Cloud, signer_of
from backend.club import BEARER_SECRET
from bellwire.bearers import Bearers
from bellwire.errors import NotAllowed, Unauthenticated, Upstream
from bellwire.identity_ports import Vouched
from bellwire.jwks import JwksKeys, fetch_from
from infra.local.conftest import Signer

UNKNOWN = "us-east-1:00000000-0000-4000-8000-00000000000a"


def who_is(cloud: Cloud, signer: Signer) -> str:
    """Ask STS who holds these keys."""
    sts = cloud.client_of(signer, "sts")
    return str(sts.get_caller_identity()["Arn"])


def test_a_guest_gets_credentials_of_the_guest_role(cloud: Cloud) -> None:
    identities = cloud.identities()
    first, second = identities.new_guest(), identities.new_guest()
    assert first != second
    issued = identities.credentials_for_guest(first)
    role = "assumed-role/guest_role/CognitoIdentityCredentials"
    assert who_is(cloud, signer_of(issued)).endswith(role)
    assert 3500 < issued.expires_at_ms / 1000 - cloud.clock.wall_s() <= 3601
    client = cloud.connect(signer_of(issued, first))
    assert client.subscribe("dev/public/a", "dev/group/red/room") == [0, 128]


def test_a_user_is_one_identity(cloud: Cloud) -> None:
    identities = cloud.identities()
    first = identities.vouch_for("alice", lifetime_s=3600)
    assert identities.vouch_for("alice", lifetime_s=1).identity_id == first.identity_id
    assert identities.vouch_for("bob", lifetime_s=1).identity_id != first.identity_id
    assert identities.vouch_for("Alice", lifetime_s=1).identity_id != first.identity_id


def test_a_token_is_the_pools_and_lasts_as_long_as_told(cloud: Cloud) -> None:
    vouched = cloud.identities().vouch_for("alice", lifetime_s=900)
    claims = jwt.decode(vouched.token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 900
    assert abs(vouched.expires_at_s - claims["exp"]) <= 1
    assert (claims["sub"], claims["aud"]) == (vouched.identity_id, cloud.pool_id)
    assert claims["amr"][:2] == ["authenticated", DEVELOPER]
    assert vouched.token not in repr(vouched)


@pytest.mark.parametrize(
    "user", [" ", "a/b", "user#x", "'; --", "Zo\u00eb", "\U0001f514" * 256, "x" * 256, "{}", "a\\b"]
)
def test_odd_names_are_users_too(cloud: Cloud, user: str) -> None:
    identities = cloud.identities()
    first = identities.vouch_for(user, lifetime_s=1)
    assert identities.vouch_for(user, lifetime_s=1).identity_id == first.identity_id


def test_a_member_gets_credentials_of_the_member_role(cloud: Cloud) -> None:
    identities = cloud.identities()
    vouched = identities.vouch_for("alice", lifetime_s=3600)
    issued = identities.credentials_for_member(vouched)
    role = "assumed-role/member_role/CognitoIdentityCredentials"
    assert who_is(cloud, signer_of(issued)).endswith(role)
    with pytest.raises(NotAllowed):
        identities.credentials_for_guest(vouched.identity_id)


def test_another_account_hands_out_its_own(cloud: Cloud) -> None:
    identities = cloud.identities(elsewhere=cloud.elsewhere().credentials)
    vouched = identities.vouch_for("alice", lifetime_s=3600)
    issued = identities.credentials_for_member(vouched)
    found = who_is(cloud, signer_of(issued))
    assert found == f"arn:aws:sts::{OTHER}:assumed-role/member_role/bellwire-member"


def test_a_providers_login_is_an_identity(cloud: Cloud) -> None:
    identities = cloud.identities()
    token = cloud.issuer.sign("zoe")
    identity_id = identities.identity_of_login(PROVIDER, token)
    assert identities.identity_of_login(PROVIDER, cloud.issuer.sign("zoe")) == identity_id
    vouched = identities.vouch_for(identity_id, lifetime_s=3600, identity_id=identity_id)
    assert vouched.identity_id == identity_id
    again = identities.vouch_for(identity_id, lifetime_s=3600, identity_id=identity_id)
    assert again.identity_id == identity_id
    assert identities.credentials_for_member(vouched).access_key_id.startswith("ASIA")


@pytest.mark.parametrize(
    "login",
    [
        {"aud": "another"},
        {"exp": 1},
        {"iss": "https://elsewhere.example"},
        {"nbf": 9_000_000_000},
    ],
)
def test_a_login_that_the_pool_does_not_accept_is_refused(
    cloud: Cloud, login: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated, match=r"Cognito refused: .*NotAuthorizedException"):
        cloud.identities().identity_of_login(PROVIDER, cloud.issuer.sign("zoe", **login))


def test_logins_that_are_none_are_refused(cloud: Cloud) -> None:
    identities = cloud.identities()
    good = cloud.issuer.sign("zoe")
    own = identities.vouch_for("alice", lifetime_s=900).token
    for provider, token in (
        ("elsewhere.example", good),
        (DEVELOPER, "alice"),
        (DEVELOPER, own),
        (PROVIDER, own),
        (PROVIDER, "x"),
        (PROVIDER, good[:-4] + "AAAA"),
        (PROVIDER, "x" * 60_000),
        ("x" * 200, good),
        ("\u00e9", good),
    ):
        with pytest.raises(Unauthenticated) as refused:
            identities.identity_of_login(provider, token)
        assert good[-40:] not in refused.value.message


def test_a_token_that_does_not_hold_gets_no_credentials(cloud: Cloud) -> None:
    identities = cloud.identities()
    alice = identities.vouch_for("alice", lifetime_s=900)
    bob = identities.vouch_for("bob", lifetime_s=900)
    for vouched in (
        Vouched(alice.identity_id, "x", 0),
        Vouched(alice.identity_id, bob.token, 0),
        Vouched(alice.identity_id, alice.token[:-4] + "AAAA", 0),
        Vouched(UNKNOWN, alice.token, 0),
        Vouched("nobody", alice.token, 0),
    ):
        with pytest.raises(Unauthenticated):
            identities.credentials_for_member(vouched)
    with cloud.clock.moved(901), pytest.raises(Unauthenticated):
        identities.credentials_for_member(alice)
    assert identities.credentials_for_member(alice).access_key_id


def test_a_narrowed_bearer_gets_no_credentials(cloud: Cloud) -> None:
    identities = cloud.identities()
    alice = identities.vouch_for("alice", lifetime_s=900)
    keys = JwksKeys(
        fetch_from(f"{cloud.stand_in.aws_url}/.well-known/jwks_uri"), cloud.clock.monotonic_s
    )
    bearers = Bearers(
        pool_id=cloud.pool_id, pool_keys=keys, secret=lambda: BEARER_SECRET, stage="dev"
    )
    now_s = int(cloud.clock.wall_s())
    assert bearers.read(alice.token, now_s).identity_id == alice.identity_id
    narrow = bearers.sign(alice.identity_id, ["public/a"], issued_at_s=now_s, lifetime_s=900)
    with pytest.raises(Unauthenticated):
        identities.credentials_for_member(Vouched(alice.identity_id, narrow, 0))
    guest_id = identities.new_guest()
    token = cloud.cognito().get_open_id_token(IdentityId=guest_id)["Token"]
    with pytest.raises(Unauthenticated, match="the token is a guest's"):
        bearers.read(token, now_s)


def test_a_guest_that_is_none_gets_no_credentials(cloud: Cloud) -> None:
    for identity_id in (UNKNOWN, "nobody", "x" * 80):
        with pytest.raises(NotAllowed):
            cloud.identities().credentials_for_guest(identity_id)


def test_only_the_session_function_vouches(cloud: Cloud) -> None:
    for role in ("publisher_role", "operator_role", "guest_role", "member_role", "narrowed_role"):
        with pytest.raises(Upstream, match="AccessDeniedException"):
            cloud.identities(role).vouch_for("alice", lifetime_s=900)


def test_a_pool_without_a_login_of_the_application_says_so(cloud: Cloud) -> None:
    with pytest.raises(Upstream, match="has no developer provider"):
        cloud.identities(developer_provider=None).vouch_for("alice", lifetime_s=900)
