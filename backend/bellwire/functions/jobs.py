"""Updates from the queues of jobs."""

from typing import Any

from bellwire.functions.deployment import deployment
from bellwire.functions.last_resort import last_resort
from bellwire.functions.observing import observed
from bellwire.functions.publishing import flushing
from bellwire.handlers.jobs import handle_jobs


@observed
def handler(event: Any, _context: Any) -> Any:
    """Publish what a batch of messages carries; answer which ones have to come again."""
    made = deployment()
    with flushing():
        return handle_jobs(event, log=made.appends, fan_out=made.fan_out, last_resort=last_resort())
