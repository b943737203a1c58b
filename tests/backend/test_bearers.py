"""The bearers of private polls: the pool's own tokens, and ours of narrowed sessions."""

import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from backend.club import ALICE, POOL_ID, PoolKeys, pool_key
from backend.club import pool_token as sign_as_pool
from backend.raw_tokens import signed_text
from bellwire.bearers import POOL_ISSUER, Bearer, Bearers
from bellwire.errors import BellwireError, Unauthenticated
from infra.local.identity.oidc_issuer import jwk_of

NOW_S = 1_795_417_463
SECRET = hashlib.sha256(b"bearers").digest()
CHANNELS = ["group/red/room", "public/a"]


def bearers(*, secret: bytes = SECRET, stage: str = "dev", pool_id: str = POOL_ID) -> Bearers:
    return Bearers(pool_id=pool_id, pool_keys=PoolKeys(), secret=lambda: secret, stage=stage)


def pool_token(**claims: Any) -> str:
    return sign_as_pool(ALICE, NOW_S, **claims)


def narrowed(by: Bearers | None = None) -> str:
    return (by or bearers()).sign(ALICE, CHANNELS, issued_at_s=NOW_S, lifetime_s=900)


def test_a_members_bearer_is_the_pools_token() -> None:
    assert bearers().read(pool_token(), NOW_S) == Bearer(ALICE, NOW_S)


def test_a_narrowed_bearer_is_for_its_channels() -> None:
    found = bearers().read(narrowed(), NOW_S)
    assert found == Bearer(ALICE, NOW_S, ("group/red/room", "public/a"))


@pytest.mark.parametrize(
    ("token", "late_s", "holds"),
    [
        (pool_token(), 3629, True),
        (pool_token(), 3630, False),
        (narrowed(), 899, True),
        (narrowed(), 900, False),
        (narrowed(), -1, False),
    ],
)
def test_a_bearer_ends(
    token: str,
    late_s: int,
    holds: bool,  # noqa: FBT001 - a row
) -> None:
    if holds:
        assert bearers().read(token, NOW_S + late_s).identity_id == ALICE
        return
    with pytest.raises(Unauthenticated):
        bearers().read(token, NOW_S + late_s)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "us-east-1:22222222-2222-4222-8222-222222222222"},
        {"aud": None},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"},
        {"iss": "bellwire"},
        {"iss": None},
        {"iss": "bellwire", "aud": "bellwire/dev", "channels": CHANNELS},
        {"sub": None},
        {"iat": None},
        {"exp": None},
        {"exp": NOW_S - 31},
        {"iat": NOW_S + 31},
    ],
)
def test_a_token_of_another_pool_or_time_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        bearers().read(pool_token(**claims), NOW_S)


@pytest.mark.parametrize(
    "amr", [["unauthenticated"], [], None, ["Authenticated"], [["authenticated"]]]
)
def test_a_guests_token_is_no_bearer(amr: Any) -> None:
    with pytest.raises(Unauthenticated, match="the token is a guest's"):
        bearers().read(pool_token(amr=amr), NOW_S)


@pytest.mark.parametrize("amr", ["unauthenticated", "authenticated", {"authenticated": 1}, 7, True])
def test_what_is_no_list_of_methods_proves_nothing(amr: Any) -> None:
    """`"authenticated" in "unauthenticated"` is true of texts."""
    with pytest.raises(Unauthenticated, match="the token is a guest's"):
        bearers().read(pool_token(amr=amr), NOW_S)


def test_the_pools_public_key_signs_nothing() -> None:
    public = pool_key().public_key()
    claims = {
        "iss": "bellwire",
        "aud": "bellwire/dev",
        "sub": ALICE,
        "iat": NOW_S,
        "exp": NOW_S + 900,
        "channels": CHANNELS,
    }
    pools = {**claims, "iss": POOL_ISSUER, "aud": POOL_ID, "amr": ["authenticated"]}
    for secret in (
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(jwk_of(pool_key(), "pool")).encode(),
        b"\x00" * 64,
    ):
        for content in (claims, pools):
            header = {"alg": "HS256", "kid": "pool"}
            token = signed_text(json.dumps(content).encode(), secret, header)
            with pytest.raises(Unauthenticated, match="Signature verification failed"):
                bearers().read(token, NOW_S)
    for content in (claims, pools):
        unsigned = jwt.encode(content, "", "none", {"kid": "pool"})
        with pytest.raises(Unauthenticated, match="found 'none'"):
            bearers().read(unsigned, NOW_S)


def test_a_narrowed_bearer_is_for_one_deployment() -> None:
    token = narrowed()
    for other in (bearers(stage="prod"), bearers(secret=hashlib.sha256(b"x").digest())):
        with pytest.raises(Unauthenticated):
            other.read(token, NOW_S)
    assert bearers(pool_id="another").read(token, NOW_S).identity_id == ALICE


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "bellwire-dev"},
        {"aud": "bellwire/prod"},
        {"aud": None},
        {"channels": None},
        {"exp": None},
        {"sub": None},
        {"sub": 7},
        {"iat": True},
    ],
)
def test_another_use_of_our_secret_is_no_bearer(changes: dict[str, Any]) -> None:
    content = {
        "iss": "bellwire",
        "aud": "bellwire/dev",
        "sub": ALICE,
        "iat": NOW_S,
        "exp": NOW_S + 900,
        "channels": CHANNELS,
        **changes,
    }
    kept = {name: value for name, value in content.items() if value is not None}
    token = signed_text(json.dumps(kept).encode(), SECRET)
    with pytest.raises(Unauthenticated):
        bearers().read(token, NOW_S)


@given(st.text())
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        bearers().read(token, NOW_S)


@given(
    st.binary(max_size=40),
    st.integers(min_value=0),
    st.sampled_from([narrowed(), pool_token()]),
)
def test_a_bearer_that_was_tampered_with_is_refused(more: bytes, at: int, token: str) -> None:
    where = at % len(token)
    changed = token[:where] + more.decode("latin-1") + token[where + 1 :]
    try:
        found = bearers().read(changed, NOW_S)
    except BellwireError as error:
        assert isinstance(error, Unauthenticated)  # noqa: PT017 - nothing else may be raised
    else:
        assert changed == token
        assert found.identity_id == ALICE
