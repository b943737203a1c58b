"""The HTTPS data plane: who asks, for which operation, and may they.

The operations are in `http_publish`, `http_retained` and `http_connections`. Left for later are
device shadows and SendDirectMessage.
Source: https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.principals import Principal
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.broker import Broker
from bellwire_local.iot.choices import DEFAULT_CHOICES, Choices
from bellwire_local.iot.http_calls import (
    ANY_RESOURCE,
    Call,
    DataPlaneRefused,
    not_found,
    read_label,
)
from bellwire_local.iot.http_connections import (
    delete_connection,
    get_connection,
    list_subscriptions,
    refuse_direct_message,
)
from bellwire_local.iot.http_publish import publish
from bellwire_local.iot.http_retained import get_retained_message, list_retained_messages
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.refusals import CORS, refuse

DATA_PLANE_SERVICES = ("iotdata", "iotdevicegateway")
"""The scopes of boto3 and of AWS's own examples."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """A path, still percent-encoded, and what answers its methods.

    A topic's or client id's slashes may be encoded, as boto3 does, or not.
    """

    path: re.Pattern[str]
    methods: Mapping[str, Callable[[Call], HttpAnswer]]


# The first that fits counts: what has more behind the client id comes first.
ROUTES = (
    Route(re.compile(r"/topics/(.+)", re.DOTALL), {"POST": publish}),
    Route(re.compile(r"/retainedMessage/?()"), {"GET": list_retained_messages}),
    Route(re.compile(r"/retainedMessage/(.+)", re.DOTALL), {"GET": get_retained_message}),
    Route(re.compile(r"/connections/(.+)/subscriptions", re.DOTALL), {"GET": list_subscriptions}),
    Route(re.compile(r"/connections/(.+)/messages", re.DOTALL), {"POST": refuse_direct_message}),
    Route(
        re.compile(r"/connections/(.+)", re.DOTALL),
        {"GET": get_connection, "DELETE": delete_connection},
    ),
)


PREFLIGHT = HttpAnswer(
    200,
    (
        *CORS,
        ("access-control-allow-methods", "GET,POST,DELETE"),
        (
            "access-control-allow-headers",
            (
                "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-mqtt5-correlation-data,"
                "x-amz-mqtt5-payload-format-indicator,x-amz-mqtt5-user-properties,"
                "x-amz-security-token,x-amz-user-agent"
            ),
        ),
        ("access-control-max-age", "172800"),
    ),
)
"""What a browser asks before a page's signed request. That AWS answers it is inferred from pages
that publish this way: https://github.com/aws/aws-iot-device-sdk-js/issues/71"""


class DataPlane:
    """Answers the signed requests that backend jobs send."""

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        authorizers: Mapping[str, Authorizer],
        verifier: Verifier,
        wall_clock_s: Callable[[], float],
        limits: Limits = STRICT,
        choices: Choices = DEFAULT_CHOICES,
    ) -> None:
        self._brokers = brokers
        self._authorizers = authorizers
        self._verifier = verifier
        self._wall_clock_s = wall_clock_s
        self._limits = limits
        self._choices = choices

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request, preflights included; nothing here waits for anything."""
        if request.method == "OPTIONS":
            return PREFLIGHT
        try:
            return self._perform(request)
        except DataPlaneRefused as refused:
            refusal = refuse(refused.status, refused.error_type, str(refused))
            return HttpAnswer(refusal.status, refusal.headers, refusal.body)

    def _perform(self, request: HttpRequest) -> HttpAnswer:
        now_s = self._wall_clock_s()
        principal = self._identify(request, now_s)
        perform, label = _find_operation(request.method, request.path)
        call = Call(
            label=read_label(label),
            query=dict(parse_qsl(request.query, keep_blank_values=True)),
            headers=request.headers,
            body=request.body,
            body_bytes=request.body_bytes,
            now_s=now_s,
            broker=self._brokers[principal.account_id],
            demand=self._demand_for(principal, request.source_ip),
            limits=self._limits,
        )
        return perform(call)

    def _identify(self, request: HttpRequest, now_s: float) -> Principal:
        received = ReceivedRequest(
            request.method, request.path, request.query, request.headers, request.body_sha256
        )
        try:
            return self._verifier.verify(received, now_s).principal
        except SignatureRefused as refusal:
            logger.warning("%s %s refused: %s", request.method, request.path, refusal)
            raise self._unsigned(str(refusal)) from refusal

    def _unsigned(self, message: str) -> DataPlaneRefused:
        if self._choices.unsigned_https == "401":
            return DataPlaneRefused(401, "UnauthorizedException", message)
        return DataPlaneRefused(403, "ForbiddenException", message)

    def _demand_for(self, principal: Principal, source_ip: str) -> Callable[[str, str], None]:
        authorizer = self._authorizers[principal.account_id]

        def demand(action: str, resource: str) -> None:
            decision = authorizer.decide(
                principal,
                action,
                resource,
                source_ip=source_ip,
                is_whole_resource=resource == ANY_RESOURCE,
            )
            if not decision.is_allowed:
                raise DataPlaneRefused(403, "ForbiddenException", "Forbidden")

        return demand


def _find_operation(method: str, path: str) -> tuple[Callable[[Call], HttpAnswer], str]:
    for route in ROUTES:
        found = route.path.fullmatch(path)
        if found is None:
            continue
        perform = route.methods.get(method)
        if perform is not None:
            return perform, found[1]
        expected = " or ".join(route.methods)
        message = f"{method} is not supported here; {expected} is"
        raise DataPlaneRefused(405, "MethodNotAllowedException", message)
    raise not_found(f"No such path: {path}")
