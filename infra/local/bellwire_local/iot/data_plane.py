"""The HTTPS data plane: `POST /topics/{topic}`; its other operations answer as unknown paths do.

Source: https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html
"""

import json
import logging
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote_to_bytes

from bellwire_local.http_messages import HttpAnswer, HttpRequest
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.iot import limits
from bellwire_local.iot.authorization import Authorizer
from bellwire_local.iot.broker import Broker
from bellwire_local.iot.messages import Message
from bellwire_local.iot.refusals import HttpRefusal, refuse
from bellwire_local.iot.topics import find_topic_fault, is_wildcard

logger = logging.getLogger(__name__)

TOPICS_PATH = "/topics/"


class DataPlane:
    """Answers the signed requests that backend jobs send."""

    def __init__(
        self,
        brokers: Mapping[str, Broker],
        authorizers: Mapping[str, Authorizer],
        verifier: Verifier,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._brokers = brokers
        self._authorizers = authorizers
        self._verifier = verifier
        self._wall_clock_s = wall_clock_s

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request; nothing here waits for anything."""
        refusal = self._publish(request)
        if refusal is not None:
            return HttpAnswer(refusal.status, refusal.headers, refusal.body)
        trace_id = str(uuid.uuid4())
        headers = (("content-type", "application/json"), ("x-amzn-RequestId", trace_id))
        body = json.dumps({"message": "OK", "traceId": trace_id}, separators=(",", ":"))
        return HttpAnswer(200, headers, body.encode())

    def _publish(self, request: HttpRequest) -> HttpRefusal | None:
        received = ReceivedRequest(
            request.method, request.path, request.query, request.headers, request.body_sha256
        )
        try:
            grant = self._verifier.verify(received, self._wall_clock_s())
        except SignatureRefused as refusal:
            logger.warning("publish refused: %s", refusal)
            return refuse(403, "ForbiddenException", str(refusal))
        if not request.path.startswith(TOPICS_PATH):
            return refuse(404, "ResourceNotFoundException", f"No such path: {request.path}")
        if request.method != "POST":
            message = f"{request.method} is not supported here; POST is"
            return refuse(405, "MethodNotAllowedException", message)
        try:
            topic = unquote_to_bytes(request.path.removeprefix(TOPICS_PATH)).decode()
        except UnicodeDecodeError:
            return refuse(400, "InvalidRequestException", "The topic is not UTF-8")
        fault = _find_fault(topic, request.query)
        if fault is not None:
            return refuse(400, "InvalidRequestException", fault)
        if request.body is None:
            found = f"The payload has {request.body_bytes} bytes"
            message = f"{found}; at most {limits.PAYLOAD_BYTES} are allowed"
            return refuse(413, "RequestEntityTooLargeException", message)
        account_id = grant.principal.account_id
        decision = self._authorizers[account_id].decide(
            grant.principal, "iot:Publish", f"topic/{topic}", source_ip=request.source_ip
        )
        if not decision.is_allowed:
            return refuse(403, "ForbiddenException", "Forbidden")
        self._brokers[account_id].publish(Message(topic, request.body))
        return None


def _find_fault(topic: str, query: str) -> str | None:
    fault = find_topic_fault(topic)
    if fault is not None:
        return f"The topic {topic!r} is not valid: {fault}"
    if is_wildcard(topic) or "\0" in topic or topic.startswith("$"):
        return f"The topic {topic!r} is not valid: wildcards and reserved topics take no messages"
    options = dict(parse_qsl(query, keep_blank_values=True))
    if options.get("qos", "0") not in ("0", "1"):
        return f"qos is {options['qos']!r}; 0 or 1 is expected"
    if options.get("retain", "false") != "false":
        return "retained messages are not kept here yet; leave retain out"
    return None
