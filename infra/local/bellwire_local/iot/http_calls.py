"""What every operation of the HTTPS data plane is given, and how it reads, answers and refuses."""

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from bellwire_local.http_messages import HttpAnswer
from bellwire_local.iot.broker import Broker
from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.refusals import CORS

ANY_RESOURCE = "*"
"""What an action is asked for that knows no narrower resource: only a statement on `*` allows it.
Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html"""

PAGE_MAX = 200
"""Source: botocore's model of `iot-data`, `maxResults` of both listings."""


class DataPlaneRefused(Exception):
    """An operation is refused with this HTTP status and error type."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        self.status = status
        self.error_type = error_type
        super().__init__(message)


def invalid(message: str) -> DataPlaneRefused:
    """Refuse what cannot be read or is out of range."""
    return DataPlaneRefused(400, "InvalidRequestException", message)


def not_found(message: str) -> DataPlaneRefused:
    """Refuse to speak of what does not exist."""
    return DataPlaneRefused(404, "ResourceNotFoundException", message)


@dataclass(frozen=True, slots=True)
class Call:
    """One signed request, taken apart.

    `label` is the decoded topic or client id of the path; `demand` takes action and resource, for
    example `("iot:Publish", "topic/a")`, and raises DataPlaneRefused if the caller may not.
    """

    label: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    body_bytes: int
    now_s: float
    broker: Broker
    demand: Callable[[str, str], None]
    limits: Limits = STRICT


def accept(content: Mapping[str, object] | None = None) -> HttpAnswer:
    """Answer 200 with a JSON object, or with AWS's OK of operations that return nothing."""
    trace_id = str(uuid.uuid4())
    headers = (("content-type", "application/json"), ("x-amzn-RequestId", trace_id), *CORS)
    shown = {"message": "OK", "traceId": trace_id} if content is None else content
    return HttpAnswer(200, headers, json.dumps(shown, separators=(",", ":")).encode())


def read_label(encoded: str) -> str:
    """Decode a topic or client id out of a path, whether its slashes are encoded or not.

    Raises:
        DataPlaneRefused: it is not UTF-8.
    """
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        raise invalid(f"The path is not UTF-8: {encoded!r}") from error


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """Read an option that is `true` or `false`, which it is when left out."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise invalid(f"{name} is {text!r}; true or false is expected")
    return text == "true"


def read_number(query: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    """Read a whole number in a range; None when it is left out."""
    text = query.get(name)
    if text is None:
        return None
    # Its length first: reading a text of many digits takes time that grows with their square.
    if len(text) > len(str(most)) or not (text.isascii() and text.isdigit()):
        raise invalid(f"{name} is {text[:32]!r}; a number from {least} to {most} is expected")
    if not least <= int(text) <= most:
        raise invalid(f"{name} is {text}; a number from {least} to {most} is expected")
    return int(text)


def decode_base64(text: str, name: str) -> bytes:
    """Decode a value that the caller has written in base64.

    Raises:
        DataPlaneRefused: it is something else.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{name} is not base64: {error}") from error


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: so many names, those that come after `after`."""

    after: str | None
    limit: int


def read_page(query: Mapping[str, str], default: int) -> Page:
    """Read `nextToken` and `maxResults`.

    Raises:
        DataPlaneRefused: the token is none of ours, or the number is out of range.
    """
    limit = read_number(query, "maxResults", 1, PAGE_MAX) or default
    token = query.get("nextToken")
    if not token:
        return Page(None, limit)
    try:
        return Page(decode_base64(token, "nextToken").decode(), limit)
    except UnicodeDecodeError as error:
        raise invalid("nextToken is none that was given out here") from error


def token_after(name: str) -> str:
    """Make the `nextToken` of a page whose last name this is."""
    return base64.b64encode(name.encode()).decode()
