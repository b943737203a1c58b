"""Identities that somebody has logged in with: which login belongs to which, kept in the database.

Guests are not in here: see `identities`. A guest enters when a login is linked to it.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from bellwire_local.storage import transaction

_TABLES = """
CREATE TABLE IF NOT EXISTS cognito_identities (
  identity_id TEXT PRIMARY KEY, created_at_s REAL NOT NULL, modified_at_s REAL NOT NULL,
  merged_into TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cognito_logins (
  provider TEXT, subject TEXT, identity_id TEXT NOT NULL REFERENCES cognito_identities,
  PRIMARY KEY (provider, subject)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cognito_logins_of ON cognito_logins (identity_id, provider, subject);
"""


@dataclass(frozen=True, slots=True, order=True)
class Login:
    """A user as a provider knows them: `Login("login.example", "ann")`."""

    provider: str
    subject: str


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """An identity that is, or was, logged in with; times in seconds since 1970.

    `merged_into` names the identity that took its place when two were merged.
    """

    identity_id: str
    created_at_s: float
    modified_at_s: float
    merged_into: str | None
    logins: tuple[Login, ...]


class LinkedIdentities:
    """The linked identities of one pool."""

    def __init__(self, storage: sqlite3.Connection) -> None:
        self._storage = storage
        storage.executescript(_TABLES)

    def find(self, identity_id: str) -> LinkedIdentity | None:
        """Return an identity; None for one that nobody has ever logged in with."""
        row = self._storage.execute(
            "SELECT identity_id, created_at_s, modified_at_s, merged_into FROM cognito_identities "
            "WHERE identity_id = ?",
            (identity_id,),
        ).fetchone()
        if row is None:
            return None
        logins = self._storage.execute(
            "SELECT provider, subject FROM cognito_logins WHERE identity_id = ? ORDER BY 1, 2",
            (identity_id,),
        )
        found = tuple(Login(*login) for login in logins)
        return LinkedIdentity(row[0], row[1], row[2], row[3], found)

    def find_owner(self, login: Login) -> str | None:
        """Return the identity that a login belongs to."""
        row = self._storage.execute(
            "SELECT identity_id FROM cognito_logins WHERE provider = ? AND subject = ?",
            (login.provider, login.subject),
        ).fetchone()
        return None if row is None else str(row[0])

    def link(self, identity_id: str, logins: Iterable[Login], now_s: float) -> None:
        """Give logins that belong to nobody to an identity, which may be new here."""
        with transaction(self._storage):
            self._touch(identity_id, now_s)
            self._storage.executemany(
                "INSERT INTO cognito_logins VALUES (?, ?, ?)",
                [(login.provider, login.subject, identity_id) for login in logins],
            )

    def unlink(self, logins: Iterable[Login], now_s: float) -> None:
        """Take logins away from whoever has them; their next user is somebody new."""
        with transaction(self._storage):
            for login in logins:
                owner = self.find_owner(login)
                if owner is not None:
                    self._touch(owner, now_s)
                    self._storage.execute(
                        "DELETE FROM cognito_logins WHERE provider = ? AND subject = ?",
                        (login.provider, login.subject),
                    )

    def merge(self, source_id: str, destination_id: str, now_s: float) -> None:
        """Move every login of the source to the destination and disable the source."""
        with transaction(self._storage):
            self._touch(source_id, now_s)
            self._touch(destination_id, now_s)
            self._storage.execute(
                "UPDATE cognito_logins SET identity_id = ? WHERE identity_id = ?",
                (destination_id, source_id),
            )
            self._storage.execute(
                "UPDATE cognito_identities SET merged_into = ? WHERE identity_id = ?",
                (destination_id, source_id),
            )

    def _touch(self, identity_id: str, now_s: float) -> None:
        self._storage.execute(
            "INSERT INTO cognito_identities VALUES (?, ?, ?, NULL) "
            "ON CONFLICT DO UPDATE SET modified_at_s = excluded.modified_at_s",
            (identity_id, now_s, now_s),
        )
