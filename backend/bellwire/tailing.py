"""Follow channels from Python: the socket, when to poll, and what comes out of both in order.

The I/O around `following` and `followed`; the requests of a poll are `update_polls`'.
`bellwire tail` prints what this tells.
"""

import logging
import random
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from queue import Empty, Queue
from typing import Final

from bellwire.aws.presigning import presign_iot_url
from bellwire.bearer_calls import LoginChanged
from bellwire.channels import is_public, topic_of
from bellwire.errors import BellwireError, may_pass
from bellwire.followed import Followed
from bellwire.following import Schedule, after_answer, after_envelope, after_subscription
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.mqtt_socket import Closed, Message, MqttSocket, SocketEvent, Subscribed
from bellwire.opening import Joined
from bellwire.service_config import ServiceConfig, read_service_config
from bellwire.told import Told
from bellwire.update_polls import UpdatePolls

logger = logging.getLogger(__name__)

SUBSCRIBE_WITHIN_S: Final = 5.0
RECONNECT_BASE_S: Final = 0.5
RECONNECT_CAP_S: Final = 30.0
RENEW_AGAIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Lost:
    """Why a connection is gone, or was never had.

    Attributes:
        reason: in words.
        has_delivered: whether there ever was one.
        joined: the session that it did not open with, None if it was not for that.
    """

    reason: str
    has_delivered: bool = False
    joined: Joined | None = None


@dataclass(frozen=True, slots=True)
class Woken:
    """The login has changed, or nobody wants to be told any more."""


_Event = SocketEvent | Woken


class Follower:
    """Follows some channels as whoever a `Joining` is, by push and polls, or by polls alone."""

    def __init__(self, calls: HttpCalls, joining: Joining, followed: Followed) -> None:
        """Ask nothing yet.

        Args:
            calls: to the service.
            joining: who follows.
            followed: what.
        """
        self._calls = calls
        self._joining = joining
        self._followed = followed
        self._polls = UpdatePolls(calls, joining, followed)
        self._config = ServiceConfig("", "", "", "")
        self._login_number = joining.number
        self._renew_not_before = 0.0
        self._is_closed = False
        self._events: Queue[_Event] = Queue()

    def wake(self) -> None:
        """Notice at once that the login has changed. Any thread may call this.

        The login's number has to rise first: a queue that is just being replaced loses the event,
        but whoever replaces it looks at the number before it waits.
        """
        self._events.put(Woken())

    def close(self) -> None:
        """Tell nothing more; what is told ends. Any thread may call this."""
        self._is_closed = True  # first, as in wake
        self.wake()

    def follow(self, *, is_poll_only: bool) -> Iterator[Told]:
        """Tell every update, once and in order; raises as `Subscriber.follow` does."""
        self._config = read_service_config(self._calls)
        with closing(self._poll_forever() if is_poll_only else self._listen_forever()) as told:
            try:
                for one in told:
                    if self._is_closed:
                        return
                    if self._is_meant(one):
                        yield one
            except BellwireError:
                if not self._is_closed:
                    raise

    def _is_meant(self, told: Told) -> bool:
        """Whoever iterates, or another thread, may log out between one update and the next."""
        return told.update is None or is_public(told.channel) or self._is_current()

    def _is_current(self) -> bool:
        return self._login_number == self._joining.number

    def _may_go_on(self) -> bool:
        return self._is_current() and not self._is_closed

    def _poll_forever(self) -> Generator[Told, None, None]:
        while not self._is_closed:
            yield from self._begin_anew()
            has_more = yield from self._poll()
            if not has_more:
                self._sleep(self._polls.wait_s)

    def _listen_forever(self) -> Generator[Told, None, None]:
        failures = 0
        while not self._is_closed:
            yield from self._begin_anew()
            lost = yield from self._hold_connection()
            if not self._may_go_on():
                failures = 0
                continue
            failures = 1 if lost.has_delivered else failures + 1
            if lost.joined is not None and failures > (1 if self._joining.is_guest else 0):
                self._joining.suspect(lost.joined)
            yield from self._poll()  # what is refused for good is told alone
            logger.warning("%s", lost.reason)
            cap_s = min(RECONNECT_BASE_S * 2**failures, RECONNECT_CAP_S)
            self._sleep(random.uniform(0, cap_s))  # noqa: S311 - full jitter keeps no secret

    def _begin_anew(self) -> Iterator[Told]:
        """Forget what somebody else has seen of private channels."""
        if self._is_current():
            return
        self._login_number = self._joining.number
        yield from self._followed.forget_private()

    def _poll(self) -> Generator[Told, None, bool]:
        try:
            return (yield from self._polls.poll(self._config, self._login_number))
        except LoginChanged:
            return True

    def _sleep(self, seconds: float) -> None:
        """Wait, but for a change of the login no longer than it takes to come."""
        until = time.monotonic() + seconds
        while self._may_go_on() and _next_event(self._events, until) is not None:
            pass

    def _hold_connection(self) -> Generator[Told, None, _Lost]:
        """Connect, and tell what comes until the connection is lost or the login changes."""
        self._events = events = Queue[_Event]()  # what an old socket still brings is not heard
        try:
            joined = self._joining.session(self._config)
        except BellwireError as error:
            if self._may_go_on() and not may_pass(error):
                raise
            return _Lost(f"cannot connect, will try again: {error.message}")
        if joined.login_number != self._login_number:
            return _Lost("the login changed")
        socket = self._connect(joined, events)
        try:
            lost = yield from self._listen(events)
            return lost if lost.has_delivered else replace(lost, joined=joined)
        finally:
            socket.close()

    def _connect(self, joined: Joined, events: Queue[_Event]) -> MqttSocket:
        service = self._config
        url = presign_iot_url(service.iot_url, service.region, joined.credentials)
        suffix = f"{random.randrange(36**8):08x}"  # noqa: S311 - only has to differ
        channels = self._followed.resolve(joined.identity_id)
        topics = [topic_of(service.stage, channel) for channel in channels]
        return MqttSocket(url, f"{joined.identity_id}-{suffix}", topics, events.put)

    def _listen(self, events: Queue[_Event]) -> Generator[Told, None, _Lost]:
        """Tell what one connection brings until it is lost or the login changes."""
        schedule, was_subscribed = Schedule(time.monotonic() + SUBSCRIBE_WITHIN_S), False
        while self._may_go_on():  # before each wait: see wake
            self._renew_session()
            until = min(schedule.next_poll_at, time.monotonic() + self._renewal_in_s())
            event = _next_event(events, until)
            now, luck = time.monotonic(), random.random()  # noqa: S311 - jitter
            match event:
                case Closed(reason):
                    return _Lost(f"connection lost: {reason}", was_subscribed)
                case Subscribed():
                    schedule, was_subscribed = after_subscription(now), True
                case Message(payload):
                    heard = self._followed.receive_payload(payload)
                    yield from heard.told
                    schedule = after_envelope(
                        schedule,
                        now,
                        wants_catch_up=heard.wants_catch_up,
                        luck=luck,
                        is_epoch_new=heard.is_epoch_new,
                    )
                case None if now >= schedule.next_poll_at:
                    has_more = yield from self._poll()
                    wants = self._followed.wants_catch_up
                    schedule = after_answer(schedule, now, wants_catch_up=wants, luck=luck)
                    if has_more:
                        schedule = replace(schedule, next_poll_at=now)
        return _Lost("the login changed", was_subscribed)

    def _renewal_in_s(self) -> float:
        return max(self._joining.renew_in_s(), self._renew_not_before - time.monotonic())

    def _renew_session(self) -> None:
        """Renew the session if that is due: polls do it too, but a busy channel needs none."""
        if self._renewal_in_s() > 0:
            return
        try:
            self._joining.session(self._config)
        except BellwireError as error:
            if self._is_current() and not may_pass(error):
                raise
            logger.warning("the session is not renewed yet: %s", error.message)
        self._renew_not_before = time.monotonic() + RENEW_AGAIN_S


def _next_event(events: Queue[_Event], deadline: float) -> _Event | None:
    try:
        return events.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        return None
