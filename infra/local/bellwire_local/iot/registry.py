"""Who is connected under which client id, who was, and the lifecycle event of each change."""

from collections.abc import Callable

from bellwire_local.iot import lifecycle, limits
from bellwire_local.iot.connections import Connection, PastConnection
from bellwire_local.iot.effects import DisconnectReason
from bellwire_local.iot.lifecycle import Subject, VersionNumbers
from bellwire_local.iot.messages import Message


class Registry:
    """The client ids of one account; each change returns the event to publish, if there is one."""

    def __init__(self, wall_clock_s: Callable[[], float]) -> None:
        self._wall_clock_s = wall_clock_s
        self._owners: dict[str, Connection] = {}
        self._past: dict[str, PastConnection] = {}
        self._versions = VersionNumbers()

    def find(self, client_id: str) -> Connection | None:
        """Return who owns the client id."""
        return self._owners.get(client_id)

    def find_past(self, client_id: str) -> PastConnection | None:
        """Return the last connection of a client that is offline, as long as it is remembered."""
        past = self._past.get(client_id)
        return None if past is None or self._is_forgotten(past) else past

    def enter(self, connection: Connection, client_id: str) -> Message | None:
        """Let a connection own a client id that nobody owns."""
        self._owners[client_id] = connection
        self._past.pop(client_id, None)
        connection.version_number = self._versions.begin(client_id, self._wall_clock_s())
        connection.connected_at_ms = self._now_ms()
        subject = self._subject(connection, client_id)
        return lifecycle.connected_event(subject, connection.source_ip, connection.version_number)

    def refuse(self, connection: Connection, client_id: str) -> Message | None:
        """Tell of a client that may not connect."""
        subject = self._subject(connection, client_id)
        return lifecycle.connect_failed_event(subject, connection.source_ip)

    def leave(
        self, connection: Connection, reason: DisconnectReason, *, is_client_initiated: bool
    ) -> Message | None:
        """Give up the client id of a connection; one that never owned one changes nothing."""
        client_id = connection.session.client_id
        if client_id is None or self._owners.get(client_id) is not connection:
            return None
        del self._owners[client_id]
        self._versions.end(client_id, self._wall_clock_s())
        self._past[client_id] = PastConnection(
            client_id,
            reason,
            connection.connected_at_ms,
            self._now_ms(),
            connection.keep_alive_s,
            connection.source_ip,
            connection.source_port,
        )
        return lifecycle.disconnected_event(
            self._subject(connection, client_id),
            reason,
            connection.version_number,
            is_client_initiated=is_client_initiated,
        )

    def subject(self, connection: Connection) -> Subject:
        """Return whom an event of this moment is about."""
        return self._subject(connection, connection.session.client_id or "")

    def forget(self) -> None:
        """Drop what AWS would not remember any longer."""
        for client_id in [key for key, past in self._past.items() if self._is_forgotten(past)]:
            del self._past[client_id]
        self._versions.forget(self._wall_clock_s())

    def _is_forgotten(self, past: PastConnection) -> bool:
        return self._now_ms() - past.disconnected_at_ms > limits.PAST_CONNECTION_S * 1000

    def _subject(self, connection: Connection, client_id: str) -> Subject:
        return Subject(
            client_id,
            connection.session_identifier,
            connection.principal.unique_id,
            self._now_ms(),
        )

    def _now_ms(self) -> int:
        return int(self._wall_clock_s() * 1000)
