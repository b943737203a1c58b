"""Who is behind a set of credentials; how credentials are made and proven: `credentials`."""

from dataclasses import dataclass

COGNITO_SESSION_NAME = "CognitoIdentityCredentials"
"""The session name of every session of Cognito's enhanced flow."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A session of a role; the last three fields are set for Cognito identities alone."""

    role: str
    session_name: str
    identity_id: str | None = None
    pool_id: str | None = None
    amr: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.role}/{self.identity_id or self.session_name}"
