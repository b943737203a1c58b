"""AWS STS: credentials that a policy narrows, and a member's credentials in another account."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import BellwireError, TooLarge, TooMany, Unauthenticated, Upstream
from bellwire.identity_ports import Credentials, Vouched

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef

Kinds = Mapping[str, type[BellwireError]]

_BUSY: Final[Kinds] = {"Throttling": TooMany, "ThrottlingException": TooMany}
_OF_NARROWING: Final[Kinds] = {**_BUSY, "PackedPolicyTooLarge": TooLarge}
_OF_TOKENS: Final[Kinds] = {
    **_BUSY,
    "ExpiredTokenException": Unauthenticated,
    "IDPRejectedClaim": Unauthenticated,
    "InvalidIdentityToken": Unauthenticated,
}
"""What is not `Upstream`: AssumeRole's expired token is ours, the other one's is the member's.

Source: STS API reference, errors of AssumeRole and AssumeRoleWithWebIdentity; common errors.
"""

MEMBER_SESSION: Final = "bellwire-member"
MEMBER_S: Final = 3600


class StsNarrowing:
    """A `NarrowedCredentials` on boto3's `sts`: sessions of a role that only we may assume."""

    def __init__(self, client: "STSClient", role_arn: str) -> None:
        self._client = client
        self._role_arn = role_arn

    def narrowed(self, policy: str, *, session_name: str, lifetime_s: int) -> Credentials:
        """See `NarrowedCredentials.narrowed`."""
        with _mapped_errors(_OF_NARROWING):
            found = self._client.assume_role(
                RoleArn=self._role_arn,
                RoleSessionName=session_name,
                Policy=policy,
                DurationSeconds=lifetime_s,
            )
        return _credentials_of(found["Credentials"])


class RoleElsewhere:
    """A role, of another account as well, that trusts the identity pool's tokens."""

    def __init__(self, client: "STSClient", role_arn: str) -> None:
        self._client = client
        self._role_arn = role_arn

    def credentials(self, vouched: Vouched) -> Credentials:
        """Hand out an hour's credentials of the role. Raises as `credentials_for_member` does."""
        with _mapped_errors(_OF_TOKENS):
            found = self._client.assume_role_with_web_identity(
                RoleArn=self._role_arn,
                RoleSessionName=MEMBER_SESSION,
                WebIdentityToken=vouched.token,
                DurationSeconds=MEMBER_S,
            )
        return _credentials_of(found["Credentials"])


def _credentials_of(issued: "CredentialsTypeDef") -> Credentials:
    return Credentials(
        access_key_id=issued["AccessKeyId"],
        secret_access_key=issued["SecretAccessKey"],
        session_token=issued["SessionToken"],
        expires_at_ms=int(issued["Expiration"].timestamp() * 1000),
    )


@contextmanager
def _mapped_errors(kinds: Kinds) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise kinds.get(code, Upstream)(f"STS refused: {error}") from error
    except BotoCoreError as error:
        raise Upstream(f"STS could not be reached: {error}") from error
