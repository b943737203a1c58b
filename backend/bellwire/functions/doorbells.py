"""Pushes what the log's stream tells of, and keeps the state up to it."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from bellwire.aws.doorbell_queue import SqsDoorbells
from bellwire.errors import Upstream
from bellwire.functions.clients import client
from bellwire.functions.deployment import deployment, now_ms
from bellwire.functions.last_resort import last_resort
from bellwire.functions.observing import count, observed
from bellwire.functions.settings import settings
from bellwire.handlers.doorbells import handle_doorbells
from bellwire.ports import Broker

CHANNELS_AT_ONCE: Final = 8
MARGIN_MS: Final = 15_000
"""What putting the rest of a batch aside may take."""


@observed
def handler(event: Any, context: Any) -> Any:
    """Answer a batch of doorbells; report those that could not even be put aside."""
    made = deployment()
    return handle_doorbells(
        event,
        log=made.appends,
        broker=_Counted(made.broker),
        stage=made.settings.stage,
        later=_later(),
        last_resort=last_resort(),
        side_by_side=_threads().map,
        has_time=lambda: context.get_remaining_time_in_millis() > MARGIN_MS,
    )


class _Counted:
    """Tells CloudWatch of what the broker takes and of what it does not."""

    def __init__(self, inner: Broker) -> None:
        self._inner = inner

    def publish(self, topic: str, payload: bytes) -> None:
        """See `Broker.publish`."""
        try:
            self._inner.publish(topic, payload)
        except Upstream:
            count("PushFailed")
            raise
        count("Pushed")


@cache
def _later() -> SqsDoorbells:
    return SqsDoorbells(client("sqs"), settings().doorbells_queue, now_ms)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="channel")
