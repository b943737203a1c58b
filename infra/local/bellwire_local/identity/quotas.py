"""Cognito Identity's and STS's numbers, each with its unit and source, and the rate limit.

Sources: QUOTAS for rates and sizes of Cognito, STS_MODEL and the API reference for STS.
"""

from dataclasses import dataclass, field, fields

QUOTAS = "https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html"
API = "https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/"
STS_API = "https://docs.aws.amazon.com/STS/latest/APIReference/"
IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"

# What belongs to an answer's meaning and is never switched off.
ENHANCED_SESSION_S = 3600
"""Source: Cognito guide, authentication-flow: credentials last one hour, not changeable."""

GUEST_TOKEN_S = 600
"""How long GetOpenIdToken's answer lasts. Source: API + API_GetOpenIdToken.html, "10 minutes"."""

DEVELOPER_TOKEN_S = 900
DEVELOPER_TOKEN_MAX_S = 86_400
"""Source: API + API_GetOpenIdTokenForDeveloperIdentity.html, TokenDuration."""

LOGINS_PER_CALL = 10
"""Source: the length constraint of Logins in every operation's reference."""

LOGINS_PER_IDENTITY = 20
"""Source: QUOTAS, linked providers."""

PRINCIPAL_TAGS = 50
"""Source: API + API_GetOpenIdTokenForDeveloperIdentity.html, PrincipalTags."""

SESSION_MIN_S = 900
SESSION_DEFAULT_S = 3600
SESSION_MAX_S = 43_200
"""Source: STS_API + API_AssumeRoleWithWebIdentity.html, DurationSeconds."""

CHAINED_SESSION_MAX_S = 3600
"""Source: STS_API + API_AssumeRole.html, "role chaining"."""

SESSION_POLICY_CHARACTERS = 2048
"""Source: STS_API + API_AssumeRole.html, Policy."""


def _about(unit: str) -> dict[str, object]:
    return {"unit": unit, "source": QUOTAS, "is_adjustable": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityQuotas:
    """The rates, per account and operation; `unlimited` is what `--limits off` puts in force."""

    get_id_per_s: int = field(default=25, metadata=_about("GetId/s per account"))
    other_operations_per_s: int = field(
        default=200, metadata=_about("calls/s per account, of each other operation")
    )

    @classmethod
    def unlimited(cls) -> "IdentityQuotas":
        """Lift every rate."""
        return cls(**{each.name: 1 << 40 for each in fields(cls)})

    def rate_of(self, operation: str) -> int:
        """Return how many calls of an operation a second allows."""
        return self.get_id_per_s if operation == "GetId" else self.other_operations_per_s


class RateLimiter:
    """A bucket of calls for each operation: it holds a second's worth and refills evenly.

    AWS documents the rates and not how bursts are counted.
    """

    def __init__(self, quotas: IdentityQuotas) -> None:
        self._quotas = quotas
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, operation: str, now_s: float) -> bool:
        """Count one call, unless the operation's rate is used up."""
        rate = self._quotas.rate_of(operation)
        level, since_s = self._buckets.get(operation, (float(rate), now_s))
        level = min(float(rate), level + max(0.0, now_s - since_s) * rate)
        is_admitted = level >= 1
        self._buckets[operation] = (level - is_admitted, now_s)
        return is_admitted
