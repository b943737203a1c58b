"""What every handler shares: the event's parts, the answer's shape, errors turned into answers."""

import base64
import binascii
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from bellwire.errors import BellwireError, Internal, Malformed, TooLarge, TooMany, to_wire
from bellwire.fanout import FanOut
from bellwire.policies import Place
from bellwire.ports import Appends, Identities, UpdateLog
from bellwire.wire_json import Json, decode_json, encode_json

logger = logging.getLogger(__name__)

Event = Mapping[str, Any]
Response = dict[str, Any]
Handle = Callable[[Event, "Deployment"], Response]

MAX_BODY_BYTES: Final = 1_048_576  # protocol §1


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the handlers work with in one place: the ports, and what the deployment decided."""

    place: Place
    log: UpdateLog
    appends: Appends
    fan_out: FanOut
    identities: Identities
    guest_role: Mapping[str, Any] | None
    config: Mapping[str, Json]
    poll_after_ms: int = 2_000


def answer(handle: Handle, event: Event, deployment: Deployment) -> Response:
    """Call a handler; whatever goes wrong becomes an error of protocol §7."""
    try:
        return handle(event, deployment)
    except BellwireError as error:
        if error.status >= 500:
            logger.warning("%s failed: %s", event.get("rawPath"), error.message)
        return error_response(error)
    except Exception:
        logger.exception("%s failed", event.get("rawPath"))
        return error_response(Internal("something went wrong here; it is in the log"))


def json_response(
    status: int, content: object, headers: Mapping[str, str] | None = None
) -> Response:
    """Shape an answer with a JSON body; it is not cached unless `headers` say so."""
    return {
        "statusCode": status,
        "headers": {
            "content-type": "application/json",
            "cache-control": "no-store",
            **(headers or {}),
        },
        "body": encode_json(content).decode(),
    }


def error_response(error: BellwireError) -> Response:
    """Shape an error as protocol §7 has it."""
    headers = {"retry-after": str(error.retry_after_s)} if isinstance(error, TooMany) else {}
    return json_response(error.status, to_wire(error), headers)


def json_body(event: Event) -> Json:
    """Read the body of a request.

    Raises:
        Malformed: none, or no JSON.
        TooLarge: more than 1 MiB.
    """
    text = event.get("body") or ""
    try:
        body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Malformed(f"expected a UTF-8 body: {error}") from error
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(f"expected a body of at most {MAX_BODY_BYTES} bytes, found {len(body)}")
    return decode_json(body)


def query_of(event: Event) -> dict[str, str]:
    """Read the query parameters.

    Raises:
        Malformed: not a query string, or a parameter stands twice.
    """
    text = event.get("rawQueryString") or ""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError as error:
        raise Malformed(f"expected name=value&… as the query, found {text[:80]!r}") from error
    query = dict(pairs)
    if len(query) < len(pairs):
        raise Malformed(f"expected each parameter once, found {[name for name, _ in pairs]}")
    return query


def header_of(event: Event, name: str) -> str | None:
    """Read a header by its lower-case name."""
    value = (event.get("headers") or {}).get(name)
    return value if isinstance(value, str) else None
