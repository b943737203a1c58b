"""An identity pool as a guest asks it: two unsigned calls, whatever AWS configuration is here.

Source: Amazon Cognito Identity API reference, GetId and GetCredentialsForIdentity; PROTOCOL.md §8.
"""

from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from bellwire.errors import BellwireError, Malformed, NotAllowed, NotFound, TooMany, Upstream
from bellwire.http_calls import RETRY, TIMEOUT
from bellwire.identity_ports import Credentials
from bellwire.service_config import ServiceConfig
from bellwire.wire_json import Json, decode_json, encode_json

JSON_1_1: Final = "application/x-amz-json-1.1"
_GET_ID: Final = "GetId"
_GET_CREDENTIALS: Final = "GetCredentialsForIdentity"
_NOT_FOUND: Final = ("ResourceNotFoundException", "ResourceConflictException")
_NOT_ALLOWED: Final = (
    "NotAuthorizedException",
    "InvalidIdentityPoolConfigurationException",
    "InvalidParameterException",
)
_TOO_MANY: Final = ("TooManyRequestsException", "LimitExceededException")


class GuestPool:
    """The identity pool of a service."""

    def __init__(self, config: ServiceConfig) -> None:
        """Ask nothing yet."""
        aws_url = f"https://cognito-identity.{config.region}.amazonaws.com/"
        self._url = config.cognito_url or aws_url
        self._pool_id = config.identity_pool_id

    def new_guest(self) -> str:
        """Return the identity of a guest who was never there.

        Raises:
            NotAllowed: the pool has no guests.
            NotFound: there is no such pool.
            TooMany, Upstream: it may work later.
        """
        match self._ask(_GET_ID, {"IdentityPoolId": self._pool_id}):
            case {"IdentityId": str(identity_id)}:
                return identity_id
            case _:
                raise Upstream("expected an IdentityId from Cognito, found none")

    def credentials(self, identity_id: str) -> tuple[str, Credentials]:
        """Return credentials of a guest, and the identity that they are of: Cognito may change it.

        Raises:
            NotFound: the identity is no guest's: never made, deleted, or merged into a login.
            NotAllowed: the pool hands out none.
            TooMany, Upstream: it may work later.
        """
        match self._ask(_GET_CREDENTIALS, {"IdentityId": identity_id}):
            case {
                "IdentityId": str(whose),
                "Credentials": {
                    "AccessKeyId": str(key),
                    "SecretKey": str(secret),
                    "SessionToken": str(session_token),
                    "Expiration": int() | float() as ends_at_s,
                },
            }:
                return whose, Credentials(key, secret, session_token, int(ends_at_s * 1000))
            case _:
                raise Upstream("expected Credentials from Cognito, found something else")

    def _ask(self, operation: str, words: dict[str, Json]) -> Json:
        headers = {
            "content-type": JSON_1_1,
            "x-amz-target": f"AWSCognitoIdentityService.{operation}",
        }
        try:
            with urllib3.PoolManager(timeout=TIMEOUT, retries=RETRY) as pool:
                answer = pool.request("POST", self._url, body=encode_json(words), headers=headers)
        except HTTPError as error:
            reason = getattr(error, "reason", error)
            raise Upstream(f"cannot reach Cognito at {self._url}: {reason}") from error
        try:
            found = decode_json(answer.data)
        except Malformed:
            found = None
        if answer.status == 200:
            return found
        raise _refusal(operation, answer.status, found)


def _refusal(operation: str, status: int, found: Json) -> BellwireError:
    """Map a refusal, e.g. `{"__type":"NotAuthorizedException","message":"…"}`."""
    told = found if isinstance(found, dict) else {}
    # AWS spells it with a namespace before `#` or an address after `:` now and then.
    kind = str(told.get("__type")).rpartition("#")[2].partition(":")[0]
    text = f"Cognito refused {operation}: {kind} (status {status}): {told.get('message')}"
    # Whose identity has become a user's is "not authorized" as a guest.
    is_gone = operation == _GET_CREDENTIALS and kind == "NotAuthorizedException"
    if kind in _NOT_FOUND or is_gone:
        return NotFound(text)
    if kind in _NOT_ALLOWED:
        return NotAllowed(text)
    return TooMany(text) if kind in _TOO_MANY else Upstream(text)
