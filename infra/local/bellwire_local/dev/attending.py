"""Presence in one process: the topic rule that hears lifecycle events, as one does on AWS."""

import json
import time
from concurrent.futures import Executor
from typing import Final

from bellwire.handlers.edge import Members
from bellwire.handlers.lifecycle import handle_lifecycle
from bellwire_local.dev.settings import STAGE
from bellwire_local.iot.rules import TopicRule

EVENTS: Final = "$aws/events/+/+/+"


def lifecycle_rule(members: Members, threads: Executor) -> TopicRule:
    """Make the rule that has lifecycle events handled, in threads: handlers call this process."""

    def hear(_topic: str, payload: bytes) -> None:
        handle_lifecycle(
            json.loads(payload),
            store=members.presence,
            directory=members.directory,
            connections=members.bouncer.connections,
            stage=STAGE,
            now_ms=now_ms,
        )

    return TopicRule(EVENTS, hear, threads)


def now_ms() -> int:
    """Tell the time, in ms since 1970."""
    return time.time_ns() // 1_000_000
