"""Who has logged in, by which token: the application's own, or a provider's."""

import hashlib
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.errors import BellwireError, Malformed, Unauthenticated
from bellwire.json_web_tokens import SharedSecret, sign
from bellwire.logins import Login, Logins, OwnLogin, Provider, check_user
from infra.local.identity.oidc_issuer import make_key

NOW_S = 1_795_417_463.5
SECRET = hashlib.sha256(b"login").digest()
OWN = OwnLogin(SharedSecret(SECRET), "https://login.example", "dashboard")
GOOGLE = "accounts.google.com"
LOGINS = Logins(
    OWN,
    {
        GOOGLE: Provider("https://accounts.google.com"),
        "id.example": Provider("https://id.example", groups_claim="teams"),
        "graph.facebook.com": Provider(),
    },
)
CLAIMS = {
    "iss": "https://login.example",
    "aud": "dashboard",
    "sub": "ann",
    "iat": 1_795_417_463,
    "exp": 1_795_421_063,
}
RSA_KEY = make_key()
IDENTITY = "us-east-1:00000000-0000-4000-8000-00000000000a"


def own(**claims: Any) -> str:
    return sign(
        {name: one for name, one in {**CLAIMS, **claims}.items() if one is not None}, SECRET
    )


def foreign(issuer: str = "https://id.example", **claims: Any) -> str:
    return jwt.encode({**CLAIMS, "iss": issuer, **claims}, RSA_KEY, "RS256", {"kid": "one"})


def read(token: str, provider: str | None = None, logins: Logins = LOGINS) -> Login:
    return logins.read(token, NOW_S, provider)


def test_the_applications_own_token_names_user_and_groups() -> None:
    token = own(groups=["red", "ops:eu", "red"])
    assert read(token) == Login(("ops:eu", "red"), 1_795_417_463, user="ann")


@pytest.mark.parametrize("groups", [None, [], ()])
def test_a_user_may_be_of_no_group(groups: Any) -> None:
    assert read(own(groups=groups)).groups == ()


def test_the_claims_are_those_that_are_told() -> None:
    rules = OwnLogin(
        SharedSecret(SECRET), None, None, user_claim="email", groups_claim="cognito:groups"
    )
    token = own(**{"email": "ann@example.com", "cognito:groups": ["red"], "groups": 7})
    found = read(token, logins=Logins(rules))
    assert (found.user, found.groups) == ("ann@example.com", ("red",))
    with pytest.raises(Unauthenticated, match='missing the "email" claim'):
        read(own(), logins=Logins(rules))


@pytest.mark.parametrize(
    "groups",
    [
        "red",
        {"red": 1},
        7,
        True,
        [["red"]],
        [None],
        [7],
        [""],
        ["a/b"],
        ["#"],
        ["+"],
        ["*"],
        ["${cognito-identity.amazonaws.com:sub}"],
        [".."],
        ["x" * 65],
        ["red "],
        ["red\n"],
        ["r\u0435d"],
        ["\uff52\uff45\uff44"],
        ["red\x00"],
        ["\ud800"],
    ],
)
def test_groups_that_no_channel_can_name_are_refused(groups: Any) -> None:
    with pytest.raises(Malformed, match=r"expected (groups named by|a list of groups)"):
        read(own(groups=groups))
    with pytest.raises(Malformed, match=r"expected (groups named by|a list of groups)"):
        read(foreign(teams=groups))


@pytest.mark.parametrize(
    "user",
    [
        "",
        "x" * 257,
        "a\nb",
        "a\x00b",
        "\x7f",
        "\u202eann",
        "\u200bann",
        "\ufeffann",
        "\u2028",
        "\ud800",
        IDENTITY,
        "eu-west-1:00000000-0000-4000-8000-00000000000b",
        7,
        None,
        True,
        ["ann"],
        {"ann": 1},
    ],
)
def test_what_is_no_users_name_is_refused(user: Any) -> None:
    with pytest.raises(Malformed, match="expected a user's name of 1 to 256 printable characters"):
        check_user(user)
    rules = OwnLogin(SharedSecret(SECRET), None, None, user_claim="name")
    with pytest.raises(Unauthenticated):
        read(own(name=user), logins=Logins(rules))


@pytest.mark.parametrize(
    "user",
    [
        "ann",
        " ",
        "ann@example.com",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "user#ann",
        "identity#us-east-1",
        "me",
        "../../etc/passwd",
        "a/b",
        "*",
        "'; drop table people; --",
        "Zoë",
        "Zoe\u0308",
        "\U0001f514" * 256,
        IDENTITY.upper(),
        IDENTITY[:-1],
        IDENTITY + "0",
    ],
)
def test_a_users_name_is_taken_as_it_is(user: str) -> None:
    assert check_user(user) == user
    assert read(own(sub=user)).user == user


@pytest.mark.parametrize(
    ("issuer", "name"),
    [("https://accounts.google.com", GOOGLE), ("https://id.example", "id.example")],
)
def test_a_providers_token_is_known_by_its_issuer(issuer: str, name: str) -> None:
    token = foreign(issuer)
    assert read(token) == Login((), 1_795_417_463, provider=name, token=token)
    assert read(token, name) == read(token)


def test_a_provider_lists_groups_where_it_is_told_to() -> None:
    assert read(foreign(teams=["red", "blue"])).groups == ("blue", "red")
    assert read(foreign("https://accounts.google.com", teams=["red"], groups=["red"])).groups == ()


def test_an_opaque_token_needs_its_providers_name() -> None:
    assert read("EAAB1234", "graph.facebook.com") == Login(
        (), None, provider="graph.facebook.com", token="EAAB1234"
    )
    with pytest.raises(
        Unauthenticated, match=r"whose opaque token it is: graph\.facebook\.com$"
    ) as unnamed:
        read("EAAB1234")
    assert "EAAB1234" not in unnamed.value.message
    with pytest.raises(Unauthenticated, match="expected a JSON Web Token: "):
        read("EAAB1234", logins=Logins(OWN))


@pytest.mark.parametrize(
    "provider",
    ["accounts.google.co", "", "login.bellwire.dev", "x" * 9_000, "\ud800", "Id.example"],
)
def test_a_provider_that_is_not_set_up_is_refused(provider: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        read(foreign("https://elsewhere.example"), provider)
    assert len(refused.value.message) < 220


def test_the_pools_own_token_is_no_login() -> None:
    for provider in (None, "cognito-identity.amazonaws.com"):
        with pytest.raises(Unauthenticated):
            read(foreign("https://cognito-identity.amazonaws.com"), provider)


def test_an_issuer_of_ours_is_never_a_providers() -> None:
    both = Logins(OWN, {"evil": Provider("https://login.example")})
    assert read(own(), logins=both).user == "ann"
    with pytest.raises(Unauthenticated, match="expected a token signed by HS256"):
        read(foreign("https://login.example"), logins=both)


def test_a_token_of_nobody_is_no_opaque_providers() -> None:
    """Its issuer is None, as is that of a token without one."""
    with pytest.raises(Unauthenticated, match='missing the "iss" claim'):
        read(own(iss=None))


def test_without_a_login_of_our_own_only_providers_are_taken() -> None:
    foreigners = Logins(providers=LOGINS.providers)
    assert read(foreign(), logins=foreigners).provider == "id.example"
    with pytest.raises(Unauthenticated, match="expected a login of one of the providers"):
        read(own(), logins=foreigners)
    with pytest.raises(Unauthenticated):
        read(own(), logins=Logins())


@pytest.mark.parametrize(
    ("issued_at", "expected"),
    [(1_795_417_463, 1_795_417_463), (1_795_417_463.9, 1_795_417_463), (0, 0), (-5, -5)],
)
def test_a_provider_tells_when_it_was(issued_at: Any, expected: int) -> None:
    assert read(foreign(iat=issued_at)).issued_at_s == expected


@pytest.mark.parametrize(
    "issued_at",
    ["1795417463", None, [1], True, float("nan"), float("inf"), float("-inf"), 2**60, 10**400],
)
def test_a_token_of_a_provider_that_does_not_tell_is_refused(issued_at: Any) -> None:
    """It could not be revoked. OpenID Connect Core 1.0, section 2, requires it."""
    with pytest.raises(Unauthenticated, match="expected iat of the token to be a number"):
        read(foreign(iat=issued_at))


@pytest.mark.parametrize("issuer", [7, None, ["https://id.example"], {"a": 1}, True])
def test_an_issuer_that_is_no_text_is_nobodys(issuer: Any) -> None:
    content = json.dumps({**CLAIMS, "iss": issuer}).encode()
    for key, algorithm in ((RSA_KEY, "RS256"), (SECRET, "HS256")):
        with pytest.raises(Unauthenticated):
            read(jwt.PyJWS().encode(content, key, algorithm))


def test_a_login_hides_its_token() -> None:
    assert "EAAB1234" not in repr(read("EAAB1234", "graph.facebook.com"))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["iat", "exp", "sub", "teams", "groups", "aud"]), json_values),
    st.sampled_from(["https://id.example", "https://login.example", "x"]),
    st.none() | st.sampled_from([*LOGINS.providers]) | st.text(max_size=5),
)
def test_any_token_is_a_login_or_refused(
    claims: dict[str, Any], issuer: str, provider: str | None
) -> None:
    signer = sign({**CLAIMS, "iss": issuer, **claims}, SECRET)
    try:
        found = read(signer, provider)
    except BellwireError as error:
        assert isinstance(error, Unauthenticated | Malformed)  # noqa: PT017 - nothing else
    else:
        assert (found.user is None) is (found.provider is not None)
        assert list(found.groups) == sorted(set(found.groups))
