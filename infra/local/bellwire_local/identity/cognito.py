"""Amazon Cognito Identity on the wire: AWS's JSON 1.1, CORS, signatures, rates. No rule of a pool.

Source: https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/Welcome.html
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from bellwire_local.http_messages import Answer, HttpAnswer, HttpRequest
from bellwire_local.identity.developer import DeveloperIdentities
from bellwire_local.identity.inquiries import WANTED, Inquiries, Wanted
from bellwire_local.identity.parameters import Parameters, read_parameters
from bellwire_local.identity.pool import IdentityPool, Result
from bellwire_local.identity.quotas import LOGINS_PER_CALL, RateLimiter
from bellwire_local.identity.refusals import CognitoRefusal
from bellwire_local.identity.roles import Circumstances
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier

logger = logging.getLogger(__name__)

SERVICE = "cognito-identity"
TARGET_PREFIX = "AWSCognitoIdentityService."
_PoolOperation = Callable[[Parameters, float], Result]

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
_JSON_CODES = {
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "ExpiredToken": "ExpiredTokenException",
}
"""The names that services of the JSON protocols give to a signature's faults."""

_DECIDED = {"AccessDeniedException", "InvalidIdentityPoolConfigurationException"}
"""What follows from a decision, which is logged where it is made."""


class CognitoIdentity:
    """Answers the calls for one identity pool."""

    def __init__(
        self,
        pool: IdentityPool,
        *,
        region: str,
        verifier: Verifier,
        inquiries: Inquiries,
        limiter: RateLimiter,
        wall_clock_s: Callable[[], float],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._arn = f"arn:aws:{SERVICE}:{region}:{pool.account_id}:identitypool/{pool.pool_id}"
        self._verifier = verifier
        self._inquiries = inquiries
        self._limiter = limiter
        self._wall_clock_s = wall_clock_s
        self._monotonic_s = monotonic_s
        developer = DeveloperIdentities(pool)
        self._public: Mapping[str, _PoolOperation] = {
            "GetId": pool.get_id,
            "GetCredentialsForIdentity": pool.get_credentials_for_identity,
            "GetOpenIdToken": pool.get_open_id_token,
            "UnlinkIdentity": pool.unlink_identity,
        }
        self._signed: Mapping[str, _PoolOperation] = {
            "GetOpenIdTokenForDeveloperIdentity": developer.get_open_id_token,
            "LookupDeveloperIdentity": developer.look_up,
            "UnlinkDeveloperIdentity": developer.unlink,
            "MergeDeveloperIdentities": developer.merge,
            "DescribeIdentity": developer.describe,
        }

    def answer(self, request: HttpRequest) -> Answer:
        """Answer one request to `/`, preflights of browsers included.

        Only a login has to wait, of an issuer whose keys are not known yet or with an opaque token.
        """
        if request.method == "OPTIONS":
            return HttpAnswer(200, _PREFLIGHT)
        try:
            operation, parameters = self._admit(request)
            return self._perform(operation, parameters)
        except CognitoRefusal as refusal:
            return _refuse(refusal)
        except WANTED as wanted:
            return self._perform_later(operation, parameters, wanted)

    def _perform(self, operation: _PoolOperation, parameters: Parameters) -> HttpAnswer:
        return _answer(200, operation(parameters, self._wall_clock_s()))

    async def _perform_later(
        self, operation: _PoolOperation, parameters: Parameters, wanted: Wanted
    ) -> HttpAnswer:
        async with AsyncExitStack() as known:
            for _ in range(LOGINS_PER_CALL):  # one provider for each login at most
                await known.enter_async_context(self._inquiries.made(wanted))
                try:
                    return self._perform(operation, parameters)
                except CognitoRefusal as refusal:
                    return _refuse(refusal)
                except WANTED as still_wanted:
                    wanted = still_wanted
        message = f"Waited in vain for {wanted}"
        return _refuse(CognitoRefusal("ExternalServiceException", message))

    def _admit(self, request: HttpRequest) -> tuple[_PoolOperation, Parameters]:
        target = request.headers.get("x-amz-target", "")
        name = target.removeprefix(TARGET_PREFIX)
        operation = self._public.get(name) or self._signed.get(name)
        if request.method != "POST" or operation is None or not target.startswith(TARGET_PREFIX):
            supported = ", ".join(TARGET_PREFIX + each for each in (*self._public, *self._signed))
            found = f"{request.method} with X-Amz-Target {target!r}"
            raise CognitoRefusal(
                "UnknownOperationException", f"{found} is not supported; POST with {supported} is"
            )
        if not self._limiter.admit(name, self._monotonic_s()):
            raise CognitoRefusal(
                "TooManyRequestsException", "Rate exceeded", self._pool.settings.throttled_status
            )
        if name in self._signed:
            self._authorize(request, name)
        return operation, read_parameters(request.body, request.body_bytes)

    def _authorize(self, request: HttpRequest, operation: str) -> None:
        received = ReceivedRequest(
            request.method, request.path, request.query, request.headers, request.body_sha256
        )
        now_s = self._wall_clock_s()
        try:
            caller = self._verifier.verify(received, now_s).principal
        except SignatureRefused as refused:
            raise CognitoRefusal(_JSON_CODES[refused.code], str(refused)) from refused
        circumstances = Circumstances(now_s, request.source_ip)
        roles, action = self._pool.roles, f"{SERVICE}:{operation}"
        why = roles.explain_refusal(caller, action, self._arn, circumstances)
        if why is None and caller.account_id != self._pool.account_id:
            why = roles.refuse_other_account(caller, action, self._arn, now_s)
        if why is not None:
            raise CognitoRefusal("AccessDeniedException", why)


def _refuse(refusal: CognitoRefusal) -> HttpAnswer:
    if refusal.error_type not in _DECIDED:
        logger.warning("Cognito refused: %s: %s", refusal.error_type, refusal)
    content: Result = {"__type": refusal.error_type, "message": str(refusal)}
    return _answer(refusal.status, content, (("x-amzn-ErrorType", refusal.error_type),))


def _answer(status: int, content: Result, extra: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
    headers = (
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amzn-RequestId", str(uuid.uuid4())),
        *_CORS,
        *extra,
    )
    return HttpAnswer(status, headers, json.dumps(content).encode())
