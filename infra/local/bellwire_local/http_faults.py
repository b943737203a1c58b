"""Performs what a fault plan says of requests to the AWS port: some fail, in AWS's words."""

import logging
import uuid
from collections.abc import Callable

from bellwire_local.fault_plan import FaultPlan, PublishFault
from bellwire_local.http_messages import Answer, HttpAnswer, HttpRequest, Operation
from bellwire_local.iot.refusals import refuse

logger = logging.getLogger(__name__)

_COGNITO_TARGET = "AWSCognitoIdentityService."


def make_faulty(
    operation: Operation, plan: Callable[[], FaultPlan | None], throttled_status: int
) -> Operation:
    """Let some requests fail as asked for, and hand on the others.

    Args:
        plan: gives the plan in force, None for none.
        throttled_status: the status of Cognito's TooManyRequestsException, which is not known.
    """

    def answer(request: HttpRequest) -> Answer:
        in_force = plan()
        fault = None if in_force is None else _find_fault(request, in_force, throttled_status)
        if fault is None:
            return operation(request)
        logger.warning("%s %s fails as asked for", request.method, request.path)
        return fault

    return answer


def _find_fault(request: HttpRequest, plan: FaultPlan, throttled_status: int) -> HttpAnswer | None:
    if request.method != "POST":
        return None
    if request.path.startswith("/topics/"):
        return _find_publish_fault(plan)
    if request.headers.get("x-amz-target", "").startswith(_COGNITO_TARGET):
        return _throttle_call(throttled_status) if plan.is_call_throttled() else None
    return None


def _find_publish_fault(plan: FaultPlan) -> HttpAnswer | None:
    """Source: ThrottlingException has status 429 in botocore's model of `iot-data`."""
    match plan.on_publish():
        case PublishFault.THROTTLED:
            refusal = refuse(429, "ThrottlingException", "Rate exceeded")
        case PublishFault.FORBIDDEN:  # as aws/aws-sdk-js-v3#5562 reports of one in a hundred
            refusal = refuse(403, "ForbiddenException", "Forbidden")
        case None:
            return None
    return HttpAnswer(refusal.status, refusal.headers, refusal.body)


def _throttle_call(status: int) -> HttpAnswer:
    headers = (
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amzn-RequestId", str(uuid.uuid4())),
        ("x-amzn-ErrorType", "TooManyRequestsException"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "x-amzn-RequestId,x-amzn-ErrorType,Date"),
    )
    body = b'{"__type":"TooManyRequestsException","message":"Rate exceeded"}'
    return HttpAnswer(status, headers, body)
