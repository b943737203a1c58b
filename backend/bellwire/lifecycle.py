"""Lifecycle events, read: what AWS IoT tells of clients. Pure.

They may come twice, late, in any order, or never; `attendance` makes sense of them.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bellwire.channels import channel_of, is_identity_id
from bellwire.errors import Malformed
from bellwire.wire_json import MAX_SAFE_INTEGER

Kind = Literal["connected", "disconnected", "subscribed", "unsubscribed"]

_KINDS: Final[Mapping[str, Kind]] = {
    "connected": "connected",
    "disconnected": "disconnected",
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
}
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")  # a UUID, with or without hyphens
_IDENTITY_CHARACTERS_AFTER_COLON: Final = 36


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """Something that happened to one connection of one client.

    Attributes:
        kind: what happened.
        client_id: the MQTT client id.
        identity_id: whose client it is.
        session: which of the client's connections, AWS's `sessionIdentifier`.
        at_ms: when, in ms since 1970, to within two minutes.
        principal: who connected, for example `"AROA…:CognitoIdentityCredentials"`.
        version: AWS's `versionNumber` of a connection; of subscriptions there is none.
        channels: those taken up or given up.
    """

    kind: Kind
    client_id: str
    identity_id: str
    session: str
    at_ms: int
    principal: str = ""
    version: int | None = None
    channels: tuple[str, ...] = ()


def decode_lifecycle(payload: object, stage: str) -> LifecycleEvent | None:
    """Read an event such as `{"clientId", "timestamp", "eventType": "connected", …}`.

    Of the topics only those of the stage's channels are kept: a filter with a wildcard is nobody's
    presence.

    Returns:
        None for what changes nobody's presence: another type of event, or a client that is no
        person's, such as a job.

    Raises:
        Malformed: it is no lifecycle event.
    """
    if not isinstance(payload, Mapping):
        raise Malformed(f"expected a lifecycle event, found {str(payload)[:80]!r}")
    kind, client_id = _KINDS.get(_text(payload, "eventType")), _text(payload, "clientId")
    identity_id = identity_of(client_id)
    if kind is None or identity_id is None:
        return None
    is_presence = kind in ("connected", "disconnected")
    session = _text(payload, "sessionIdentifier")
    if not _SESSION.fullmatch(session):
        raise Malformed(f"expected sessionIdentifier to be a UUID, found {session[:80]!r}")
    return LifecycleEvent(
        kind=kind,
        client_id=client_id,
        identity_id=identity_id,
        session=session,
        at_ms=_number(payload, "timestamp"),
        principal=_text(payload, "principalIdentifier"),
        version=_number(payload, "versionNumber") if is_presence else None,
        channels=() if is_presence else _channels(payload, stage),
    )


def identity_of(client_id: str) -> str | None:
    """Name the identity that a client id is of; None if it is no person's.

    It is the identity id itself, or that followed by `-` and more: one for each tab of a browser.
    The policies let nobody connect as another, but they cannot say what the rest is made of, and
    nobody may hide a connection behind an odd one.
    """
    region, colon, rest = client_id.partition(":")
    identity_id = region + colon + rest[:_IDENTITY_CHARACTERS_AFTER_COLON]
    tab = rest[_IDENTITY_CHARACTERS_AFTER_COLON:]
    if not is_identity_id(identity_id) or (tab and not tab.startswith("-")):
        return None
    return identity_id


def _text(payload: Mapping[object, object], name: str) -> str:
    found = payload.get(name)
    if not isinstance(found, str):
        raise Malformed(f"expected {name} to be a text in a lifecycle event, found {found!r:.80}")
    return found


def _number(payload: Mapping[object, object], name: str) -> int:
    found = payload.get(name)
    if type(found) is not int or not 0 <= found <= MAX_SAFE_INTEGER:
        raise Malformed(f"expected {name} to be a number in a lifecycle event, found {found!r:.80}")
    return found


def _channels(payload: Mapping[object, object], stage: str) -> tuple[str, ...]:
    topics = payload.get("topics")
    if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
        raise Malformed(f"expected topics to be texts in a lifecycle event, found {topics!r:.80}")
    channels = (channel_of(stage, topic) for topic in topics)
    return tuple(channel for channel in channels if channel is not None)
