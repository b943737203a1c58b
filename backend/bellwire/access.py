"""May this caller read this channel? Asked of the same documents that AWS IoT enforces."""

from collections.abc import Mapping
from typing import Any

from bellwire.channels import topic_of
from bellwire.policies import Place, is_allowed


def may_guest_read(channel: str, role: Mapping[str, Any] | None, place: Place) -> bool:
    """Tell whether a caller without credentials may read a channel.

    Args:
        role: the rendered `guest_role` document, None where guests are switched off.
    """
    if role is None:
        return False
    arn = f"arn:aws:iot:{place.region}:{place.account_id}"
    topic = topic_of(place.stage, channel)
    return is_allowed(role, "iot:Subscribe", f"{arn}:topicfilter/{topic}", {}) and is_allowed(
        role, "iot:Receive", f"{arn}:topic/{topic}", {}
    )
