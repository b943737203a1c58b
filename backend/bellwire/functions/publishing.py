"""What publishing functions share: where failures go, and marks of `inline` fan-out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps

from bellwire.errors import Upstream
from bellwire.fanout import InlineFanOut
from bellwire.functions.deployment import deployment
from bellwire.handlers.edge import Deployment, Event, Handle, Response

logger = logging.getLogger(__name__)


@contextmanager
def flushing() -> Iterator[None]:
    """Have pushes written down at the end: an instance may never be called again."""
    try:
        yield
    finally:
        fan_out = deployment().fan_out
        if isinstance(fan_out, InlineFanOut):
            _flush(fan_out)


def flushed(handle: Handle) -> Handle:
    """Have a handler's pushes written down when it is done."""

    @wraps(handle)
    def handle_and_flush(event: Event, made: Deployment) -> Response:
        with flushing():
            return handle(event, made)

    return handle_and_flush


def _flush(fan_out: InlineFanOut) -> None:
    try:
        fan_out.flush()
    except Upstream as error:
        logger.warning("marks were not written, the doorbells will: %s", error.message)
