"""What every handler shares: the event's parts, the answer's shape, errors turned into answers."""

import base64
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl

from bellwire.errors import (
    BellwireError,
    Internal,
    Malformed,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    to_wire,
)
from bellwire.wire_json import Json, decode_json, encode_json

if TYPE_CHECKING:  # a handler imports what it uses, and no more: it starts with every new function
    from bellwire.bearers import Bearers
    from bellwire.fanout import FanOut
    from bellwire.identity_ports import Directory, Identities, PresenceStore
    from bellwire.logins import Logins
    from bellwire.policies import Document, Place
    from bellwire.ports import Appends, Reads
    from bellwire.revocation import Bouncer
    from bellwire.sessions import Membership

logger = logging.getLogger(__name__)

Event = Mapping[str, Any]
Response = dict[str, Any]
Handle = Callable[[Event, "Deployment"], Response]

MAX_BODY_BYTES: Final = 1_048_576  # protocol §1

_PARTS: Final = {"headers": dict, "body": str, "rawQueryString": str, "requestContext": dict}


class Members(Protocol):
    """What the handlers work with where people can log in.

    `pool_id` is the identity pool whose signatures count; `presence_namespaces` are those in which
    it may be asked who is there, e.g. `{"group", "user"}`.
    """

    @property
    def logins(self) -> "Logins": ...
    @property
    def made_of(self) -> "Membership": ...
    @property
    def bearers(self) -> "Bearers": ...
    @property
    def directory(self) -> "Directory": ...
    @property
    def bouncer(self) -> "Bouncer": ...
    @property
    def pool_id(self) -> str: ...
    @property
    def presence(self) -> "PresenceStore": ...
    @property
    def presence_namespaces(self) -> frozenset[str]: ...


class Deployment(Protocol):
    """What the handlers work with in one place: the ports, and what the deployment decided.

    `guest_role` is None where guests are switched off, `members` where nobody can log in; `now_s`
    is the wall clock, in s since 1970.
    """

    @property
    def place(self) -> "Place": ...
    @property
    def log(self) -> "Reads": ...
    @property
    def appends(self) -> "Appends": ...
    @property
    def fan_out(self) -> "FanOut": ...
    @property
    def identities(self) -> "Identities": ...
    @property
    def guest_role(self) -> "Document | None": ...
    @property
    def config(self) -> Mapping[str, Json]: ...
    @property
    def poll_after_ms(self) -> int: ...
    @property
    def members(self) -> Members | None: ...
    @property
    def now_s(self) -> Callable[[], float]: ...


def require_members(deployment: Deployment) -> Members:
    """Return what serves people who have logged in.

    Raises:
        NotFound: nobody can log in here.
    """
    if deployment.members is None:
        raise NotFound("no login is configured here")
    return deployment.members


def answer(handle: Handle, event: Event, deployment: Deployment) -> Response:
    """Call a handler; whatever goes wrong becomes an error of protocol §7."""
    path = None
    try:
        path = check_event(event).get("rawPath")
        return handle(event, deployment)
    except BellwireError as error:
        if error.status >= 500:
            logger.warning("%s failed: %s", path, error.message)
        return error_response(error)
    except Exception:
        logger.exception("%s failed", path)
        return error_response(Internal("something went wrong here; it is in the log"))


def check_event(event: object) -> Event:
    """Return an event if it has the shape of one, whatever stands in it.

    Raises:
        Malformed: it is no request of an HTTP API.
    """
    if not isinstance(event, dict):
        raise Malformed(f"expected a request of an HTTP API, found {str(event)[:80]!r}")
    for name, kind in _PARTS.items():
        if not isinstance(event.get(name), kind | None):
            raise Malformed(f"expected {name} of a request as {kind}, found {event[name]!r:.80}")
    return event


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
    except ValueError as error:  # of base64, of characters outside of it, of lone surrogates
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


def json_object(event: Event) -> dict[str, Json]:
    """Read the body of a request that has to be a JSON object; no body is an empty one.

    Raises:
        Malformed: it is something else.
        TooLarge: more than 1 MiB.
    """
    body = json_body(event) if event.get("body") else {}
    if not isinstance(body, dict):
        raise Malformed(f"expected a JSON object, found {str(body)[:80]!r}")
    return body


def bearer_of(event: Event) -> str | None:
    """Read the bearer token of a request; None if it brings no Authorization.

    Raises:
        Unauthenticated: it brings something else.
    """
    value = header_of(event, "authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("expected Authorization: Bearer TOKEN, found something else")
    return token.strip()


def header_of(event: Event, name: str) -> str | None:
    """Read a header by its lower-case name."""
    value = (event.get("headers") or {}).get(name)
    return value if isinstance(value, str) else None
