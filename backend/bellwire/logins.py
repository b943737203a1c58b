"""Who has logged in? Reads the token of the application's own login, or of a provider's.

The application's token is checked here. A provider's (Google, Facebook, Amazon, any OpenID Connect
issuer) is checked by the identity pool, which alone says whose identity that is; here it is only
seen which provider it is for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bellwire.channels import is_identity_id
from bellwire.errors import Malformed, Unauthenticated
from bellwire.grants import check_groups
from bellwire.json_web_tokens import (
    Claims,
    Expected,
    Keys,
    read_issue_time,
    read_unverified,
    verify,
)

MAX_USER_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class OwnLogin:
    """How the application's own tokens are to be read.

    Attributes:
        keys: what they are checked with.
        issuer: what `iss` has to be; None: it is not looked at.
        audience: what `aud` has to name; None: it is not looked at.
        user_claim: which claim names the user.
        groups_claim: which claim lists the user's groups; a token without it is of nobody's group.
        leeway_s: how far the issuer's clock may be off.
    """

    keys: Keys
    issuer: str | None = None
    audience: str | None = None
    user_claim: str = "sub"
    groups_claim: str = "groups"
    leeway_s: int = 30


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of logins that the identity pool trusts.

    Attributes:
        issuer: `iss` of its tokens; None for one whose tokens are opaque, such as Facebook's.
        groups_claim: which claim lists the user's groups; None: its users are of no group.
    """

    issuer: str | None = None
    groups_claim: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A login that was shown.

    Attributes:
        groups: in ascending order.
        issued_at_s: in s since 1970; None: it is opaque and does not tell.
        user: as the application knows them; None if a provider vouches for somebody.
        provider: the provider's key in the identity pool, e.g. `"accounts.google.com"`.
        token: what the pool is to check, for a provider's login.
    """

    groups: tuple[str, ...]
    issued_at_s: int | None
    user: str | None = None
    provider: str | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Logins:
    """Which logins are taken; `providers` by their keys in the identity pool."""

    own: OwnLogin | None = None
    providers: Mapping[str, Provider] = field(default_factory=dict)

    def read(self, token: str, now_s: float, provider: str | None = None) -> Login:
        """Read a login token.

        Args:
            now_s: in s since 1970.
            provider: whose token it is; None: its issuer tells, or else it is the application's.

        Raises:
            Unauthenticated: it does not hold, or nobody here takes such a login.
            Malformed: a group that it names could not stand in a channel's name.
            Upstream: the keys of its issuer could not be fetched.
        """
        provider = provider or self._provider_of(token)
        if provider is not None:
            return self._read_foreign(token, provider)
        if self.own is None:
            raise Unauthenticated("expected a login of one of the providers that are set up here")
        return _read_own(token, self.own, now_s)

    def _provider_of(self, token: str) -> str | None:
        claims = read_unverified(token)
        opaque = sorted(name for name, one in self.providers.items() if one.issuer is None)
        if claims is None and opaque:
            raise Unauthenticated(
                'expected a JSON Web Token, or "provider" to name whose opaque token it is: '
                f"{' or '.join(opaque)}"
            )
        issuer = (claims or {}).get("iss")
        is_own = self.own is not None and self.own.issuer == issuer
        if issuer is None or is_own:
            return None
        return next((name for name, one in self.providers.items() if one.issuer == issuer), None)

    def _read_foreign(self, token: str, name: str) -> Login:
        provider = self.providers.get(name)
        if provider is None:
            known = ", ".join(sorted(self.providers)) or "none"
            raise Unauthenticated(f"expected one of the providers {known}, found {name!r:.80}")
        claims = read_unverified(token) or {}
        groups = () if provider.groups_claim is None else claims.get(provider.groups_claim, ())
        issued_at_s = None if provider.issuer is None else read_issue_time(claims)
        return Login(_groups_of(groups), issued_at_s, provider=name, token=token)


def _read_own(token: str, rules: OwnLogin, now_s: float) -> Login:
    required = ("exp", "iat", rules.user_claim)
    expected = Expected(rules.issuer, rules.audience, required, rules.leeway_s)
    claims = verify(token, rules.keys, expected, now_s)
    groups = _groups_of(claims.get(rules.groups_claim, ()))
    return Login(groups, read_issue_time(claims), user=_user_of(claims, rules.user_claim))


def _user_of(claims: Claims, name: str) -> str:
    try:
        return check_user(claims[name])
    except Malformed as error:
        raise Unauthenticated(f"{name} of the token: {error.message}") from error


def check_user(user: object) -> str:
    """Return the name of a user if it is one.

    Raises:
        Malformed: no text, an empty or too long one, one with control characters, or one that
            looks like an identity id, by which the users of providers are known.
    """
    if (
        not isinstance(user, str)
        or not 1 <= len(user) <= MAX_USER_CHARACTERS
        or not user.isprintable()
        or is_identity_id(user)
    ):
        raise Malformed(
            f"expected a user's name of 1 to {MAX_USER_CHARACTERS} printable characters that is no"
            f" identity id, found {user!r:.80}"
        )
    return user


def _groups_of(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise Malformed(f"expected a list of groups in the token, found {value!r:.80}")
    return check_groups(value)
