"""Topic rules: actions that hear what is published, as a rule of AWS IoT invokes a Lambda function.

Of a rule's SQL this is `SELECT * FROM '<topic filter>'`. The action runs beside the broker, which
neither waits for it nor learns what became of it; one that fails is repeated twice.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/lambda-rule-action.html
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from bellwire_local.iot.messages import Message
from bellwire_local.iot.topics import find_filter_fault, matches

logger = logging.getLogger(__name__)

Action = Callable[[str, bytes], object]
"""What is called with topic and payload, in a thread; raising asks for another try."""

RETRY_DELAYS_S: Final = (60.0, 120.0)
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""

_RESERVED: Final = "$aws/"


@dataclass(frozen=True, slots=True)
class TopicRule:
    """What is heard, and what is done with it; `executor` None: in the loop's own threads."""

    topic_filter: str
    action: Action
    executor: Executor | None = None
    retry_delays_s: Sequence[float] = RETRY_DELAYS_S


class TopicRules:
    """The rules of one account; to be used inside the loop in which its broker lives."""

    def __init__(self) -> None:
        self._on_events: list[TopicRule] = []
        self._on_others: list[TopicRule] = []
        self._running: set[asyncio.Task[None]] = set()

    def add(self, rule: TopicRule) -> None:
        """Have a rule hear what is published from now on.

        Raises:
            ValueError: its filter is none.
        """
        fault = find_filter_fault(rule.topic_filter)
        if fault is not None:
            raise ValueError(f"the topic filter {rule.topic_filter!r} of a rule: {fault}")
        is_reserved = rule.topic_filter.startswith(_RESERVED)
        (self._on_events if is_reserved else self._on_others).append(rule)

    def __call__(self, message: Message) -> None:
        """Start the actions of the rules that hear this message."""
        topic = message.topic
        for rule in self._on_events if topic.startswith(_RESERVED) else self._on_others:
            if matches(rule.topic_filter, topic):
                task = asyncio.create_task(_invoke(rule, message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Hear nothing any more; what waits for another try is dropped."""
        self._on_events.clear()
        self._on_others.clear()
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _invoke(rule: TopicRule, message: Message) -> None:
    loop, topic = asyncio.get_running_loop(), message.topic
    for delay_s in (*rule.retry_delays_s, None):
        try:
            await loop.run_in_executor(rule.executor, rule.action, topic, message.payload)
        except Exception as error:
            if delay_s is None:
                logger.exception("the rule on %r gave up on %r", rule.topic_filter, topic)
                return
            again = "the rule on %r failed for %r, again in %s s: %r"
            logger.warning(again, rule.topic_filter, topic, delay_s, error)
            await asyncio.sleep(delay_s)
        else:
            return
