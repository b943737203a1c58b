"""Updates from whoever calls this function directly."""

from typing import Any

from bellwire.functions.deployment import deployment
from bellwire.functions.observing import observed
from bellwire.functions.publishing import flushing
from bellwire.handlers.invoke import handle_invoke


@observed
def handler(payload: Any, context: Any) -> Any:
    """Publish, and answer one result each; the class of what is raised is Lambda's errorType."""
    made = deployment()
    with flushing():
        return handle_invoke(
            payload,
            request_id=context.aws_request_id,
            log=made.appends,
            fan_out=made.fan_out,
        )
