"""Polls for updates: asks what `followed` wants to know, as whoever reads, and tells what comes."""

import logging
from collections.abc import Generator

from bellwire.answers import Answer, decode_answer
from bellwire.bearer_calls import BearerCalls
from bellwire.errors import Malformed, TooMany, Upstream
from bellwire.followed import Followed, Query
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.service_config import ServiceConfig
from bellwire.told import Told

logger = logging.getLogger(__name__)


class UpdatePolls:
    """Polls one service for what somebody follows.

    Attributes:
        wait_s: how long the service wants who only polls to wait.
    """

    def __init__(self, calls: HttpCalls, joining: Joining, followed: Followed) -> None:
        self._calls = calls
        self._bearer_calls = BearerCalls(calls, joining)
        self._followed = followed
        self.wait_s = 2.0

    def poll(self, config: ServiceConfig) -> Generator[Told, None, bool]:
        """Ask for every channel from where it stands; return whether there is more at once.

        What fails for now is asked again by the next poll.
        """
        has_more = False
        for query in self._followed.queries():
            try:
                answer = self._ask(query, config)
            except (Upstream, TooMany, Malformed) as error:
                logger.warning("poll failed, will ask again: %s", error.message)
                continue
            has_more = has_more or answer.has_more
            self.wait_s = answer.poll_after_ms / 1000
            yield from self._followed.receive_answer(query, answer)
        return has_more

    def _ask(self, query: Query, config: ServiceConfig) -> Answer:
        if query.is_public and config.has_guests:
            return decode_answer(self._calls.get("/v1/updates", query.words))
        return decode_answer(self._bearer_calls.get("/v1/updates", query.words, config))
