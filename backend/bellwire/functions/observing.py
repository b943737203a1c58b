"""What every function tells CloudWatch and X-Ray: structured logs, metrics in them, traces."""

import logging
import os
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

Handler = Callable[[Any, Any], Any]

NAMESPACE: Final = "Bellwire"
SERVICE: Final = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "bellwire")

logger = Logger(service=SERVICE, level=os.environ.get("BELLWIRE_LOG_LEVEL", "INFO"))
_counting = Lock()
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def observed(handle: Handler) -> Handler:
    """Have a function's log lines name the request, and its metrics be written when it is done.

    Events are not logged: they hold bearers and the application's data.
    """
    logging.getLogger("bellwire")
    copy_config_to_registered_loggers(logger, include={"bellwire"})

    @logger.inject_lambda_context(clear_state=True)
    @metrics.log_metrics(capture_cold_start_metric=True)
    @wraps(handle)
    def handler(event: Any, context: Any) -> Any:
        return handle(event, context)

    return _traced(handler)


def count(name: str, value: float = 1) -> None:
    """Count something, e.g. `"PushFailed"`, in this function's metrics."""
    with _counting:  # threads that meet could make a line longer than CloudWatch takes
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def _traced(handler: Handler) -> Handler:
    """Trace calls of AWS where the function has tracing; its package takes long to import."""
    if os.environ.get("BELLWIRE_TRACING", "off") != "on":
        return handler
    from aws_lambda_powertools import Tracer  # noqa: PLC0415 - as above

    traced: Handler = Tracer(service=SERVICE).capture_lambda_handler(
        handler, capture_response=False
    )
    return traced
