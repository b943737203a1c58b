"""Updates from the event bus and from schedules."""

from typing import Any

from bellwire.functions.deployment import deployment
from bellwire.functions.last_resort import last_resort
from bellwire.functions.observing import observed
from bellwire.functions.publishing import flushing
from bellwire.handlers.events import handle_events


@observed
def handler(event: Any, context: Any) -> None:
    """Publish what an event carries; Lambda calls again if this raises."""
    made = deployment()
    with flushing():
        handle_events(
            event,
            request_id=context.aws_request_id,
            log=made.appends,
            fan_out=made.fan_out,
            last_resort=last_resort(),
        )
