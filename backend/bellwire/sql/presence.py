"""Who is connected, in the database of the SQL log."""

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from bellwire.attendance import Attendance
from bellwire.attendance_json import decode_attendance, encode_attendance
from bellwire.identity_ports import Present
from bellwire.sql.engine import insert_if_absent, reading, writing
from bellwire.sql.presence_tables import attendances, present_channels


class SqlPresence:
    """A `PresenceStore` on SQLAlchemy; see `open_sqlite` for the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, client_id: str) -> Attendance | None:
        """See `PresenceStore.find`."""
        wanted = select(attendances.c.attendance, attendances.c.revision)
        with reading(self._engine) as connection:
            row = connection.execute(wanted.where(attendances.c.client_id == client_id)).first()
        return None if row is None else decode_attendance(client_id, row.attendance, row.revision)

    def save(self, attendance: Attendance) -> bool:
        """See `PresenceStore.save`."""
        with writing(self._engine) as connection:
            is_saved = _save_row(connection, attendance)
            if is_saved:
                _save_channels(connection, attendance)
        return is_saved

    def client_ids_of(self, identity_id: str) -> list[str]:
        """See `PresenceStore.client_ids_of`."""
        wanted = select(attendances.c.client_id).where(attendances.c.identity_id == identity_id)
        with reading(self._engine) as connection:
            return sorted(client_id for (client_id,) in connection.execute(wanted))

    def clients_on(self, channel: str) -> list[Present]:
        """See `PresenceStore.clients_on`."""
        found = attendances.c
        wanted = (
            select(found.client_id, found.identity_id, found.since_ms)
            .join(present_channels, present_channels.c.client_id == found.client_id)
            .where(present_channels.c.channel == channel)
        )
        with reading(self._engine) as connection:
            present = [Present(*row) for row in connection.execute(wanted)]
        return sorted(present, key=lambda one: one.client_id)

    def unconfirmed(self, before_ms: int, limit: int) -> list[Attendance]:
        """See `PresenceStore.unconfirmed`."""
        found = attendances.c
        wanted = (
            select(found.client_id, found.attendance, found.revision)
            .where(found.may_be_there, found.confirmed_at_ms < before_ms)
            .order_by(found.confirmed_at_ms, found.client_id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [decode_attendance(*row) for row in connection.execute(wanted)]

    def drop_expired(self, now_ms: int) -> int:
        """See `PresenceStore.drop_expired`."""
        expired = delete(attendances).where(attendances.c.expires_at_ms < now_ms)
        with writing(self._engine) as connection:
            rows = connection.execute(expired.returning(attendances.c.client_id)).all()
            if rows:
                of_client = present_channels.c.client_id == bindparam("gone")
                gone = [{"gone": client_id} for (client_id,) in rows]
                connection.execute(delete(present_channels).where(of_client), gone)
        return len(rows)

    def clear(self) -> None:
        """Forget everybody, where it is known that nobody is connected any more."""
        with writing(self._engine) as connection:
            connection.execute(delete(present_channels))
            connection.execute(delete(attendances))


def _save_row(connection: Connection, attendance: Attendance) -> bool:
    presence = attendance.presence
    values = {
        "identity_id": attendance.identity_id,
        "attendance": encode_attendance(attendance),
        "revision": attendance.revision + 1,
        "since_ms": 0 if presence is None else presence.since_ms,
        "may_be_there": attendance.may_be_there,
        "confirmed_at_ms": attendance.confirmed_at_ms,
        "expires_at_ms": attendance.expires_at_ms,
    }
    if attendance.revision == 0:
        return insert_if_absent(connection, attendances, client_id=attendance.client_id, **values)
    return (
        connection.execute(
            update(attendances)
            .where(attendances.c.client_id == attendance.client_id)
            .where(attendances.c.revision == attendance.revision)
            .values(values)
        ).rowcount
        == 1
    )


def _save_channels(connection: Connection, attendance: Attendance) -> None:
    client_id, presence = attendance.client_id, attendance.presence
    rows = connection.execute(
        select(present_channels.c.channel).where(present_channels.c.client_id == client_id)
    )
    listed = {channel for (channel,) in rows}
    wanted = frozenset() if presence is None else presence.channels
    if listed - wanted:
        connection.execute(
            delete(present_channels)
            .where(present_channels.c.client_id == client_id)
            .where(present_channels.c.channel.in_(listed - wanted))
        )
    if wanted - listed:
        connection.execute(
            insert(present_channels),
            [{"channel": channel, "client_id": client_id} for channel in sorted(wanted - listed)],
        )
