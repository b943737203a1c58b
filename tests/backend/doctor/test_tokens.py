"""Tokens that must not hold do not."""

import time

import pytest

from bellwire.bearers import Bearers
from bellwire.doctor.tokens import forge, token_of_another_pool
from bellwire.errors import Unauthenticated
from bellwire.json_web_tokens import SharedSecret, read_unverified

SECRET = b"s" * 32
BEARERS = Bearers(
    pool_id="us-east-1:pool", pool_keys=SharedSecret(SECRET), secret=lambda: SECRET, stage="dev"
)


def test_a_forged_token_says_the_same_and_does_not_hold() -> None:
    now_s = int(time.time())
    token = BEARERS.sign("us-east-1:a", ["public/a"], issued_at_s=now_s, lifetime_s=60)
    forged = forge(token)
    assert BEARERS.read(token, now_s).identity_id == "us-east-1:a"
    assert read_unverified(forged) == read_unverified(token)
    assert len(forged) == len(token)
    with pytest.raises(Unauthenticated, match="Signature verification failed"):
        BEARERS.read(forged, now_s)


def test_a_token_of_another_pool_is_well_formed_and_not_ours() -> None:
    now_s = int(time.time())
    token = token_of_another_pool("us-east-1", now_s)
    claims = read_unverified(token)
    assert claims is not None
    assert (claims["iss"], claims["iat"]) == ("https://cognito-identity.amazonaws.com", now_s)
    with pytest.raises(Unauthenticated, match="expected a token signed by"):
        BEARERS.read(token, now_s)
