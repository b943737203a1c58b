"""What heals presence in one process: a loop that asks the broker about whoever fell silent.

On AWS a schedule does it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bellwire.errors import BellwireError
from bellwire.identity_ports import Connections, PresenceStore
from bellwire.presence import HEAL_LIMIT, heal

logger = logging.getLogger(__name__)

EVERY_S: Final = 5.0


class PresenceLoop:
    """Turns for as long as the service runs.

    Args:
        store: who is known to be connected.
        connections: who is.
        stage: the stage, with which topics begin.
        now_ms: the wall clock, in ms since the Unix epoch.
    """

    def __init__(
        self, store: PresenceStore, connections: Connections, stage: str, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._connections = connections
        self._stage = stage
        self._now_ms = now_ms
        self._is_failing = False

    async def run(self) -> None:
        """Turn every five seconds until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.turn)

    def turn(self) -> None:
        """Ask about whoever has been silent for a minute, forget whoever has gone for an hour."""
        try:
            while self._heal() == HEAL_LIMIT:
                continue
            self._store.drop_expired(self._now_ms())
        except BellwireError as error:
            if not self._is_failing:
                logger.warning("presence waits to be healed, will try again: %s", error.message)
            self._is_failing = True
        except Exception:
            logger.exception("healing presence met what nobody foresaw")
        else:
            self._is_failing = False

    def _heal(self) -> int:
        healed = heal(
            store=self._store,
            connections=self._connections,
            stage=self._stage,
            now_ms=self._now_ms,
        )
        if healed.corrected:
            logger.info("presence: %d of %d were not as told", healed.corrected, healed.asked)
        return healed.asked
