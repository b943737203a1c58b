"""Whatever parameters an operation is given, it answers or refuses; nothing else comes out."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.accounts import OpaqueProvider, PoolSettings, Provider
from bellwire_local.identity.assuming import Assumed, RoleAssumption
from bellwire_local.identity.credentials import CredentialIssuer, Grant
from bellwire_local.identity.decisions import DecisionLog
from bellwire_local.identity.developer import DeveloperIdentities
from bellwire_local.identity.identities import GuestIdentities
from bellwire_local.identity.inquiries import WANTED, Inquiries, Wanted
from bellwire_local.identity.linked_identities import LinkedIdentities
from bellwire_local.identity.logins import LoginProver
from bellwire_local.identity.oidc_keys import KeysWanted, ProviderKeys
from bellwire_local.identity.pool import IdentityPool
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.profiles import Profiles, ProfileWanted, fetch_subject
from bellwire_local.identity.refusals import CognitoRefusal, StsRefusal
from bellwire_local.identity.roles import Roles
from bellwire_local.identity.tokens import OpenIdToken, TokenSigner
from infra.local.identity.conftest import ACCOUNTS, DEVELOPER, HOME, allow

POOL_ID, REGION, NOW_S = "us-east-1:0-0", "us-east-1", 1_700_000_000.0
POLICY = json.dumps(allow("iot:Publish"))
COGNITO, ISSUER = "cognito-identity.amazonaws.com", "id.example"
FACEBOOK, PROFILE = "graph.facebook.com", "https://graph.example/me"
Answer = TypeVar("Answer")
Operation = Callable[[dict[str, Any], float], dict[str, object]]


@dataclass
class Rules:
    """The rules of a pool and of STS without a wire, and one user who is known."""

    pool: IdentityPool
    assumption: RoleAssumption
    identity_id: str
    token: str

    def operations(self) -> list[Operation]:
        developer = DeveloperIdentities(self.pool)
        return [
            self.pool.get_id,
            self.pool.get_credentials_for_identity,
            self.pool.get_open_id_token,
            self.pool.unlink_identity,
            developer.get_open_id_token,
            developer.look_up,
            developer.unlink,
            developer.merge,
            developer.describe,
        ]


@pytest.fixture(scope="module")
def rules() -> Rules:
    settings = PoolSettings(
        authenticated_role="member_role",
        developer_provider=DEVELOPER,
        providers={
            ISSUER: Provider("https://id.example", ("page",)),
            FACEBOOK: OpaqueProvider(PROFILE),
        },
    )
    tokens = TokenSigner(generate_private_key(65_537, 2048), REGION, HOME)
    roles = Roles(ACCOUNTS, HOME, settings, POOL_ID, DecisionLog())
    issuer = CredentialIssuer(bytes(32))
    pool = IdentityPool(
        account_id=HOME,
        pool_id=POOL_ID,
        settings=settings,
        guests=GuestIdentities(bytes(32), REGION, POOL_ID),
        linked=LinkedIdentities(sqlite3.connect(":memory:", isolation_level=None)),
        roles=roles,
        tokens=tokens,
        issuer=issuer,
        prover=LoginProver(
            account_id=HOME,
            pool_id=POOL_ID,
            tokens=tokens,
            providers=settings.providers,
            developer_provider=settings.developer_provider,
            inquiries=Inquiries(ProviderKeys(lambda _: {}, lambda: NOW_S), Profiles(fetch_subject)),
        ),
    )
    known = DeveloperIdentities(pool).get_open_id_token(
        {"IdentityPoolId": POOL_ID, "Logins": {DEVELOPER: "ann"}}, NOW_S
    )
    assumption = RoleAssumption(roles=roles, tokens=tokens, issuer=issuer, pool=settings)
    return Rules(pool, assumption, str(known["IdentityId"]), str(known["Token"]))


_GOOD = st.sampled_from(
    [POOL_ID, "IDENTITY", "TOKEN", DEVELOPER, ISSUER, FACEBOOK, COGNITO, "ann", "bob", "1"]
)
_PLAIN: st.SearchStrategy[Any] = st.one_of(
    _GOOD, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)
)
_VALUES = st.one_of(
    _PLAIN,
    st.lists(_PLAIN, max_size=3),
    st.dictionaries(st.one_of(_GOOD, st.text(max_size=5)), _PLAIN, max_size=3),
)


def _mostly(
    good: st.SearchStrategy[Any], otherwise: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    """Draw what an operation expects nine times in ten, else anything; None is left out."""
    return st.integers(0, 9).flatmap(lambda lot: otherwise if lot == 5 else good)


_LOGINS = st.dictionaries(
    st.sampled_from([DEVELOPER, COGNITO, ISSUER, FACEBOOK]),
    st.sampled_from(["ann", "bob", "TOKEN", "a.b.c"]),
    min_size=1,
    max_size=2,
)
_PARAMETERS = st.fixed_dictionaries(
    {
        name: _mostly(good, _VALUES)
        for name, good in {
            "IdentityPoolId": st.just(POOL_ID),
            "IdentityId": st.just("IDENTITY"),
            "Logins": _LOGINS,
            "LoginsToRemove": st.just([DEVELOPER]),
            "DeveloperProviderName": st.just(DEVELOPER),
            "DeveloperUserIdentifier": st.sampled_from(["ann", "bob"]),
            "SourceUserIdentifier": st.sampled_from(["ann", "bob"]),
            "DestinationUserIdentifier": st.just("ann"),
            "TokenDuration": st.integers(1, 86_400),
            "PrincipalTags": st.just({"team": "red"}),
            "MaxResults": st.integers(1, 60),
            "NextToken": st.just("1"),
        }.items()
    },
)


def _put_in(value: Any, rules: Rules) -> Any:
    known = {"IDENTITY": rules.identity_id, "TOKEN": rules.token}
    if isinstance(value, dict):
        return {key: _put_in(each, rules) for key, each in value.items()}
    return known.get(value, value) if isinstance(value, str) else value


@given(place=st.integers(0, 8), parameters=_PARAMETERS)
def test_operations_of_a_pool(rules: Rules, place: int, parameters: dict[str, Any]) -> None:
    asked = _put_in(parameters, rules)
    outcome = _try(lambda: rules.operations()[place](asked, NOW_S))
    assert not isinstance(outcome, StsRefusal)
    if isinstance(outcome, CognitoRefusal):
        assert outcome.error_type.endswith("Exception")
    elif isinstance(outcome, KeysWanted):
        assert outcome.issuer == "https://id.example"
    elif isinstance(outcome, ProfileWanted):
        assert outcome.question.profile_url == PROFILE
    else:
        assert outcome == {} or str(outcome["IdentityId"]).startswith("us-east-1:")


def _try(attempt: Callable[[], Answer]) -> Answer | CognitoRefusal | StsRefusal | Wanted:
    try:
        return attempt()
    except (CognitoRefusal, StsRefusal, *WANTED) as refusal:
        return refusal


_FIELDS = st.fixed_dictionaries(
    {
        name: _mostly(st.sampled_from(good), st.one_of(st.none(), st.text(max_size=30)))
        for name, good in {
            "RoleArn": [f"arn:aws:iam::{HOME}:role/{name}" for name in ("for_members", "narrowed")],
            "RoleSessionName": ["ann", "ann@tab"],
            "DurationSeconds": ["900", "3600"],
            "Policy": [POLICY],
            "WebIdentityToken": ["TOKEN"],
            "ExternalId": ["x1"],
        }.items()
    },
)


@given(fields=_FIELDS, is_signed=st.booleans())
def test_operations_of_sts(rules: Rules, fields: dict[str, str | None], *, is_signed: bool) -> None:
    asked = _put_in({name: text for name, text in fields.items() if text is not None}, rules)
    caller = Grant(Principal(HOME, "backend", "job"), "secret")
    outcome = _try(
        lambda: (
            rules.assumption.as_caller(asked, caller, "127.0.0.1", NOW_S)
            if is_signed
            else rules.assumption.with_web_identity(asked, "127.0.0.1", NOW_S)
        )
    )
    if isinstance(outcome, Assumed):
        assert outcome.principal.session_name == asked["RoleSessionName"]
    else:
        assert isinstance(outcome, StsRefusal)
        assert outcome.status in (400, 403)


@given(st.text())
def test_texts_that_are_no_token(rules: Rules, text: str) -> None:
    for made_up in (text, f"{rules.token}{text or 'x'}", f"{text or 'x'}{rules.token}"):
        with pytest.raises(CognitoRefusal, match="Invalid login token"):
            rules.pool.prover.prove({COGNITO: made_up}, NOW_S)


@given(
    amr=st.lists(st.text(max_size=10), min_size=1, max_size=4),
    tags=st.dictionaries(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=5)),
    lifetime_s=st.integers(1, 86_400),
)
def test_what_is_signed_is_what_is_read(
    rules: Rules, amr: list[str], tags: dict[str, str], lifetime_s: int
) -> None:
    token = OpenIdToken("us-east-1:1-1", POOL_ID, tuple(amr), tags)
    text = rules.pool.tokens.sign(token, 1000, lifetime_s)
    assert rules.pool.tokens.read(text, 999 + lifetime_s) == replace(
        token, expires_at=1000 + lifetime_s
    )
