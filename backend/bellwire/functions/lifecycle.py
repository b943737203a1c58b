"""Lifecycle events of AWS IoT, by a topic rule."""

from typing import Any

from bellwire.functions.deployment import deployment, now_ms
from bellwire.functions.observing import observed
from bellwire.handlers.lifecycle import handle_lifecycle


@observed
def handler(event: Any, _context: Any) -> None:
    """Take in one event; Lambda calls again if this raises."""
    members = deployment().members
    handle_lifecycle(
        event,
        store=members.presence,
        directory=members.directory,
        connections=members.connections,
        stage=deployment().settings.stage,
        now_ms=now_ms,
    )
