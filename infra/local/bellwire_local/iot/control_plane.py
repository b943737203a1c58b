"""The IoT control plane over HTTPS: policies, their attachments, and where the endpoint is.

What a policy may hold and where it is kept is `iot_policies`'; who may call is `authorization`'s.
Source: https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT.html
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.iot_operations import ROUTES, Call, Desk, Route
from bellwire_local.iot.iot_policies import IotPolicies, IotRefusal
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.rates import RateLimiter

logger = logging.getLogger(__name__)

CONTROL_PLANE_SERVICES = ("iot",)
PATHS = ("/policies", "/target-policies/", "/attached-policies/", "/policy-targets/", "/endpoint")
"""How the control plane's paths begin; the data plane's begin otherwise."""

STATUSES = {
    "InvalidRequestException": 400,
    "MalformedPolicyException": 400,
    "ThrottlingException": 400,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "UnrecognizedClientException": 403,
    "ResourceNotFoundException": 404,
    "UnknownOperationException": 404,
    "DeleteConflictException": 409,
    "ResourceAlreadyExistsException": 409,
    "VersionsLimitExceededException": 409,
    "LimitExceededException": 410,
}
"""Source: botocore's model of `iot`; those that no operation declares are from memory."""

_ASKED_FOR = {"ResourceNotFoundException", "ResourceAlreadyExistsException"}
"""What callers find out by trying, and go on from."""

_SIGNATURE_ERRORS = {
    "The security token included in the request is invalid.": "UnrecognizedClientException",
    "The security token included in the request is expired.": "ExpiredTokenException",
    "Missing Authentication Token": "MissingAuthenticationTokenException",
}


def is_control_plane(path: str) -> bool:
    """Whether a request's path is one of the control plane's."""
    return path.startswith(PATHS)


@dataclass
class ControlPlane:
    """Answers the signed requests that change policies.

    `endpoint` returns the authority at which MQTT is reached, for example `127.0.0.1:8081`.
    """

    policies: Mapping[str, IotPolicies]
    authorizers: Mapping[str, Authorizer]
    verifier: Verifier
    endpoint: Callable[[], str]
    wall_clock_s: Callable[[], float]
    monotonic_s: Callable[[], float]
    limits: Limits = STRICT
    _rates: dict[tuple[str, str], RateLimiter] = field(default_factory=dict)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request; nothing here waits for anything."""
        try:
            content = self._perform(request)
        except SignatureRefused as refusal:
            error_type = _SIGNATURE_ERRORS.get(str(refusal), "InvalidSignatureException")
            return _refuse(IotRefusal(error_type, str(refusal)))
        except IotRefusal as refusal:
            return _refuse(refusal)
        headers = (
            ("content-type", "application/json"),
            ("x-amzn-RequestId", str(uuid.uuid4())),
        )
        return HttpAnswer(200, headers, b"" if content is None else _encode(content))

    def _perform(self, request: HttpRequest) -> Mapping[str, object] | None:
        received = ReceivedRequest(
            request.method, request.path, request.query, request.headers, request.body_sha256
        )
        principal = self.verifier.verify(received, self.wall_clock_s()).principal
        route, named = _find_route(request)
        call = Call(
            named=named,
            query=dict(parse_qsl(request.query, keep_blank_values=True)),
            body=_read_body(request) if route.has_body else {},
        )
        self._authorize(principal, route, call, request.source_ip)
        self._admit(principal.account_id, route)
        policies = self.policies[principal.account_id]
        return route.perform(Desk(policies, self._arn_of(principal), self.endpoint()), call)

    def _authorize(self, principal: Principal, route: Route, call: Call, source_ip: str) -> None:
        resource = route.resource(call)
        decision = self.authorizers[principal.account_id].decide(
            principal,
            route.action,
            resource,
            source_ip=source_ip,
            is_whole_resource=not resource.startswith("policy/"),
        )
        if decision.is_allowed:
            return
        why = (
            f"because no identity-based policy allows the {route.action} action"
            if decision.statement is None
            else "with an explicit deny in an identity-based policy"
        )
        raise IotRefusal(
            "AccessDeniedException",
            f"User: {principal.arn} is not authorized to perform: {route.action} "
            f"on resource: {decision.resource} {why}",
        )

    def _admit(self, account_id: str, route: Route) -> None:
        """Hold the call against its rate; AWS counts by account and operation."""
        if not route.is_attachment:
            return
        key = (account_id, route.action)
        if key not in self._rates:
            self._rates[key] = RateLimiter(self.limits.policy_attachments_per_s)
        if not self._rates[key].admit(self.monotonic_s()):
            raise IotRefusal("ThrottlingException", "Rate exceeded")

    def _arn_of(self, principal: Principal) -> Callable[[str], str]:
        prefix = f"arn:aws:iot:{self.verifier.region}:{principal.account_id}:policy/"
        return lambda name: prefix + name


def _find_route(request: HttpRequest) -> tuple[Route, dict[str, str]]:
    for route in ROUTES:
        found = re.fullmatch(route.path, request.path)
        if found is not None and route.method == request.method:
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    raise IotRefusal(
        "UnknownOperationException",
        f"{request.method} {request.path} is not supported here; policies, their attachments "
        "and DescribeEndpoint are",
    )


def _read_body(request: HttpRequest) -> dict[str, object]:
    if request.body is None:
        raise IotRefusal(
            "InvalidRequestException", f"The body has {request.body_bytes} bytes, which is too many"
        )
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise IotRefusal("InvalidRequestException", f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise IotRefusal("InvalidRequestException", "The body is not a JSON object")
    return body


def _refuse(refusal: IotRefusal) -> HttpAnswer:
    if refusal.error_type != "AccessDeniedException":  # a decision, logged where it is made
        level = logging.INFO if refusal.error_type in _ASKED_FOR else logging.WARNING
        logger.log(level, "control plane: %s: %s", refusal.error_type, refusal.message)
    headers = (
        ("content-type", "application/json"),
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("x-amzn-ErrorType", f"{refusal.error_type}:"),
    )
    content = {"message": refusal.message, **refusal.further}
    return HttpAnswer(STATUSES[refusal.error_type], headers, _encode(content))


def _encode(content: Mapping[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
