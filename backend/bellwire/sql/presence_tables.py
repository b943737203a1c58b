"""The tables of presence.

`attendances` holds what is known of each client id, `present_channels` the channels that it is on.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text

from bellwire.sql.tables import metadata

attendances = Table(
    "attendances",
    metadata,
    Column("client_id", String(128), primary_key=True),
    Column("identity_id", String(128), nullable=False, index=True),
    Column("attendance", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("may_be_there", Boolean, nullable=False),
    Column("confirmed_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
)

# What is to be asked about next, oldest first.
Index("unconfirmed", attendances.c.may_be_there, attendances.c.confirmed_at_ms)

present_channels = Table(
    "present_channels",
    metadata,
    Column("channel", String(200), primary_key=True),
    Column("client_id", String(128), primary_key=True, index=True),
)
