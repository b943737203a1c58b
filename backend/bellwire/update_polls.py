"""Polls for updates: asks what `followed` wants to know, as whoever reads, and tells what comes."""

import logging
from collections.abc import Generator

from bellwire.answers import Answer, decode_answer
from bellwire.bearer_calls import BearerCalls, LoginChanged
from bellwire.errors import BellwireError, Malformed, may_pass
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
        self._joining = joining
        self._bearer_calls = BearerCalls(calls, joining)
        self._followed = followed
        self.wait_s = 2.0

    def poll(self, config: ServiceConfig, login_number: int) -> Generator[Told, None, bool]:
        """Ask for every channel from where it stands; return whether there is more at once.

        What fails for now is asked again by the next poll.

        Args:
            config: of the service.
            login_number: of whoever follows; nothing of theirs is sent or told as another's.

        Raises:
            LoginChanged: somebody else does meanwhile; errors of the one before do not matter.
            BellwireError: refused for good.
        """
        has_more = False
        for query in self._followed.queries():
            answer = self._answer_to(query, config, login_number)
            if answer is None:
                continue
            has_more = has_more or answer.has_more
            self.wait_s = answer.poll_after_ms / 1000
            yield from self._followed.receive_answer(query, answer)
        return has_more

    def _answer_to(self, query: Query, config: ServiceConfig, login_number: int) -> Answer | None:
        try:
            body = self._ask(query, config, login_number)
        except BellwireError as error:
            if login_number != self._joining.number:
                raise LoginChanged from error
            if not may_pass(error):
                raise
            logger.warning("poll failed, will ask again: %s", error.message)
            return None
        if not query.is_public and login_number != self._joining.number:
            raise LoginChanged
        try:
            return decode_answer(body)
        except Malformed as error:
            logger.warning("poll failed, will ask again: %s", error.message)
            return None

    def _ask(self, query: Query, config: ServiceConfig, login_number: int) -> bytes:
        if query.is_public and config.has_guests:
            return self._calls.get("/v1/updates", query.words)
        return self._bearer_calls.get("/v1/updates", query.words, config, login_number=login_number)
