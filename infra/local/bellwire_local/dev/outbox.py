"""What rings the doorbell in one process: a loop over the channels that have something unpushed.

On AWS the log's DynamoDB stream rings it. Publishers push inline; this loop writes down how far
they came, and pushes what a crash, a full disk or a broker that was away has left.
"""

import asyncio
import logging
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
        try:
            self._fan_out.flush()
            self._log.note_appends(self._path)
            for channel in self._log.channels_to_push(idle_ms=idle_ms, behind_ms=BEHIND_MS):
                answer_doorbell(channel, log=self._log, broker=self._broker, stage=self._stage)
            self._is_failing = False
        except BellwireError as error:
            if not self._is_failing:
                logger.warning("the outbox waits, will try again: %s", error.message)
            self._is_failing = True
