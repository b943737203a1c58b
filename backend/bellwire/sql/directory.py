"""The directory in SQL; its tables are `people` and `users`."""

import json

from sqlalchemy import Connection, Engine, RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from bellwire.errors import Upstream
from bellwire.identity_ports import Person
from bellwire.sql.engine import insert_or_replace, reading, writing
from bellwire.sql.tables import people, users


class SqlDirectory:
    """A `Directory` in the same database as the log."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, identity_id: str) -> Person | None:
        """See `Directory.find`."""
        with reading(self._engine) as connection:
            row = (
                connection.execute(select(people).where(people.c.identity_id == identity_id))
                .mappings()
                .first()
            )
        return None if row is None else _to_person(row)

    def find_identity(self, user: str) -> str | None:
        """See `Directory.find_identity`."""
        found = select(users.c.identity_id).where(users.c.user == user)
        with reading(self._engine) as connection:
            return connection.execute(found).scalar()

    def save(self, person: Person) -> bool:
        """See `Directory.save`: the person and what leads to them together, or neither."""
        try:
            with writing(self._engine) as connection:
                if not _put(person, connection):
                    return False
                insert_or_replace(
                    connection, users, user=person.user, identity_id=person.identity_id
                )
        except Upstream as error:
            if isinstance(error.__cause__, IntegrityError):  # another one has been the first
                return False
            raise
        return True


def _put(person: Person, connection: Connection) -> bool:
    row = _to_row(person)
    if person.revision == 0:
        connection.execute(insert(people).values(row))
        return True
    known = (
        update(people)
        .where(people.c.identity_id == person.identity_id)
        .where(people.c.revision == person.revision)
    )
    return connection.execute(known.values(row)).rowcount == 1


def _to_row(person: Person) -> dict[str, object]:
    return {
        "identity_id": person.identity_id,
        "user": person.user,
        "groups": json.dumps(person.groups),
        "attached": json.dumps(person.attached),
        "unsettled": json.dumps(person.unsettled),
        "revoked_before_s": person.revoked_before_s,
        "is_revoked": person.is_revoked,
        "revision": person.revision + 1,
    }


def _to_person(row: RowMapping) -> Person:
    return Person(
        identity_id=row["identity_id"],
        user=row["user"],
        groups=tuple(json.loads(row["groups"])),
        attached=tuple(json.loads(row["attached"])),
        unsettled=tuple(json.loads(row["unsettled"])),
        revoked_before_s=row["revoked_before_s"],
        is_revoked=row["is_revoked"],
        revision=row["revision"],
    )
