"""What publishing functions share: with `inline` fan-out, marks are written before they end."""

import logging
from functools import wraps

from bellwire.errors import Upstream
from bellwire.fanout import InlineFanOut
from bellwire.functions.deployment import deployment
from bellwire.handlers.edge import Deployment, Event, Handle, Response

logger = logging.getLogger(__name__)


def flushed(handle: Handle) -> Handle:
    """Have a handler's pushes written down: an instance may never be called again."""

    @wraps(handle)
    def handle_and_flush(event: Event, made: Deployment) -> Response:
        try:
            return handle(event, made)
        finally:
            flush()

    return handle_and_flush


def flush() -> None:
    """Write down how far channels have been pushed; a failure is the doorbells' to mend."""
    fan_out = deployment().fan_out
    if isinstance(fan_out, InlineFanOut):
        try:
            fan_out.flush()
        except Upstream as error:
            logger.warning("marks were not written, the doorbells will: %s", error.message)
