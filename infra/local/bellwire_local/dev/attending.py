"""Presence in one process: a rule hears lifecycle events, a loop heals what got lost.

On AWS a topic rule invokes one Lambda function, and a schedule another.
"""

import asyncio
import json
import logging
import time
from concurrent.futures import Executor
from typing import Final

from bellwire.errors import BellwireError
from bellwire.handlers.edge import Members
from bellwire.handlers.lifecycle import handle_lifecycle
from bellwire.presence import heal
from bellwire_local.dev.settings import STAGE
from bellwire_local.iot.rules import TopicRule

logger = logging.getLogger(__name__)

EVENTS: Final = "$aws/events/+/+/+"
HEAL_EVERY_S: Final = 5
"""A client is asked about when nothing was heard of it for a minute. Ours."""


def lifecycle_rule(members: Members, threads: Executor) -> TopicRule:
    """Make the rule that has lifecycle events handled, in threads: handlers call this process."""

    def hear(_topic: str, payload: bytes) -> None:
        handle_lifecycle(
            json.loads(payload),
            store=members.presence,
            directory=members.made_of.directory,
            connections=members.bouncer.connections,
            stage=STAGE,
            now_ms=_now_ms,
        )

    return TopicRule(EVENTS, hear, threads)


async def heal_forever(members: Members) -> None:
    """Ask the broker about clients that nothing was heard of for a while; drop old records."""
    while True:
        await asyncio.sleep(HEAL_EVERY_S)
        try:
            await asyncio.to_thread(_heal, members)
        except BellwireError as error:
            logger.warning("presence could not be healed, will try again: %s", error.message)
        except Exception:
            logger.exception("healing presence met what nobody foresaw")


def _heal(members: Members) -> None:
    heal(
        store=members.presence,
        connections=members.bouncer.connections,
        stage=STAGE,
        now_ms=_now_ms,
    )
    members.presence.drop_expired(_now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
