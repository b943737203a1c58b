"""The IAM authorizer of an HTTP API: who has signed a request, and may they invoke the route?

Whoever serves the API asks this for each request to a route with `AWS_IAM` authorization.
Source: API Gateway guide, http-api-access-control-iam and http-api-develop-integrations-lambda
(payload format 2.0); IAM guide, list_amazonapigateway (`execute-api:Invoke`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bellwire_local.identity.principals import Principal
from bellwire_local.identity.roles import Circumstances, Roles
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier

SERVICE = "execute-api"
INVOKE = "execute-api:Invoke"


class ApiForbidden(Exception):
    """API Gateway answers 403 `{"message": "Forbidden"}`; the message here is for the log."""


@dataclass(frozen=True, slots=True)
class ApiAuthorizer:
    """Authorizes the requests to one API of the home account, in its stage `$default`."""

    region: str
    account_id: str
    api_id: str
    verifier: Verifier
    roles: Roles
    wall_clock_s: Callable[[], float]

    def authorize(self, request: ReceivedRequest, source_ip: str) -> dict[str, Any]:
        """Return what becomes `requestContext.authorizer.iam` of the event.

        `{"accountId", "callerId", "cognitoIdentity": {"amr", "identityId", "identityPoolId"} |
        null, "userArn", "userId"}`; the access key is left out, since handlers may log events.

        Raises:
            ApiForbidden: the request proves nobody's identity, or that somebody may not do this.
        """
        now_s = self.wall_clock_s()
        try:
            caller = self.verifier.verify(request, now_s).principal
        except SignatureRefused as refused:
            raise ApiForbidden(str(refused)) from refused
        arn = (
            f"arn:aws:{SERVICE}:{self.region}:{self.account_id}:{self.api_id}"
            f"/$default/{request.method}{request.path}"
        )
        circumstances = Circumstances(now_s, source_ip)
        why = self.roles.explain_refusal(caller, INVOKE, arn, circumstances)
        if why is None and caller.account_id != self.account_id:
            why = self.roles.refuse_other_account(caller, INVOKE, arn, now_s)
        if why is not None:
            raise ApiForbidden(why)
        return _describe(caller)


def _describe(caller: Principal) -> dict[str, Any]:
    identity = None
    if caller.identity_id is not None:
        identity = {
            "amr": list(caller.amr),
            "identityId": caller.identity_id,
            "identityPoolId": caller.pool_id,
        }
    return {
        "accountId": caller.account_id,
        "callerId": caller.unique_id,
        "cognitoIdentity": identity,
        "userArn": caller.arn,
        "userId": caller.unique_id,
    }
