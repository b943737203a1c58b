"""How AWS IoT words a refusal over HTTP, on the WebSocket upgrade and the data plane alike."""

import json
import uuid
from dataclasses import dataclass

CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-amzn-ErrorMessage,x-amzn-RequestId,x-amzn-ErrorType,Date"),
)
"""What lets a page of any origin read an answer.
Source: observed, https://github.com/odelot/aws-mqtt-websockets/issues/7"""


@dataclass(frozen=True, slots=True)
class HttpRefusal:
    """A refusal ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def refuse(status: int, error_type: str, message: str) -> HttpRefusal:
    """Word a refusal, for example `refuse(403, "ForbiddenException", "Forbidden")`.

    Source: observed answers; https://github.com/odelot/aws-mqtt-websockets/issues/7
    """
    trace_id = str(uuid.uuid4())
    headers = (
        ("content-type", "application/json"),
        ("x-amzn-RequestId", trace_id),
        ("x-amzn-ErrorType", f"{error_type}:"),
        *CORS,
    )
    body = json.dumps({"message": message, "traceId": trace_id}, separators=(",", ":")).encode()
    return HttpRefusal(status, headers, body)
