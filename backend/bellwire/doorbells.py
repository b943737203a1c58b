"""Doorbells that come as records: which channel each is for. Pure."""

from collections.abc import Mapping
from typing import Any

from bellwire.channels import check_channel
from bellwire.errors import Malformed


def channel_rung(record: Mapping[str, Any]) -> str | None:
    """Name the channel that a record of the log's own stream (KEYS_ONLY) tells to look at.

    Returns:
        None for what adds nothing to a channel: items that expire, marks of the head that move.
        A fence, or the first head, cannot be told from an update by its key; each comes in one
        transaction with an update of the same channel, so it rings nobody else's.

    Raises:
        Malformed, BadChannel: it is no record of the log's stream.
    """
    match record:
        case {"eventName": "MODIFY" | "REMOVE", "dynamodb": {"Keys": {"channel": {"S": str()}}}}:
            return None
        case {"eventName": "INSERT", "dynamodb": {"Keys": {"channel": {"S": str(channel)}}}}:
            return check_channel(channel)
    raise Malformed(f"expected a record of the log's stream, found {str(record)[:80]!r}")
