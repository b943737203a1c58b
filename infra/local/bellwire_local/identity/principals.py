"""Who is behind a set of credentials; how credentials are made and proven: `credentials`."""

import base64
import hashlib
from dataclasses import dataclass

COGNITO_SESSION_NAME = "CognitoIdentityCredentials"
"""The session name of every session of Cognito's enhanced flow."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A session of a role.

    `identity_id`, `pool_id` and `amr` (`("authenticated", "login.example", …)`) are set for Cognito
    identities alone; `session_policies` are documents as JSON texts that narrow the session.
    """

    account_id: str
    role: str
    session_name: str
    identity_id: str | None = None
    pool_id: str | None = None
    amr: tuple[str, ...] = ()
    session_policies: tuple[str, ...] = ()

    @property
    def role_id(self) -> str:
        """The role's unique id, `AROA…`."""
        return role_id_of(self.account_id, self.role)

    @property
    def unique_id(self) -> str:
        """What lifecycle events and GetCallerIdentity call the session: `AROA…:name`."""
        return f"{self.role_id}:{self.session_name}"

    @property
    def arn(self) -> str:
        """Name the session as AWS does."""
        return f"arn:aws:sts::{self.account_id}:assumed-role/{self.role}/{self.session_name}"

    @property
    def is_authenticated_identity(self) -> bool:
        """Whether this is a Cognito identity that has logged in, which IoT asks more of."""
        return "authenticated" in self.amr

    def __str__(self) -> str:
        return f"{self.role}/{self.identity_id or self.session_name}"


def role_id_of(account_id: str, role: str) -> str:
    """Return a role's unique id; the same one for the same account and name."""
    digest = hashlib.sha256(f"{account_id}/{role}".encode()).digest()
    return "AROA" + base64.b32encode(digest)[:17].decode()
