"""The tables of the SQL log.

`heads` holds each channel's counter, `updates` its log, `states` the newest value of every key,
`ids` the positions of updates that somebody may send again.
"""

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

metadata = MetaData()

heads = Table(
    "heads",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("epoch", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)

updates = Table(
    "updates",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("epoch", String(16), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("id", String(128)),
    Column("at_ms", BigInteger, nullable=False),
    Column("op", String(8), nullable=False),
    Column("key", String(256)),
    Column("data", Text),
    Column("size_bytes", Integer, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
)

states = Table(
    "states",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("key", String(256), primary_key=True),
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
