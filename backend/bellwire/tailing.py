"""Follow channels from Python: the socket, the polls, and what comes out of them in order.

The I/O around `receiving` and `following`; `bellwire tail` prints what this tells.
"""

import logging
import random
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import Empty, Queue
from typing import Final

from bellwire.answers import Answer, ChannelAnswer, decode_answer
from bellwire.aws.presigning import presign_iot_url
from bellwire.channels import is_public, resolve_me, topic_of
from bellwire.cursors import Cursor, encode_cursor
from bellwire.errors import Malformed, TooMany, Unauthenticated, Upstream
from bellwire.following import Schedule, after_answer, after_envelope, after_subscription
from bellwire.http_calls import HttpCalls
from bellwire.joining import Joining
from bellwire.login_tokens import bearer_headers
from bellwire.mqtt_socket import Closed, Message, MqttSocket, SocketEvent, Subscribed
from bellwire.payloads import decode_payload
from bellwire.receiving import (
    Received,
    Receiver,
    holds_another_epoch,
    receive_answer,
    receive_envelope,
    wants_catch_up,
)
from bellwire.service_config import ServiceConfig, read_service_config
from bellwire.told import Told
from bellwire.updates import Position

logger = logging.getLogger(__name__)

SUBSCRIBE_WITHIN_S: Final = 5.0
RECONNECT_BASE_S: Final = 0.5
RECONNECT_CAP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Lost:
    """Why a connection is gone, or was never had, and whether it ever delivered."""

    reason: str
    has_delivered: bool = False


@dataclass(frozen=True, slots=True)
class LoginChanged:
    """Whoever follows has become somebody else."""


_Event = SocketEvent | LoginChanged


class Follower:
    """Follows some channels as whoever a `Joining` is, by push and polls, or by polls alone."""

    def __init__(
        self,
        calls: HttpCalls,
        joining: Joining,
        positions: Mapping[str, Position | None],
        *,
        rewind: int = 0,
        tells_state: bool = True,
    ) -> None:
        """Ask nothing yet.

        Args:
            calls: to the service.
            joining: who follows.
            positions: by channel; None begins at the channel's tail.
            rewind: how many of the newest events to begin with where there is no position.
            tells_state: whether the state is told where there is no position; else its changes
                alone are.
        """
        self._calls = calls
        self._joining = joining
        self._rewind = rewind
        self._tells_state = tells_state
        self._receivers = {c: Receiver(c, position) for c, position in positions.items()}
        self._names = {name: name for name in positions}
        self._config = ServiceConfig("", "", "", "")
        self._poll_after_s = 2.0
        self._login_number = joining.number
        self._events: Queue[_Event] = Queue()

    def wake(self) -> None:
        """Notice at once that the login has changed. Any thread may call this."""
        self._events.put(LoginChanged())

    def poll_forever(self) -> Iterator[Told]:
        """Tell every update, once and in order, by polls alone; raises as `follow` does."""
        self._config = read_service_config(self._calls)
        while True:
            yield from self._begin_anew()
            has_more = yield from self._poll()
            if not has_more:
                self._sleep(self._poll_after_s)

    def listen_forever(self) -> Iterator[Told]:
        """Tell every update, once and in order, over a socket; raises as `follow` does."""
        self._config = read_service_config(self._calls)
        failures = 0
        while True:
            yield from self._begin_anew()
            lost = yield from self._hold_connection()
            if self._has_login_changed():
                failures = 0
                continue
            failures = 1 if lost.has_delivered else failures + 1
            if failures > (1 if self._joining.is_guest else 0) and not lost.has_delivered:
                self._joining.forget()  # it may be that this session was refused
            yield from self._poll()  # what is refused for good is told alone
            logger.warning("%s", lost.reason)
            cap_s = min(RECONNECT_BASE_S * 2**failures, RECONNECT_CAP_S)
            self._sleep(random.uniform(0, cap_s))  # noqa: S311 - full jitter keeps no secret

    def _has_login_changed(self) -> bool:
        return self._login_number != self._joining.number

    def _begin_anew(self) -> Iterator[Told]:
        """Forget what somebody else has seen of private channels."""
        if not self._has_login_changed():
            return
        self._login_number = self._joining.number
        for name, receiver in self._receivers.items():
            if not is_public(name):
                self._receivers[name] = Receiver(name, None)
                if receiver.position is not None:
                    yield Told(name, "", None)

    def _sleep(self, seconds: float) -> None:
        """Wait, but for a change of the login no longer than it takes to come."""
        until = time.monotonic() + seconds
        while (event := _next_event(self._events, until)) is not None:
            if isinstance(event, LoginChanged):
                return

    def _hold_connection(self) -> Generator[Told, None, _Lost]:
        """Connect, and tell what comes until the connection is lost or the login changes."""
        self._events = events = Queue[_Event]()  # what an old socket still brings is not heard
        try:
            socket = self._connect(events)
        except (Upstream, TooMany) as error:
            return _Lost(f"cannot connect, will try again: {error.message}")
        try:
            return (yield from self._listen(events))
        finally:
            socket.close()

    def _connect(self, events: Queue[_Event]) -> MqttSocket:
        service, joined = self._config, self._joining.session(self._config)
        url = presign_iot_url(service.iot_url, service.region, joined.credentials)
        suffix = f"{random.randrange(36**8):08x}"  # noqa: S311 - only has to differ
        self._names = {resolve_me(name, joined.identity_id): name for name in self._receivers}
        topics = [topic_of(service.stage, channel) for channel in self._names]
        return MqttSocket(url, f"{joined.identity_id}-{suffix}", topics, events.put)

    def _listen(self, events: Queue[_Event]) -> Generator[Told, None, _Lost]:
        """Tell what one connection brings until it is lost or the login changes."""
        schedule, was_subscribed = Schedule(time.monotonic() + SUBSCRIBE_WITHIN_S), False
        while not self._has_login_changed():
            event = _next_event(events, schedule.next_poll_at)
            now, luck = time.monotonic(), random.random()  # noqa: S311 - jitter
            match event:
                case Closed(reason):
                    return _Lost(f"connection lost: {reason}", was_subscribed)
                case Subscribed():
                    schedule, was_subscribed = after_subscription(now), True
                case Message(payload):
                    received = self._take(payload)
                    yield from _told([] if received is None else [received])
                    wants = received is None or received.wants_catch_up
                    schedule = after_envelope(
                        schedule,
                        now,
                        wants_catch_up=wants,
                        luck=luck,
                        is_epoch_new=received is not None
                        and holds_another_epoch(received.receiver),
                    )
                case None:
                    has_more = yield from self._poll()
                    wants = any(wants_catch_up(r) for r in self._receivers.values())
                    schedule = after_answer(schedule, now, wants_catch_up=wants, luck=luck)
                    if has_more:
                        schedule = replace(schedule, next_poll_at=now)
        return _Lost("the login changed", was_subscribed)

    def _take(self, payload: bytes) -> Received | None:
        """Apply a payload; None if it cannot be read, so that its numbers come by a poll."""
        try:
            envelope = decode_payload(payload)
        except Malformed as error:
            logger.warning("dropped a payload that is no envelope: %s", error)
            return None
        name = self._names.get(envelope.channel, "")
        receiver = self._receivers.get(name)
        if receiver is None:
            return None
        received = receive_envelope(receiver, replace(envelope, channel=name))
        self._receivers[name] = received.receiver
        return received

    def _poll(self) -> Generator[Told, None, bool]:
        """Ask for every channel from where it stands; return whether there is more at once.

        What fails for now is asked again later.
        """
        has_more = False
        for names in self._audiences():
            has_more = (yield from self._poll_some(names)) or has_more
        return has_more

    def _audiences(self) -> list[list[str]]:
        """Part public channels from private ones: their answers are for different caches."""
        public = [name for name in self._receivers if is_public(name)]
        private = [name for name in self._receivers if not is_public(name)]
        return [names for names in (public, private) if names]

    def _ask(self, query: Mapping[str, str], names: Sequence[str]) -> Answer:
        if is_public(names[0]) and self._config.has_guests:
            return decode_answer(self._calls.get("/v1/updates", query, {}))
        try:
            return self._ask_as_oneself(query)
        except Unauthenticated:
            if self._joining.is_guest:
                raise
            self._joining.forget()  # it has ended, and a new one may be had
            return self._ask_as_oneself(query)

    def _ask_as_oneself(self, query: Mapping[str, str]) -> Answer:
        token = self._joining.session(self._config).token
        return decode_answer(self._calls.get("/v1/updates", query, bearer_headers(token)))

    def _poll_some(self, names: Sequence[str]) -> Generator[Told, None, bool]:
        has_more = False
        for query, asked in self._queries(names):
            try:
                answer = self._ask(query, names)
            except (Upstream, TooMany, Malformed) as error:
                logger.warning("poll failed, will ask again: %s", error.message)
                continue
            has_more = has_more or answer.has_more
            self._poll_after_s = answer.poll_after_ms / 1000
            for channel, part in answer.channels.items():
                yield from self._apply(channel, part, asked.get(channel))
        return has_more

    def _queries(
        self, names: Sequence[str]
    ) -> list[tuple[dict[str, str], Mapping[str, Position | None]]]:
        """Ask from where each channel stands, or on from the page it has come to."""
        new, positions, pages = list[str](), dict[str, Position](), dict[str, str]()
        receivers = {name: self._receivers[name] for name in names}
        for channel, receiver in receivers.items():
            if receiver.paged is not None and receiver.paged.next_key is not None:
                positions[channel] = Position(receiver.paged.epoch, receiver.paged.last)
                pages[channel] = receiver.paged.next_key
            elif receiver.position is not None:
                positions[channel] = receiver.position
            else:
                new.append(channel)
        asked = {channel: receiver.position for channel, receiver in receivers.items()}
        queries: list[tuple[dict[str, str], Mapping[str, Position | None]]] = []
        if new:
            queries.append(({"channels": ",".join(new), "rewind": str(self._rewind)}, asked))
        if positions:
            queries.append(({"cursor": encode_cursor(Cursor(positions, pages))}, asked))
        return queries

    def _apply(self, channel: str, part: ChannelAnswer, asked: Position | None) -> Iterator[Told]:
        receiver = self._receivers.get(channel)
        if receiver is None:
            return
        received = receive_answer(receiver, part, asked)
        self._receivers[channel] = received.receiver
        # The state before a first answer is no news; whatever was held for it is.
        is_left_out = receiver.position is None and not self._tells_state
        yield from _told([received], state_after=part.last if is_left_out else -1)


def _next_event(events: Queue[_Event], deadline: float) -> _Event | None:
    try:
        return events.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        return None


def _told(received: list[Received], *, state_after: int = -1) -> Iterator[Told]:
    for one in received:
        epoch = one.receiver.position.epoch if one.receiver.position else ""
        channel = one.receiver.channel
        if one.is_reset:
            yield Told(channel, epoch, None)
        for update in one.updates:
            if update.op == "event" or update.seq > state_after:
                yield Told(channel, epoch, update)
