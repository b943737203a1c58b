"""Lifecycle events: what AWS tells subscribers of `$aws/events/…` about clients. Pure.

Of a client whose id has a wildcard in it AWS tells nothing: there is no event then.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bellwire_local.iot import limits
from bellwire_local.iot.effects import DisconnectReason
from bellwire_local.iot.messages import Message
from bellwire_local.iot.topics import is_wildcard


@dataclass(frozen=True, slots=True)
class Subject:
    """The connection that an event is about; `timestamp_ms` since 1970 is the event's own."""

    client_id: str
    session_identifier: str
    principal_identifier: str
    timestamp_ms: int


def connected_event(subject: Subject, ip_address: str, version_number: int) -> Message | None:
    """Tell that a client has connected."""
    return _presence(subject, "connected", ipAddress=ip_address, versionNumber=version_number)


def disconnected_event(
    subject: Subject,
    reason: DisconnectReason,
    version_number: int,
    *,
    is_client_initiated: bool,
) -> Message | None:
    """Tell that a client has disconnected; the version number is that of its connection."""
    return _presence(
        subject,
        "disconnected",
        clientInitiatedDisconnect=is_client_initiated,
        disconnectReason=reason.value,
        versionNumber=version_number,
    )


def connect_failed_event(subject: Subject, ip_address: str) -> Message | None:
    """Tell that a client may not connect, or may not have the will that it asked for."""
    return _presence(
        subject,
        "connect_failed",
        connectFailureReason="AUTHORIZATION_FAILED",
        ipAddress=ip_address,
    )


def subscribed_event(subject: Subject, filters: Sequence[str]) -> Message | None:
    """Tell which filters were granted."""
    return _event(subject, "subscriptions", "subscribed", topics=list(filters))


def unsubscribed_event(subject: Subject, filters: Sequence[str]) -> Message | None:
    """Tell which filters were given up."""
    return _event(subject, "subscriptions", "unsubscribed", topics=list(filters))


def _presence(subject: Subject, event_type: str, **more: object) -> Message | None:
    return _event(subject, "presence", event_type, **more)


def _event(subject: Subject, family: str, event_type: str, **more: object) -> Message | None:
    client_id = subject.client_id
    if is_wildcard(client_id):
        return None
    content = {
        "clientId": client_id,
        "timestamp": subject.timestamp_ms,
        "eventType": event_type,
        "sessionIdentifier": subject.session_identifier,
        "principalIdentifier": subject.principal_identifier,
        **more,
    }
    topic = f"$aws/events/{family}/{event_type}/{client_id}"
    return Message(topic, json.dumps(content, separators=(",", ":")).encode())


class VersionNumbers:
    """Count the connections of each client id; a long absence starts again at 0."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._left_at_s: dict[str, float] = {}

    def begin(self, client_id: str, now_s: float) -> int:
        """Return the version number of a new connection."""
        left_at_s = self._left_at_s.pop(client_id, now_s)
        if client_id in self._versions and now_s - left_at_s < limits.VERSION_MEMORY_S:
            self._versions[client_id] += 1
        else:
            self._versions[client_id] = 0
        return self._versions[client_id]

    def end(self, client_id: str, now_s: float) -> None:
        """Note that the client id is offline from now on."""
        self._left_at_s[client_id] = now_s

    def forget(self, now_s: float) -> None:
        """Drop the client ids that have been offline for so long that they start again."""
        before_s = now_s - limits.VERSION_MEMORY_S
        for client_id in [name for name, at_s in self._left_at_s.items() if at_s <= before_s]:
            del self._left_at_s[client_id], self._versions[client_id]
