"""Amazon Cognito Identity for guests: GetId and GetCredentialsForIdentity in AWS's JSON 1.1.

Source: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/Welcome.html
"""

import json
import logging
import uuid
from collections.abc import Callable

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.credentials import CredentialIssuer
from bellwire_local.identity.identities import GuestIdentities
from bellwire_local.identity.principals import COGNITO_SESSION_NAME, Principal

logger = logging.getLogger(__name__)

TARGET_PREFIX = "AWSCognitoIdentityService."
CREDENTIALS_LIFETIME_S = 3600
"""Source: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_Credentials.html"""

_CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"),
)
_PREFLIGHT = (
    *_CORS,
    ("access-control-allow-methods", "POST"),
    (
        "access-control-allow-headers",
        "content-type,x-amz-target,x-amz-user-agent,amz-sdk-request,amz-sdk-invocation-id,cache-control",
    ),
    ("access-control-max-age", "172800"),
)


class CognitoRefusal(Exception):
    """One of Cognito's errors; `error_type` is its `__type`."""

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type = error_type
        super().__init__(message)


class CognitoIdentity:
    """One identity pool."""

    def __init__(
        self,
        *,
        account_id: str,
        pool_id: str,
        identities: GuestIdentities,
        issuer: CredentialIssuer,
        guest_role: str | None,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._account_id = account_id
        self._pool_id = pool_id
        self._identities = identities
        self._issuer = issuer
        self._guest_role = guest_role
        self._wall_clock_s = wall_clock_s
        self._operations = {
            "GetId": self._get_id,
            "GetCredentialsForIdentity": self._get_credentials_for_identity,
        }

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request to `/`, preflights of browsers included."""
        if request.method == "OPTIONS":
            return HttpAnswer(200, _PREFLIGHT)
        try:
            result = self._perform(request)
        except CognitoRefusal as refusal:
            logger.warning("Cognito refused: %s: %s", refusal.error_type, refusal)
            content = {"__type": refusal.error_type, "message": str(refusal)}
            return _answer(400, content, (("x-amzn-ErrorType", refusal.error_type),))
        return _answer(200, result)

    def _perform(self, request: HttpRequest) -> dict[str, object]:
        target = request.headers.get("x-amz-target", "")
        operation = self._operations.get(target.removeprefix(TARGET_PREFIX))
        if request.method != "POST" or operation is None or not target.startswith(TARGET_PREFIX):
            supported = ", ".join(TARGET_PREFIX + name for name in self._operations)
            found = f"{request.method} with X-Amz-Target {target!r}"
            raise CognitoRefusal(
                "UnknownOperationException", f"{found} is not supported; POST with {supported} is"
            )
        return operation(_read_parameters(request.body))

    def _get_id(self, parameters: dict[str, object]) -> dict[str, object]:
        pool_id = _read_text(parameters, "IdentityPoolId")
        if pool_id != self._pool_id:
            raise CognitoRefusal(
                "ResourceNotFoundException", f"IdentityPool '{pool_id}' not found."
            )
        self._check_logins(parameters)
        return {"IdentityId": self._identities.create()}

    def _get_credentials_for_identity(self, parameters: dict[str, object]) -> dict[str, object]:
        identity_id = _read_text(parameters, "IdentityId")
        if not self._identities.is_known(identity_id):
            raise CognitoRefusal(
                "ResourceNotFoundException", f"Identity '{identity_id}' not found."
            )
        guest = Principal(
            self._account_id,
            self._check_logins(parameters),
            COGNITO_SESSION_NAME,
            identity_id,
            self._pool_id,
            ("unauthenticated",),
        )
        expires_at = int(self._wall_clock_s()) + CREDENTIALS_LIFETIME_S
        issued = self._issuer.issue_temporary(guest, expires_at)
        credentials = {
            "AccessKeyId": issued.access_key_id,
            "SecretKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": float(expires_at),
        }
        return {"IdentityId": identity_id, "Credentials": credentials}

    def _check_logins(self, parameters: dict[str, object]) -> str:
        if parameters.get("Logins"):
            raise CognitoRefusal(
                "NotAuthorizedException",
                "Token is not from a supported provider of this identity pool.",
            )
        if self._guest_role is None:
            raise CognitoRefusal(
                "NotAuthorizedException",
                "Unauthenticated access is not supported for this identity pool.",
            )
        return self._guest_role


def _read_parameters(body: bytes | None) -> dict[str, object]:
    try:
        parameters = json.loads(body or b"")
    except (ValueError, RecursionError) as error:
        raise CognitoRefusal("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise CognitoRefusal("SerializationException", "The body is not a JSON object")
    return parameters


def _read_text(parameters: dict[str, object], name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 55:
        raise CognitoRefusal(
            "InvalidParameterException",
            f"{name} is {value!r}; a text of 1 to 55 characters is expected",
        )
    return value


def _answer(
    status: int,
    content: dict[str, object] | dict[str, str],
    extra: tuple[tuple[str, str], ...] = (),
) -> HttpAnswer:
    headers = (
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amzn-RequestId", str(uuid.uuid4())),
        *_CORS,
        *extra,
    )
    return HttpAnswer(status, headers, json.dumps(content).encode())
