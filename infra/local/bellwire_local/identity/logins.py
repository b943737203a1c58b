"""The `Logins` of a call, proven: the pool's own tokens, and those of providers.

Source of the words: reports of Cognito's answers, and
https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bellwire_local.accounts import OpaqueProvider, Provider
from bellwire_local.identity.inquiries import Inquiries
from bellwire_local.identity.linked_identities import Login
from bellwire_local.identity.oidc_tokens import IdTokenRefused, read_id_token
from bellwire_local.identity.profiles import AccessTokenRefused, Question
from bellwire_local.identity.refusals import CognitoRefusal, not_authorized
from bellwire_local.identity.tokens import (
    COGNITO_PROVIDER,
    OpenIdToken,
    TokenExpired,
    TokenRefused,
    TokenSigner,
)

AUTHENTICATED, UNAUTHENTICATED = "authenticated", "unauthenticated"
USER_POOL_PREFIX = "cognito-idp."


@dataclass(frozen=True, slots=True)
class Proven:
    """Who a caller has proven to be.

    `identity_id` is what one of the pool's own tokens says; `amr` is what a token for this caller
    says: `("authenticated", "login.example", "login.example:<pool>:ann")`, or
    `("unauthenticated",)` where there are no logins. `principal_tags` are those that the pool's
    token carries, `vouched` the logins that it was made for and `until_s` when it ends, in seconds
    since 1970.
    """

    logins: tuple[Login, ...] = ()
    identity_id: str | None = None
    amr: tuple[str, ...] = (UNAUTHENTICATED,)
    principal_tags: Mapping[str, str] = field(default_factory=dict)
    vouched: tuple[Login, ...] = ()
    until_s: int | None = None

    @property
    def is_guest(self) -> bool:
        """Whether the caller has shown no login at all."""
        return self.amr == (UNAUTHENTICATED,)


class LoginProver:
    """Checks the logins that one pool accepts."""

    def __init__(
        self,
        *,
        account_id: str,
        pool_id: str,
        tokens: TokenSigner,
        providers: Mapping[str, Provider | OpaqueProvider],
        developer_provider: str | None,
        inquiries: Inquiries,
    ) -> None:
        self._account_id = account_id
        self._pool_id = pool_id
        self._tokens = tokens
        self._providers = providers
        self._developer_provider = developer_provider
        self._inquiries = inquiries

    def prove(self, logins: Mapping[str, str], now_s: float) -> Proven:
        """Check every login of a call.

        Raises:
            CognitoRefusal: one of them proves nothing.
            KeysWanted: an issuer's keys have to be fetched first; then ask again.
            ProfileWanted: likewise, whose an opaque token is.
        """
        if not logins:
            return Proven()
        unknown = [name for name in logins if not self._is_supported(name)]
        if unknown:
            raise not_authorized("Token is not from a supported provider of this identity pool.")
        own: OpenIdToken | None = None
        amr, proven = [AUTHENTICATED], []
        for name, text in logins.items():
            if name == COGNITO_PROVIDER:
                own = self._read_own_token(text, now_s)
                amr.extend(own.amr[1:])
                continue
            subject = self._read_subject(name, text, now_s)
            proven.append(Login(name, subject))
            amr.extend((name, self._describe(name, subject)))
        if own is None:
            return Proven(tuple(proven), None, tuple(amr))
        return Proven(
            tuple(proven),
            own.identity_id,
            tuple(amr),
            own.principal_tags,
            tuple(self._read_vouched(own.amr)),
            own.expires_at,
        )

    def _is_supported(self, name: str) -> bool:
        return name == COGNITO_PROVIDER or name in self._providers

    def _read_own_token(self, text: str, now_s: float) -> OpenIdToken:
        try:
            token = self._tokens.read(text, now_s)
        except TokenExpired as error:
            expired = f"Token expired: {int(now_s)} >= {error.expired_at}"
            raise _invalid_token(expired) from error
        except TokenRefused as error:
            raise _invalid_token("Couldn't verify signed token.") from error
        if token.pool_id != self._pool_id:
            raise _invalid_token("Incorrect token audience.")
        if AUTHENTICATED not in token.amr:
            raise _invalid_token("The token is a guest's.")
        return token

    def _read_vouched(self, amr: tuple[str, ...]) -> Iterator[Login]:
        """Read the logins out of `("authenticated", "login.x", "login.x:<pool>:ann")`."""
        for name, described in zip(amr[1::2], amr[2::2], strict=False):
            is_developers = name == self._developer_provider
            start = f"{name}:{self._pool_id}:" if is_developers else self._describe(name, "")
            yield Login(name, described.removeprefix(start))

    def _read_subject(self, name: str, text: str, now_s: float) -> str:
        provider = self._providers[name]
        try:
            if isinstance(provider, OpaqueProvider):
                return self._inquiries.profiles.find(Question(provider.profile_url, text))
            finder = self._inquiries.keys.finder(provider.issuer, now_s)
            return read_id_token(text, provider, finder, now_s)
        except (IdTokenRefused, AccessTokenRefused) as error:
            raise _invalid_token(str(error)) from error

    def _describe(self, name: str, subject: str) -> str:
        """Write who somebody is, as it stands in a token's `amr` behind the provider's name.

        For Facebook AWS documents the name alone; seen was `graph.facebook.com:<app id>:<user id>`,
        here without the app id, which is not known: `graph.facebook.com::10101`.
        Sources: https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html;
        for the form, published events of API Gateway, whose `cognitoAuthenticationProvider` is made
        of `amr`.
        """
        if isinstance(self._providers.get(name), OpaqueProvider):
            return f"{name}::{subject}"
        if name.startswith(USER_POOL_PREFIX):
            return f"{name}:CognitoSignIn:{subject}"
        return f"arn:aws:iam::{self._account_id}:oidc-provider/{name}:OIDC:{subject}"


def _invalid_token(why: str) -> CognitoRefusal:
    return not_authorized(f"Invalid login token. {why}")
