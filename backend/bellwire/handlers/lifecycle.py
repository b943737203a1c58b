"""Lifecycle events, as a rule of AWS IoT hands them to a Lambda function.

The rule is `SELECT * FROM '$aws/events/+/+/+'`; it invokes asynchronously, and again if this
raises. The stand-in's rules do the same.
"""

import logging
from collections.abc import Callable

from bellwire.errors import Malformed
from bellwire.identity_ports import Connections, Directory, PresenceStore
from bellwire.lifecycle import decode_lifecycle
from bellwire.presence import note_lifecycle

logger = logging.getLogger(__name__)


def handle_lifecycle(
    event: object,
    *,
    store: PresenceStore,
    directory: Directory,
    connections: Connections,
    stage: str,
    now_ms: Callable[[], int],
) -> None:
    """Take in an event such as `{"clientId", "timestamp", "eventType": "connected", …}`.

    One that cannot be read is logged in one line: it would not be read the next time either.

    Raises:
        Upstream: the store, the directory or the broker does not answer: to be called again.
    """
    try:
        told = decode_lifecycle(event, stage)
    except Malformed as error:
        logger.warning("a lifecycle event was passed over: %s", error.message)
        return
    if told is not None:
        note_lifecycle(
            told, store=store, directory=directory, connections=connections, now_ms=now_ms()
        )
