"""Amazon Cognito Identity as the identity pool."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.errors import BellwireError, NotAllowed, TooMany, Upstream
from bellwire.ports import Credentials

if TYPE_CHECKING:
    from mypy_boto3_cognito_identity import CognitoIdentityClient

_REFUSALS = {"NotAuthorizedException", "ResourceNotFoundException", "InvalidParameterException"}


class CognitoIdentities:
    """An `Identities` on boto3's `cognito-identity`."""

    def __init__(self, client: "CognitoIdentityClient", identity_pool_id: str) -> None:
        self._client = client
        self._identity_pool_id = identity_pool_id

    def new_guest(self) -> str:
        """See `Identities.new_guest`."""
        with _mapped_errors():
            return self._client.get_id(IdentityPoolId=self._identity_pool_id)["IdentityId"]

    def credentials_for_guest(self, identity_id: str) -> Credentials:
        """See `Identities.credentials_for_guest`."""
        with _mapped_errors():
            found = self._client.get_credentials_for_identity(IdentityId=identity_id)
        issued = found["Credentials"]
        return Credentials(
            access_key_id=issued["AccessKeyId"],
            secret_access_key=issued["SecretKey"],
            session_token=issued["SessionToken"],
            expires_at_ms=int(issued["Expiration"].timestamp() * 1000),
        )


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _error_of(error) from error
    except BotoCoreError as error:
        raise Upstream(f"Cognito could not be reached: {error}") from error


def _error_of(error: ClientError) -> BellwireError:
    code = error.response.get("Error", {}).get("Code", "unknown")
    if code in _REFUSALS:
        return NotAllowed(f"Cognito refused: {error}")
    if code == "TooManyRequestsException":
        return TooMany("Cognito admits no more new identities this second", retry_after_s=1)
    return Upstream(f"Cognito refused: {error}")
