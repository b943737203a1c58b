"""What an AWS account holds before anybody calls it: roles and an identity pool. No behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bellwire_local.errors import PolicyRefused
from bellwire_local.iam.policies import PolicyDocument

POOL_ITSELF = "cognito-identity.amazonaws.com"
"""The key of `Logins` for the pool's own tokens."""

MAX_SESSION_S = 3600
"""A role's longest session unless it says otherwise. Source: IAM guide, MaxSessionDuration."""


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role; without a trust policy nobody can assume it, but credentials can be made.

    `{pool}` in a document stands for the identity pool's id, which the first start makes up; not in
    what the policy says of AWS IoT.
    """

    policy: PolicyDocument
    trust: PolicyDocument | None = None
    max_session_s: int = MAX_SESSION_S


@dataclass(frozen=True, slots=True)
class Account:
    """One AWS account; its policies, topics and connections are its own."""

    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How the identity pool is set up; the roles are those of the home account.

    `providers` maps a key of `Logins` to the issuer's URL, at which
    `/.well-known/openid-configuration` answers, and to the audience (client id) expected:
    `{"accounts.google.com": Provider("https://accounts.google.com", ("123.apps…",))}`; or, where
    tokens are opaque, to where their owner is told:
    `{"graph.facebook.com": OpaqueProvider("https://graph.facebook.com/me")}`.
    A role of the pool that brings no trust policy has the one that Cognito's console writes.
    `developer_tokens_need_classic_flow`: whether STS refuses tokens of
    GetOpenIdTokenForDeveloperIdentity too when the classic flow is off; AWS documents neither.
    `tokens_renew_themselves`: whether a token that GetOpenIdToken gives for one of the pool's own
    may outlive that one; else whoever holds one has access no longer than it says.
    `tokens_outlive_unlinking`: whether a token is still a login when the user that it was made for
    was unlinked from the identity. AWS documents neither; what is off works either way.
    `throttled_status` of TooManyRequestsException: 400 or 429, which is not known of AWS.
    """

    unauthenticated_role: str | None = "guest_role"
    authenticated_role: str | None = None
    developer_provider: str | None = None
    providers: Mapping[str, "Provider | OpaqueProvider"] = field(default_factory=dict)
    has_classic_flow: bool = True
    developer_tokens_need_classic_flow: bool = False
    tokens_renew_themselves: bool = False
    tokens_outlive_unlinking: bool = False
    throttled_status: Literal[400, 429] = 400

    def __post_init__(self) -> None:
        """Refuse names under which one user could be taken for another.

        Raises:
            PolicyRefused: a name stands for two providers, or for the pool itself.
        """
        names = [*self.providers, *filter(None, [self.developer_provider])]
        taken = next((name for name in names if names.count(name) > 1), None)
        if taken is not None:
            raise PolicyRefused(f"developer_provider and providers both name {taken!r}")
        if POOL_ITSELF in names:
            raise PolicyRefused(f"no provider can be named {POOL_ITSELF!r}: so is the pool itself")


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider that the pool trusts."""

    issuer: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpaqueProvider:
    """A provider whose access tokens say nothing themselves, such as Facebook.

    `profile_url` tells whose a token is to whoever has it. For which app the token was given out is
    not asked, as Cognito does by the provider's own means: it is known to no profile.
    """

    profile_url: str
