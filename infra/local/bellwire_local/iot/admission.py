"""Who is let in at the WebSocket port. Pure: request and time in, a grant or a refusal out.

Permission is not asked here: AWS lets any good signature in and asks policies at CONNECT.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bellwire_local.identity.credentials import Grant
from bellwire_local.identity.sigv4 import ReceivedRequest, SignatureRefused, Verifier
from bellwire_local.iot.refusals import HttpRefusal, refuse

logger = logging.getLogger(__name__)

MQTT_PATH = "/mqtt"
SUB_PROTOCOLS = ("mqtt", "mqttv3.1")


@dataclass(frozen=True, slots=True)
class EdgeChoices:
    """What nobody outside AWS knows.

    `expired_url_status`: 403 since refusals are; 426 was seen in 2018 (aws/aws-sdk-js#2254).
    `sub_protocol`: whether an upgrade may offer none of ours; AWS's answer to that is unknown.
    `close_code`: what a Close frame says when we end a connection, 0: no such frame; clients of
    AWS mostly see 1006 or 1005. Source of the codes: RFC 6455, 7.4.1.
    """

    expired_url_status: Literal[403, 426] = 403
    sub_protocol: Literal["optional", "required"] = "optional"
    close_code: Literal[0, 1000, 1001, 1002, 1008, 1011] = 0


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """An upgrade as it came: `target` is path and query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


def admit(
    request: UpgradeRequest, verifier: Verifier, now_s: float, choices: EdgeChoices
) -> Grant | HttpRefusal:
    """Find out who asks for an upgrade, or word the refusal; a refusal is logged in one line."""
    path, _, query = request.target.partition("?")
    if path != MQTT_PATH:
        return refuse(404, "ResourceNotFoundException", f"No such path: {path}; MQTT is at /mqtt")
    received = ReceivedRequest(request.method, path, query, request.headers)
    try:
        grant = verifier.verify(received, now_s)
    except SignatureRefused as refusal:
        logger.warning("upgrade refused: %s", refusal)
        is_expired = str(refusal).startswith("Signature expired")
        status = choices.expired_url_status if is_expired else 403
        return refuse(status, "ForbiddenException", str(refusal))
    if choices.sub_protocol == "required" and choose_sub_protocol(request.headers) is None:
        offered = request.headers.get("sec-websocket-protocol", "none")
        expected = " or ".join(SUB_PROTOCOLS)
        return refuse(400, "BadRequestException", f"Sub-protocol {offered}; expected {expected}")
    return grant


def choose_sub_protocol(headers: Mapping[str, str]) -> str | None:
    """Take the first offered sub-protocol that is one of AWS's."""
    offered = headers.get("sec-websocket-protocol", "").split(",")
    return next((name for name in map(str.strip, offered) if name in SUB_PROTOCOLS), None)
