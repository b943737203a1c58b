"""GET /v1/updates and GET /v1/signed/updates: what is new on up to 50 channels, with HTTP's own
caching."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from bellwire.access import Reader, guest, may_read
from bellwire.answers import encode_answer
from bellwire.channels import check_channel, is_public
from bellwire.cursors import MAX_CHANNELS, decode_cursor
from bellwire.errors import Malformed, NotAllowed, Unauthenticated
from bellwire.handlers.edge import (
    Deployment,
    Event,
    Members,
    Response,
    bearer_of,
    header_of,
    json_response,
    query_of,
    require_members,
)
from bellwire.policies import Place
from bellwire.polling import DEFAULT_LIMIT, Ask, poll
from bellwire.updates import Position
from bellwire.wire_json import encode_json

MAX_REWIND: Final = 100
MAX_LIMIT: Final = 1_000

_PUBLIC: Final = "public, max-age=1, must-revalidate, stale-if-error=0"
_PRIVATE: Final = "private, no-store"
_PARAMETERS: Final = {"channels", "cursor", "rewind", "limit"}
_ETAG: Final = re.compile(r'(?:W/)?("[^"]*")')


def handle_poll(event: Event, deployment: Deployment) -> Response:
    """Answer `?channels=public/a,public/b` with `rewind`, or `?cursor=…`; `limit` with both."""
    return _answer(event, deployment, reader_of(event, deployment), may_be_shared=True)


def handle_signed_poll(event: Event, deployment: Deployment) -> Response:
    """Answer the same to who has signed with credentials of the identity pool; see `edge`."""
    reader = _signer_of(event, require_members(deployment), deployment.place)
    return _answer(event, deployment, reader, may_be_shared=False)


def reader_of(event: Event, deployment: Deployment) -> Reader:
    """Find out who asks: nobody in particular, or whose bearer token it is.

    Raises:
        Unauthenticated: the token does not hold, or nobody can log in here.
    """
    token = bearer_of(event)
    if token is None:
        return guest(deployment.guest_role)
    if deployment.members is None:
        raise Unauthenticated("no login is configured here: poll public channels without one")
    from bellwire.readers import reader_of_bearer  # noqa: PLC0415 - most polls start without

    bearer = deployment.members.bearers.read(token, deployment.now_s())
    return reader_of_bearer(bearer, deployment.members.directory, deployment.place)


def _signer_of(event: Event, members: Members, place: Place) -> Reader:
    """Source: API Gateway guide, HTTP API, payload format 2.0, `authorizer.iam`."""
    from bellwire.bearers import has_logged_in  # noqa: PLC0415 - most polls start without
    from bellwire.readers import reader_of_identity  # noqa: PLC0415 - as above

    match event.get("requestContext"):
        case {
            "authorizer": {
                "iam": {
                    "cognitoIdentity": {
                        "identityPoolId": members.pool_id,
                        "identityId": str(identity_id),
                        "amr": methods,
                    }
                }
            }
        } if has_logged_in(methods):
            return reader_of_identity(identity_id, members.directory, place)
    raise NotAllowed("expected the credentials of somebody who has logged in to sign a poll")


def _answer(
    event: Event, deployment: Deployment, reader: Reader, *, may_be_shared: bool
) -> Response:
    query = query_of(event)
    if not may_be_shared:  # a presigned URL carries its signature beside the question
        query = {name: value for name, value in query.items() if not name.startswith("X-Amz-")}
    ask = _ask_of(query)
    found = poll(
        ask,
        log=deployment.log,
        may_read=lambda channel: may_read(reader, channel, deployment.place),
        identity_id=reader.identity_id,
        poll_after_ms=deployment.poll_after_ms,
    )
    wire = encode_answer(found)
    etag = _etag({name: part for name, part in wire.items() if name != "poll_after_ms"})
    is_for_all = may_be_shared and deployment.guest_role is not None
    is_shared = is_for_all and all(map(is_public, ask.positions))
    headers = {
        "etag": etag,
        "cache-control": _PUBLIC if is_shared else _PRIVATE,
        "bellwire-poll-after-ms": str(found.poll_after_ms),
    }
    if _is_named(etag, header_of(event, "if-none-match")):
        return {"statusCode": 304, "headers": headers}
    return json_response(200, wire, headers)


def _ask_of(query: dict[str, str]) -> Ask:
    unknown = set(query) - _PARAMETERS
    if unknown:
        raise Malformed(f"expected only {sorted(_PARAMETERS)}, found {sorted(unknown)}")
    if ("channels" in query) == ("cursor" in query):
        raise Malformed("expected either channels or cursor")
    if "cursor" in query and "rewind" in query:
        raise Malformed("expected rewind with channels only, found it with a cursor")
    cursor = decode_cursor(query["cursor"]) if "cursor" in query else None
    positions: Mapping[str, Position | None] = (
        dict.fromkeys(_channels_of(query["channels"])) if cursor is None else cursor.positions
    )
    return Ask(
        positions,
        rewind=_number(query, "rewind", 0, 0, MAX_REWIND),
        limit=_number(query, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        pages={} if cursor is None else cursor.pages,
    )


def _channels_of(text: str) -> list[str]:
    names = sorted({check_channel(name) for name in text.split(",")})
    if len(names) > MAX_CHANNELS:
        raise Malformed(f"expected at most {MAX_CHANNELS} channels, found {len(names)}")
    return names


def _number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text) or not least <= int(text) <= most:
        raise Malformed(f"expected {name} to be {least} to {most}, found {text[:40]!r}")
    return int(text)


def _etag(content: object) -> str:
    return f'"{hashlib.sha256(encode_json(content)).hexdigest()[:32]}"'


def _is_named(etag: str, if_none_match: str | None) -> bool:
    """Compare weakly, as RFC 9110 §13.1.2 wants it for If-None-Match."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)
