"""Amazon Cognito Identity as the identity pool."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import BellwireError, NotAllowed, TooMany, Unauthenticated, Upstream
from bellwire.identity_ports import Credentials, Vouched

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient
    from mypy_boto3_cognito_identity.type_defs import CredentialsTypeDef

_REFUSALS = {
    "NotAuthorizedException",
    "ResourceNotFoundException",
    "ResourceConflictException",
    "InvalidParameterException",
}
POOL_ITSELF: Final = "cognito-identity.amazonaws.com"
"""The key of `Logins` for the pool's own tokens. Source: Cognito guide,
developer-authenticated-identities."""


class CognitoIdentities:
    """An `Identities` on boto3's `cognito-identity`."""

    def __init__(
        self,
        client: "CognitoIdentityClient",
        identity_pool_id: str,
        *,
        developer_provider: str | None = None,
        now_s: Callable[[], float],
        elsewhere: Callable[[Vouched], Credentials] | None = None,
    ) -> None:
        """Keep what the pool is asked with.

        Args:
            developer_provider: the pool's name for the application's own logins; None: it has none.
            now_s: the wall clock, in s since 1970.
            elsewhere: hands out members' credentials in the place of the pool's own role, for
                a push side in another account.
        """
        self._client = client
        self._identity_pool_id = identity_pool_id
        self._developer_provider = developer_provider
        self._now_s = now_s
        self._elsewhere = elsewhere

    def new_guest(self) -> str:
        """See `Identities.new_guest`."""
        with _mapped_errors(NotAllowed):
            return self._client.get_id(IdentityPoolId=self._identity_pool_id)["IdentityId"]

    def credentials_for_guest(self, identity_id: str) -> Credentials:
        """See `Identities.credentials_for_guest`."""
        with _mapped_errors(NotAllowed):
            found = self._client.get_credentials_for_identity(IdentityId=identity_id)
        return _credentials_of(found["Credentials"])

    def vouch_for(self, user: str, *, lifetime_s: int, identity_id: str | None = None) -> Vouched:
        """See `Identities.vouch_for`."""
        if self._developer_provider is None:
            raise Upstream("the identity pool has no developer provider: set one up")
        known = {} if identity_id is None else {"IdentityId": identity_id}
        issued_at_s = int(self._now_s())
        with _mapped_errors(Upstream):
            found = self._client.get_open_id_token_for_developer_identity(
                IdentityPoolId=self._identity_pool_id,
                Logins={self._developer_provider: user},
                TokenDuration=lifetime_s,
                **known,  # type: ignore[arg-type]  # one optional word
            )
        return Vouched(found["IdentityId"], found["Token"], issued_at_s + lifetime_s)

    def identity_of_login(self, provider: str, token: str) -> str:
        """See `Identities.identity_of_login`."""
        with _mapped_errors(Unauthenticated):
            found = self._client.get_id(
                IdentityPoolId=self._identity_pool_id, Logins={provider: token}
            )
        return found["IdentityId"]

    def credentials_for_member(self, vouched: Vouched) -> Credentials:
        """See `Identities.credentials_for_member`."""
        if self._elsewhere is not None:
            return self._elsewhere(vouched)
        with _mapped_errors(Unauthenticated):
            found = self._client.get_credentials_for_identity(
                IdentityId=vouched.identity_id, Logins={POOL_ITSELF: vouched.token}
            )
        return _credentials_of(found["Credentials"])


def _credentials_of(issued: "CredentialsTypeDef") -> Credentials:
    return Credentials(
        access_key_id=issued["AccessKeyId"],
        secret_access_key=issued["SecretKey"],
        session_token=issued["SessionToken"],
        expires_at_ms=int(issued["Expiration"].timestamp() * 1000),
    )


@contextmanager
def _mapped_errors(refusal: type[BellwireError]) -> Iterator[None]:
    """Turn Cognito's errors into ours; what it refuses becomes a `refusal`."""
    try:
        yield
    except ClientError as error:
        raise _error_of(error, refusal) from error
    except BotoCoreError as error:
        raise Upstream(f"Cognito could not be reached: {error}") from error


def _error_of(error: ClientError, refusal: type[BellwireError]) -> BellwireError:
    code = error.response.get("Error", {}).get("Code", "unknown")
    if code in _REFUSALS:
        return refusal(f"Cognito refused: {error}")
    if code == "TooManyRequestsException":
        return TooMany("Cognito takes no more calls this second", retry_after_s=1)
    return Upstream(f"Cognito refused: {error}")
