"""What rings the doorbell in one process: a loop over the channels that have something unpushed.

On AWS the log's DynamoDB stream rings it. Publishers push inline; this loop writes down how far
they came, and pushes what a crash, a full disk or a broker that was away has left.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from bellwire.errors import BellwireError
from bellwire.fanout import InlineFanOut, answer_doorbell
from bellwire.ports import Broker
from bellwire.sql.log import SqlLog

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
IDLE_MS: Final = 2_000  # a publisher that has just appended is pushing it itself
BEHIND_MS: Final = 10_000  # whatever it is doing, it is not pushing this any more


class OutboxLoop:
    """Turns for as long as the service runs; the first turn takes whatever is there."""

    def __init__(
        self, log: SqlLog, broker: Broker, fan_out: InlineFanOut, stage: str, path: Path
    ) -> None:
        self._path = path
        self._log = log
        self._broker = broker
        self._fan_out = fan_out
        self._stage = stage
        self._is_failing = False

    async def run(self) -> None:
        """Turn every second until cancelled."""
        await asyncio.to_thread(self.turn, idle_ms=0)
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.turn)

    def turn(self, *, idle_ms: int = IDLE_MS) -> None:
        """Write down what has been pushed, then push what has not; failures wait a turn."""
        failures = [self._try(self._fan_out.flush), self._try(self._note_appends)]
        for channel in self._channels(idle_ms):
            failures.append(self._try(partial(self._ring, channel)))
            failures.append(self._try(self._fan_out.flush))
        failure = next(filter(None, failures), None)
        if failure is not None and not self._is_failing:
            logger.warning("the outbox waits, will try again: %s", failure)
        self._is_failing = failure is not None

    def _channels(self, idle_ms: int) -> list[str]:
        found: list[str] = []
        self._try(
            lambda: found.extend(self._log.channels_to_push(idle_ms=idle_ms, behind_ms=BEHIND_MS))
        )
        return found

    def _ring(self, channel: str) -> None:
        answer_doorbell(channel, log=self._log, broker=self._broker, stage=self._stage)

    def _note_appends(self) -> None:
        self._log.note_appends(self._path)

    def _try(self, step: Callable[[], None]) -> str | None:
        """Do one step, whose failure must not keep the others from being done."""
        try:
            step()
        except BellwireError as error:
            return error.message
        except Exception as error:
            logger.exception("the outbox met what nobody foresaw")
            return repr(error)
        return None
