"""JSON Web Tokens: what holds, and everything that does not."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from backend.raw_tokens import signed_text
from bellwire.errors import BellwireError, Internal, Unauthenticated
from bellwire.json_web_tokens import (
    ASYMMETRIC,
    MAX_CHARACTERS,
    Expected,
    SharedSecret,
    read_header,
    read_unverified,
    sign,
    verify,
)
from infra.local.identity.oidc_issuer import make_key

NOW_S = 1_795_417_463.5
SECRET = hashlib.sha256(b"the secret").digest()
OTHER_SECRET = hashlib.sha256(b"another secret").digest()
EXPECTED = Expected("https://login.example", "dashboard")
CLAIMS = {
    "iss": "https://login.example",
    "aud": "dashboard",
    "sub": "ann",
    "iat": 1_795_417_463,
    "exp": 1_795_421_063,
}
RSA_KEY = make_key()


@dataclass(frozen=True)
class OneKey:
    """The `Keys` of an issuer with one RSA key, as PyJWT takes it."""

    algorithms = ASYMMETRIC

    def find(self, key_id: str | None, algorithm: str) -> Any:
        assert key_id in (None, "one")
        assert algorithm in self.algorithms
        return RSA_KEY.public_key()


def check(
    token: str, now_s: float = NOW_S, expected: Expected = EXPECTED, secret: bytes = SECRET
) -> Any:
    return verify(token, SharedSecret(secret), expected, now_s)


def signed(secret: bytes = SECRET, header: Any = None, **claims: Any) -> str:
    """Sign without asking whether that makes sense; a claim that is None is left out."""
    content = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return signed_text(json.dumps(content).encode(), secret, header)


def test_a_token_that_holds_says_what_it_says() -> None:
    assert check(sign({**CLAIMS, "groups": ["ops"]}, SECRET)) == {**CLAIMS, "groups": ["ops"]}
    assert check(signed(aud=["other", "dashboard"]))["sub"] == "ann"
    assert check(signed(header={"alg": "HS256", "kid": "any"}))["sub"] == "ann"


def test_what_is_not_expected_is_not_looked_at() -> None:
    anything = Expected(None, None, ("exp",))
    assert check(signed(iss="x", aud="y"), expected=anything)["iss"] == "x"
    assert check(signed(iss=None, aud=None, iat=None), expected=anything)["sub"] == "ann"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://login.example.evil"}, "Invalid issuer"),
        ({"iss": "https://login"}, "Invalid issuer"),
        ({"iss": ["https://login.example"]}, "iss"),
        ({"iss": None}, 'missing the "iss" claim'),
        ({"aud": "dashboards"}, "Audience doesn't match"),
        ({"aud": ["a", "b"]}, "Audience doesn't match"),
        ({"aud": {"dashboard": 1}}, "Invalid claim format"),
        ({"aud": ["dashboard", 7]}, "Invalid claim format"),
        ({"aud": None}, 'missing the "aud" claim'),
        ({"sub": 7}, "Subject must be a string"),
        ({"sub": None}, 'missing the "sub" claim'),
        ({"iat": None}, 'missing the "iat" claim'),
        ({"exp": None}, 'missing the "exp" claim'),
    ],
)
def test_a_token_for_somebody_else_is_refused(claims: dict[str, Any], why: str) -> None:
    with pytest.raises(Unauthenticated, match=why):
        check(signed(**claims))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_that_is_none_is_refused(name: str) -> None:
    values: list[Any] = [True, False, "1795421063", [1_795_421_063], {"s": 1}, float("nan")]
    for value in values:
        with pytest.raises(Unauthenticated, match=rf"expected {name} of the token to be a number"):
            check(signed(**{name: value}))


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_time_beyond_all_time_is_refused(name: str) -> None:
    """A token that ends at Infinity would never end."""
    values: list[Any] = [float("inf"), float("-inf"), 10**400, -(10**400), 2**53 + 2, 1e300]
    for value in values:
        with pytest.raises(Unauthenticated, match=rf"expected {name} of the token to be a number"):
            check(signed(**{name: value}))


@pytest.mark.parametrize(
    ("claims", "late_s", "holds"),
    [
        ({}, 0, True),
        ({"exp": 1_795_417_463}, 29.4, True),
        ({"exp": 1_795_417_463}, 29.5, False),
        ({"exp": 1_795_417_493.9}, 59.5, True),
        ({"exp": 0}, 0, False),
        ({"exp": -1}, 0, False),
        ({"iat": 1_795_417_493}, 0, True),
        ({"iat": 1_795_417_494}, 0, False),
        ({"iat": -5}, 0, True),
        ({"nbf": 1_795_417_493}, 0, True),
        ({"nbf": 1_795_417_494}, 0, False),
        ({"nbf": 0}, 0, True),
    ],
)
def test_times_are_held_to_the_clock_that_is_given(
    claims: dict[str, Any],
    late_s: float,
    holds: bool,  # noqa: FBT001 - a row
) -> None:
    token = signed(**claims)
    if holds:
        check(token, NOW_S + late_s)
        return
    with pytest.raises(Unauthenticated, match=r"has expired|is from the future"):
        check(token, NOW_S + late_s)


def test_the_leeway_is_what_is_told() -> None:
    exact = Expected(None, None, leeway_s=0)
    token = signed(exp=1_795_417_464)
    check(token, 1_795_417_463.9, exact)
    with pytest.raises(Unauthenticated, match="has expired"):
        check(token, 1_795_417_464.0, exact)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {"HS256": 1}},
        {"alg": "hs256"},
        {"alg": "HS256 "},
        {"alg": "RS256"},
        {"alg": "ES256K"},
        {"alg": "x" * 9_000},
        {"typ": "JWT"},
    ],
)
def test_an_algorithm_that_is_not_the_keys_is_refused(header: dict[str, Any]) -> None:
    whole = signed(header=header)
    for token in (whole, whole.rpartition(".")[0] + "."):
        with pytest.raises(Unauthenticated, match="expected a token signed by HS256") as refused:
            check(token)
        assert len(refused.value.message) < 120


def test_a_public_key_is_no_shared_secret() -> None:
    """The classic confusion: a token by HS256 with the issuer's public key as the secret."""
    public = RSA_KEY.public_key()
    for octets in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    ):
        for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": "one"}):
            with pytest.raises(Unauthenticated, match=r"signed by RS256 .* found 'HS256'"):
                verify(signed(octets, header), OneKey(), EXPECTED, NOW_S)
    token = jwt.encode(CLAIMS, RSA_KEY, "RS256", {"kid": "one"})
    assert verify(token, OneKey(), EXPECTED, NOW_S)["sub"] == "ann"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "kid": ["one"]},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
        b"[]",
        b"null",
        b'"HS256"',
        b"{",
        b"",
        b'\xff\xfe{"alg":"HS256"}',
        b"[" * 9_000,
        b'{"alg":"HS256","x":' + b"[" * 9_000 + b"}",
        b'{"alg":"HS256","x":' + b"9" * 9_000 + b"}",
    ],
)
def test_a_header_that_makes_no_sense_is_refused(header: Any) -> None:
    with pytest.raises(Unauthenticated):
        check(signed(header=header))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b"{",
        b"\xff",
        b"[" * 9_000,
        b'{"exp":' + b"9" * 9_000 + b"}",
    ],
)
def test_signed_claims_that_are_none_are_refused(content: bytes) -> None:
    token = signed_text(content, SECRET)
    with pytest.raises(Unauthenticated, match="the token does not hold"):
        check(token)
    assert read_unverified(token) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "...",
        "null",
        "ä.ö.ü",
        "\U0001f514.\U0001f514.\U0001f514",
        "\x00.\x00.\x00",
        " e30.e30.e30",
        "e30.e30.e30\n",
        "Bearer e30.e30.e30",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        check(token)
    with pytest.raises(Unauthenticated):
        read_header(token + "!")
    read_unverified(token)


def test_half_a_character_is_no_token() -> None:
    for token in ("\ud800.a.b", "e30.e30.\ud800"):
        with pytest.raises(Unauthenticated, match="expected a JSON Web Token"):
            check(token)
        assert read_unverified(token) is None


def test_a_huge_token_is_refused_before_it_is_read() -> None:
    fitting = signed(x="y" * (MAX_CHARACTERS // 4 * 3 - 400))
    assert len(fitting) <= MAX_CHARACTERS
    assert check(fitting)["sub"] == "ann"
    before_s = time.process_time()
    with pytest.raises(Unauthenticated, match=r"at most 16384 characters, found 50000000"):
        check("e30." + "e" * 49_999_996)
    assert read_unverified("e30." + "e" * 49_999_996) is None
    assert time.process_time() - before_s < 1


def test_another_signature_is_refused() -> None:
    head, content, signature = signed().split(".")
    bobs = signed(sub="bob").split(".")
    for token in (
        signed(OTHER_SECRET),
        f"{head}.{content}.",
        f"{head}.{content}.{signature[:-4]}AAAA",
        f"{head}.{bobs[1]}.{signature}",
        f"{head}.{content}.{bobs[2]}",
        f"{content}.{head}.{signature}",
    ):
        with pytest.raises(Unauthenticated):
            check(token)


def test_a_refusal_shows_nothing_of_the_token() -> None:
    for token in (
        signed(OTHER_SECRET, sub="ann-the-secret"),
        signed(sub=7, email="ann-the-secret"),
        signed(iss="ann-the-secret"),
        signed(aud="ann-the-secret"),
        signed(exp="ann-the-secret"),
        signed_text(b'{"sub":"ann-the-secret"', SECRET),
    ):
        with pytest.raises(Unauthenticated) as refused:
            check(token)
        assert "ann-the-secret" not in refused.value.message
        assert token[-20:] not in refused.value.message


@pytest.mark.parametrize(
    ("size_bytes", "algorithms"),
    [(32, ("HS256",)), (48, ("HS256", "HS384")), (64, ("HS256", "HS384", "HS512"))],
)
def test_a_secret_is_for_the_hashes_that_it_is_long_enough_for(
    size_bytes: int, algorithms: tuple[str, ...]
) -> None:
    """RFC 7518, section 3.2."""
    secret = hashlib.shake_128(b"x").digest(size_bytes)
    assert SharedSecret(secret).algorithms == algorithms
    for algorithm in algorithms:
        token = jwt.encode(CLAIMS, secret, algorithm)
        assert verify(token, SharedSecret(secret), EXPECTED, NOW_S)["sub"] == "ann"


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(Internal, match="at least 32 bytes, found 31"):
        SharedSecret(b"x" * 31)


@given(
    st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}(\.[A-Za-z0-9_=-]{0,40}){2}", fullmatch=True)
)
def test_any_text_is_refused_in_one_way(token: str) -> None:
    with pytest.raises(Unauthenticated):
        check(token)
    read_unverified(token)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf"]), json_values))
def test_any_claims_hold_or_are_refused(claims: dict[str, Any]) -> None:
    try:
        found = check(signed(**claims))
    except BellwireError as error:
        assert isinstance(error, Unauthenticated)  # noqa: PT017 - nothing else may be raised
    else:
        assert found["aud"] == "dashboard" or "dashboard" in found["aud"]
