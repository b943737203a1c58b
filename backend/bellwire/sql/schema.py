"""Every table, so that all are made when a database is opened, in one that was there before too."""

from bellwire.sql.presence_tables import attendances, present_channels
from bellwire.sql.tables import metadata

__all__ = ["attendances", "metadata", "present_channels"]
