"""Tokens of logins and of polls: which hold, which do not, and what an attacker may try."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from bellwire.bearers import POOL_ISSUER, Bearer, Bearers
from bellwire.errors import BellwireError, Malformed, Unauthenticated, Upstream
from bellwire.json_web_tokens import SharedSecret
from bellwire.jwks import JwksKeys
from bellwire.logins import Login, Logins, OwnLogin, Provider

NOW_S = 1_795_881_900.0
SECRET = b"s" * 32
POOL = "us-east-1:00000000-0000-4000-8000-0000000000ff"
ALICE = "us-east-1:00000000-0000-4000-8000-00000000000a"
RSA = generate_private_key(public_exponent=65_537, key_size=2048)
CLAIMS = {"iss": "app", "aud": "bellwire", "sub": "alice", "iat": NOW_S, "exp": NOW_S + 600}
LOGINS = Logins(OwnLogin(SharedSecret(SECRET), "app", "bellwire"))


def with_secret(key: bytes = SECRET, /, **claims: Any) -> str:
    return jwt.encode({**CLAIMS, **claims}, key, algorithm="HS256")


def jwk(key: Any, key_id: str | None, **more: str) -> dict[str, Any]:
    public = key.public_key()
    algorithm: Any = jwt.algorithms.RSAAlgorithm
    if not isinstance(key, RSAPrivateKey):
        algorithm = jwt.algorithms.ECAlgorithm
    named = {} if key_id is None else {"kid": key_id}
    return {**json.loads(algorithm.to_jwk(public)), **named, **more}


class Issuer:
    """A JWKS endpoint that the test decides about, and a clock."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.now_s = 1000.0
        self.fetched = 0
        self.is_down = False

    def fetch(self) -> bytes:
        self.fetched += 1
        if self.is_down:
            raise Upstream("the issuer does not answer")
        return json.dumps({"keys": self.keys}).encode()

    def verifier(self) -> JwksKeys:
        return JwksKeys(self.fetch, lambda: self.now_s)


def raw(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts).decode()


def test_a_login_tells_the_user_and_the_groups() -> None:
    token = with_secret(groups=["red", "ops:eu", "red"])
    assert LOGINS.read(token, NOW_S) == Login(("ops:eu", "red"), int(NOW_S), user="alice")
    assert LOGINS.read(with_secret(), NOW_S).groups == ()
    assert LOGINS.read(with_secret(groups=None), NOW_S).groups == ()


def test_other_claims_can_be_chosen() -> None:
    rules = OwnLogin(SharedSecret(SECRET), user_claim="email", groups_claim="cognito:groups")
    claims: dict[str, Any] = {"email": "a@x.example", "cognito:groups": ["red"]}
    token = with_secret(**claims)
    found = Logins(rules).read(token, NOW_S)
    assert (found.user, found.groups) == ("a@x.example", ("red",))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: "", "expected a JSON Web Token"),
        (lambda: "a.b.c", "expected a JSON Web Token"),
        (lambda: "x" * 20_000, "at most 16384 characters, found 20000"),
        (lambda: raw({"alg": "none"}, CLAIMS), "signed by HS256, found 'none'"),
        (lambda: raw({"alg": "NONE", "typ": "JWT"}, CLAIMS), "found 'NONE'"),
        (lambda: raw({"typ": "JWT"}, CLAIMS), "found 'None'"),
        (lambda: raw({"alg": ["HS256"]}, CLAIMS), "expected a"),
        (lambda: jwt.encode(CLAIMS, RSA, "RS256"), "found 'RS256'"),
        (lambda: with_secret(b"t" * 32), "Signature verification failed"),
        (lambda: with_secret()[:-4] + "AAAA", "Signature verification failed"),
        (lambda: with_secret(iss="other"), "Invalid issuer"),
        (lambda: with_secret(aud="other"), "Audience doesn't match"),
        (lambda: with_secret(exp=NOW_S - 31), "the token has expired: log in again"),
        (lambda: with_secret(nbf=NOW_S + 31), "from the future"),
        (lambda: with_secret(iat=NOW_S + 31), "from the future"),
        (lambda: with_secret(iat=float("inf")), "expected iat of the token to be a number"),
        (lambda: with_secret(exp="soon"), "expected exp of the token to be a number"),
        (lambda: with_secret(exp=True), "expected exp of the token to be a number"),
        (lambda: with_secret(exp=float("nan")), "expected exp of the token to be a number"),
        (lambda: with_secret(exp=None), "exp"),
        (lambda: with_secret(iat=None), "iat"),
        (lambda: with_secret(sub=None), "sub"),
        (lambda: with_secret(sub=""), "sub of the token: expected a user's name"),
        (lambda: with_secret(sub="a\nb"), "sub of the token: expected a user's name"),
        (lambda: with_secret(sub="x" * 257), "sub of the token: expected a user's name"),
        (lambda: with_secret(sub=ALICE), "that is no identity id"),
    ],
)
def test_a_login_that_does_not_hold_is_refused(make: Callable[[], str], why: str) -> None:
    token = make()
    with pytest.raises(Unauthenticated) as refused:
        LOGINS.read(token, NOW_S)
    assert why in refused.value.message
    assert not token or len(token) < 8 or token not in refused.value.message


@pytest.mark.parametrize(
    "groups", [["a/b"], ["*"], ["red", ""], [7], "red", {"red": 1}, ["x" * 65], ["."]]
)
def test_a_group_that_no_channel_can_name_refuses_the_login(groups: Any) -> None:
    with pytest.raises(Malformed, match="group"):
        LOGINS.read(with_secret(groups=groups), NOW_S)


def test_a_leeway_is_given_to_other_clocks() -> None:
    assert LOGINS.read(with_secret(exp=NOW_S - 29, iat=NOW_S - 600), NOW_S).user == "alice"
    assert LOGINS.read(with_secret(iat=NOW_S + 29), NOW_S).user == "alice"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
def test_a_login_by_public_key(algorithm: str) -> None:
    logins = Logins(OwnLogin(Issuer(jwk(RSA, "one")).verifier(), "app", "bellwire"))
    token = jwt.encode(CLAIMS, RSA, algorithm, {"kid": "one"})
    assert logins.read(token, NOW_S).user == "alice"


def test_a_key_of_another_kind_does_not_fit() -> None:
    curve = make_ec_key(SECP256R1())
    issuer = Issuer(jwk(RSA, "one"), jwk(curve, "two"))
    logins = Logins(OwnLogin(issuer.verifier(), "app", "bellwire"))
    assert logins.read(jwt.encode(CLAIMS, curve, "ES256", {"kid": "two"}), NOW_S).user == "alice"
    with pytest.raises(Unauthenticated):
        logins.read(jwt.encode(CLAIMS, curve, "ES256", {"kid": "one"}), NOW_S)


def test_a_key_is_for_the_algorithm_that_its_issuer_says() -> None:
    logins = Logins(OwnLogin(Issuer(jwk(RSA, "one", alg="RS256")).verifier(), "app", "bellwire"))
    assert logins.read(jwt.encode(CLAIMS, RSA, "RS256", {"kid": "one"}), NOW_S).user == "alice"
    with pytest.raises(Unauthenticated, match="not for the algorithm"):
        logins.read(jwt.encode(CLAIMS, RSA, "RS512", {"kid": "one"}), NOW_S)


def test_a_provider_is_known_by_its_issuer() -> None:
    providers = {"accounts.google.com": Provider("https://accounts.google.com", "groups")}
    logins = Logins(LOGINS.own, providers)
    token = jwt.encode(
        {"iss": "https://accounts.google.com", "iat": NOW_S, "groups": ["red"]}, RSA, "RS256"
    )
    assert logins.read(token, NOW_S) == Login(
        ("red",), int(NOW_S), provider="accounts.google.com", token=token
    )
    assert token not in repr(logins.read(token, NOW_S))
    assert logins.read(with_secret(), NOW_S).user == "alice"


def test_an_opaque_token_needs_its_provider_named() -> None:
    logins = Logins(LOGINS.own, {"graph.facebook.com": Provider()})
    opaque = logins.read("EAABwzLixnjYBO", NOW_S, "graph.facebook.com")
    assert (opaque.provider, opaque.issued_at_s, opaque.user) == ("graph.facebook.com", None, None)
    with pytest.raises(Unauthenticated):
        logins.read("EAABwzLixnjYBO", NOW_S)
    with pytest.raises(Unauthenticated, match=r"one of the providers graph\.facebook\.com"):
        logins.read("EAABwzLixnjYBO", NOW_S, "accounts.google.com")


def test_where_nobody_logs_in_by_the_application() -> None:
    with pytest.raises(Unauthenticated, match="one of the providers that are set up here"):
        Logins().read(with_secret(), NOW_S)


def bearers(issuer: Issuer, stage: str = "dev", secret: bytes = SECRET) -> Bearers:
    return Bearers(pool_id=POOL, pool_keys=issuer.verifier(), secret=secret, stage=stage)


def of_pool(**claims: Any) -> str:
    told = {
        "iss": POOL_ISSUER,
        "aud": POOL,
        "sub": ALICE,
        "amr": ["authenticated", "login.example"],
        "iat": NOW_S,
        "exp": NOW_S + 3600,
        **claims,
    }
    return jwt.encode(told, RSA, "RS512", {"kid": "pool"})


def test_a_members_bearer_is_the_pools_token() -> None:
    found = bearers(Issuer(jwk(RSA, "pool"))).read(of_pool(), NOW_S)
    assert found == Bearer(ALICE, int(NOW_S), None)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "us-east-1:another pool"}, "Audience doesn't match"),
        ({"iss": "https://evil.example"}, "Invalid issuer"),
        ({"amr": ["unauthenticated"]}, "the token is a guest's"),
        ({"amr": None}, "the token is a guest's"),
        ({"amr": "unauthenticated"}, "the token is a guest's"),
        ({"exp": NOW_S - 60}, "the token has expired"),
    ],
)
def test_a_bearer_that_does_not_hold_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(Unauthenticated, match=why):
        bearers(Issuer(jwk(RSA, "pool"))).read(of_pool(**claims), NOW_S)


def test_a_narrowed_bearer_is_ours_and_for_its_channels() -> None:
    ours = bearers(Issuer())
    token = ours.sign(ALICE, ["public/a", "group/red/x"], issued_at_s=int(NOW_S), lifetime_s=900)
    assert ours.read(token, NOW_S) == Bearer(ALICE, int(NOW_S), ("public/a", "group/red/x"))
    for late_s, other in (
        (900, ours),
        (0, bearers(Issuer(), stage="prod")),
        (0, bearers(Issuer(), secret=b"t" * 32)),
    ):
        with pytest.raises(Unauthenticated):
            other.read(token, NOW_S + late_s)


def test_a_login_is_no_bearer_and_a_bearer_no_login() -> None:
    """Even where one secret should serve for both."""
    ours = bearers(Issuer())
    token = ours.sign(ALICE, ["public/a"], issued_at_s=int(NOW_S), lifetime_s=900)
    with pytest.raises(BellwireError):
        LOGINS.read(token, NOW_S)
    with pytest.raises(Unauthenticated):
        ours.read(with_secret(), NOW_S)
