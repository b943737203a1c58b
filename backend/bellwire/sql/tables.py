"""The tables of the SQL log, and of the people who may read it.

`heads` holds each channel's counter and how far it has been pushed, `updates` its log, `states` the
newest value of every key, `ids` the positions of updates that somebody may send again, `stores`
which store this is (see `incarnation`), `people` who has logged in, `users` which of them a user
was saved as last. Keys are kept as JSON strings: PostgreSQL's text cannot hold a NUL.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
)

metadata = MetaData()

# In the words of the partial index: a bound value would not be seen to fit it.
EVENT: Final = "'event'"


def _only(condition: ColumnElement[bool]) -> dict[str, Any]:
    """Make an index partial, in the words of each dialect."""
    return {"sqlite_where": condition, "postgresql_where": condition}


stores = Table(
    "stores",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema", Integer, nullable=False),
    Column("incarnation", String(128), nullable=False),
    Column("appends", BigInteger, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("appended_at_ms", BigInteger, nullable=False),
    Column("pushed", BigInteger, nullable=False),
)

# What the outbox asks for: nearly always empty, so it costs next to nothing.
Index("unpushed", heads.c.channel, **_only(heads.c.pushed < heads.c.seq))

updates = Table(
    "updates",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", String(128)),
    Column("at_ms", BigInteger, nullable=False),
    Column("op", String(8), nullable=False),
    Column("key", Text),
    Column("data", Text),
    Column("size_bytes", Integer, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
)

# What a rewind and a client from another epoch ask for: few events may stand among many sets.
Index(
    "kept_events",
    updates.c.channel,
    updates.c.epoch,
    updates.c.seq,
    **_only(updates.c.op == literal_column(EVENT)),
)

states = Table(
    "states",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("data", Text, nullable=False),
)

ids = Table(
    "ids",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
)

people = Table(
    "people",
    metadata,
    Column("identity_id", String(64), primary_key=True),
    Column("user", String(256), nullable=False),
    Column("groups", Text, nullable=False),
    Column("attached", Text, nullable=False),
    Column("unsettled", Text, nullable=False),
    Column("revoked_before_s", BigInteger, nullable=False),
    Column("is_revoked", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("user", String(256), primary_key=True),
    Column("identity_id", String(64), nullable=False),
)
