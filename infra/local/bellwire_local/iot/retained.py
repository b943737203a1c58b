"""Retained messages: the last one of each topic, kept across restarts.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html#mqtt-retain
"""

import base64
import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt.packets import NO_PROPERTIES, Properties

_TABLE = """
CREATE TABLE IF NOT EXISTS retained_messages (
    account_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    qos INTEGER NOT NULL,
    properties TEXT NOT NULL,
    modified_at_ms INTEGER NOT NULL,
    expires_at_s REAL,
    PRIMARY KEY (account_id, topic)
)"""
_INDEX = """
CREATE INDEX IF NOT EXISTS retained_expiries ON retained_messages (account_id, expires_at_s)
WHERE expires_at_s IS NOT NULL"""
_COLUMNS = "topic, payload, qos, properties, modified_at_ms, expires_at_s"
_ALIVE = "account_id = ? AND (expires_at_s IS NULL OR expires_at_s > ?)"


class NotKept(Exception):
    """A message could not be retained: the storage is locked, full or gone."""


@dataclass(frozen=True, slots=True)
class RetainedMessage:
    """A message with the moment of its last change, in milliseconds since 1970."""

    message: Message
    modified_at_ms: int


class RetainedMessages:
    """The retained messages of one account."""

    def __init__(
        self, storage: sqlite3.Connection, account_id: str, wall_clock_s: Callable[[], float]
    ) -> None:
        """Use, or make, the table in `storage`, whose statements commit by themselves."""
        self._storage = storage
        self._account_id = account_id
        self._wall_clock_s = wall_clock_s
        storage.execute(_TABLE)
        storage.execute(_INDEX)
        self._next_expiry_s = self._find_next_expiry_s()

    def keep(self, message: Message) -> None:
        """Replace what the topic holds; an empty payload deletes it and is not stored itself.

        Raises:
            NotKept: the storage cannot be written.
        """
        try:
            self._write(message)
        except sqlite3.Error as error:
            raise NotKept(f"{message.topic!r} cannot be retained: {error}") from error

    def _write(self, message: Message) -> None:
        if not message.payload:  # [MQTT-3.3.1-6]
            where = "DELETE FROM retained_messages WHERE account_id = ? AND topic = ?"
            self._storage.execute(where, (self._account_id, message.topic))
            return
        row = (
            self._account_id,
            message.topic,
            message.payload,
            message.qos,
            _write_properties(message.properties),
            int(self._wall_clock_s() * 1000),
            message.expires_at_s,
        )
        self._storage.execute("REPLACE INTO retained_messages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if message.expires_at_s is not None:
            self._next_expiry_s = min(self._next_expiry_s, message.expires_at_s)

    def get(self, topic: str) -> RetainedMessage | None:
        """Return what the topic holds, unless it has expired."""
        query = f"SELECT {_COLUMNS} FROM retained_messages WHERE {_ALIVE} AND topic = ?"  # noqa: S608 - constants
        found = self._storage.execute(query, (self._account_id, self._wall_clock_s(), topic))
        row = found.fetchone()
        return None if row is None else _read(row)

    def list(self, after: str | None, limit: int) -> tuple[RetainedMessage, ...]:
        """Return up to `limit` in the order of their topics, those that come after `after`."""
        query = (
            f"SELECT {_COLUMNS} FROM retained_messages "  # noqa: S608 - constants
            f"WHERE {_ALIVE} AND topic > ? ORDER BY topic LIMIT ?"
        )
        given = (self._account_id, self._wall_clock_s(), after or "", limit)
        return tuple(map(_read, self._storage.execute(query, given)))

    def forget_expired(self) -> None:
        """Delete what has expired; while nothing can have, the storage is left alone."""
        now_s = self._wall_clock_s()
        if now_s < self._next_expiry_s:
            return
        query = "DELETE FROM retained_messages WHERE account_id = ? AND expires_at_s <= ?"
        self._storage.execute(query, (self._account_id, now_s))
        self._next_expiry_s = self._find_next_expiry_s()

    def _find_next_expiry_s(self) -> float:
        """Return when, at the earliest, something expires."""
        query = (
            "SELECT MIN(expires_at_s) FROM retained_messages "
            "WHERE account_id = ? AND expires_at_s IS NOT NULL"
        )
        (found,) = self._storage.execute(query, (self._account_id,)).fetchone()
        return math.inf if found is None else float(found)


def retained_in_memory(wall_clock_s: Callable[[], float]) -> RetainedMessages:
    """Make a store that ends with the process."""
    storage = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    return RetainedMessages(storage, "", wall_clock_s)


def _read(row: tuple[Any, ...]) -> RetainedMessage:
    topic, payload, qos, properties, modified_at_ms, expires_at_s = row
    message = Message(
        topic,
        payload,
        qos,
        retain=True,
        properties=_read_properties(properties),
        expires_at_s=expires_at_s,
    )
    return RetainedMessage(message, modified_at_ms)


def _write_properties(properties: Properties) -> str:
    correlation = properties.correlation_data
    said = {
        "payload_format": properties.payload_format,
        "content_type": properties.content_type,
        "response_topic": properties.response_topic,
        "correlation_data": None if correlation is None else base64.b64encode(correlation).decode(),
        "user_properties": properties.user_properties,
    }
    return json.dumps({name: value for name, value in said.items() if value not in (None, ())})


def _read_properties(text: str) -> Properties:
    said = json.loads(text)
    if not said:
        return NO_PROPERTIES
    correlation = said.pop("correlation_data", None)
    pairs = tuple((name, value) for name, value in said.pop("user_properties", ()))
    return Properties(
        **said,
        correlation_data=None if correlation is None else base64.b64decode(correlation),
        user_properties=pairs,
    )
