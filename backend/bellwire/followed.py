"""What one reader knows of each channel it follows: what to ask, and what that brings, in order.

Values in, values out: sockets and requests are `tailing`'s and `update_polls`'.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bellwire.answers import Answer, ChannelAnswer
from bellwire.channels import is_public, resolve_me
from bellwire.cursors import Cursor, encode_cursor
from bellwire.errors import Malformed
from bellwire.payloads import decode_payload
from bellwire.receiving import (
    Received,
    Receiver,
    holds_another_epoch,
    receive_answer,
    receive_envelope,
    wants_catch_up,
)
from bellwire.told import Told
from bellwire.updates import Envelope, Position

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Query:
    """A request for updates.

    Attributes:
        words: of `GET /v1/updates`, e.g. `{"cursor": "…"}`.
        asked: where each channel stood.
        is_public: whether public channels alone are asked for; they are never asked for with others
            since their answers are for different caches.
    """

    words: Mapping[str, str]
    asked: Mapping[str, Position | None]
    is_public: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What a payload brought, and whether a poll has to bring more; see `after_envelope`."""

    told: tuple[Told, ...] = ()
    wants_catch_up: bool = True
    is_epoch_new: bool = False


class Followed:
    """Some channels, each with where it stands."""

    def __init__(
        self, positions: Mapping[str, Position | None], *, rewind: int = 0, tells_state: bool = True
    ) -> None:
        """Begin.

        Args:
            positions: by channel; None begins at the channel's tail.
            rewind: how many of the newest events to begin with where there is no position.
            tells_state: whether the state is told where there is no position; else its changes
                alone are.
        """
        self._rewind = rewind
        self._tells_state = tells_state
        self._receivers = {c: Receiver(c, position) for c, position in positions.items()}
        self._names = {name: [name] for name in positions}

    @property
    def wants_catch_up(self) -> bool:
        """Whether something is missing that only a poll can bring."""
        return any(wants_catch_up(receiver) for receiver in self._receivers.values())

    def resolve(self, identity_id: str) -> list[str]:
        """Return what the channels are called for one identity, which `me` is from now on."""
        self._names = {}
        for name in self._receivers:
            self._names.setdefault(resolve_me(name, identity_id), []).append(name)
        return list(self._names)

    def forget_private(self) -> list[Told]:
        """Begin private channels anew: what is known of them is somebody else's."""
        private = [r for name, r in self._receivers.items() if not is_public(name)]
        self._receivers |= {r.channel: Receiver(r.channel) for r in private}
        return [Told(r.channel, "", None) for r in private if r.position is not None]

    def queries(self) -> list[Query]:
        """Return what asks for all that came since, public channels first."""
        public = [name for name in self._receivers if is_public(name)]
        private = [name for name in self._receivers if not is_public(name)]
        return [query for names in (public, private) for query in self._queries(names)]

    def receive_answer(self, query: Query, answer: Answer) -> list[Told]:
        """Return what the answer to a query brings."""
        return [
            told
            for channel, part in answer.channels.items()
            for told in self._apply(channel, part, query.asked.get(channel))
        ]

    def receive_payload(self, payload: bytes) -> Heard:
        """Return what a payload brings; the numbers of one that cannot be read come by a poll."""
        try:
            envelope = decode_payload(payload)
        except Malformed as error:
            logger.warning("dropped a payload that is no envelope: %s", error)
            return Heard()
        heard = [self._receive(name, envelope) for name in self._names.get(envelope.channel, ())]
        return Heard(
            tuple(told for one in heard for told in one.told),
            any(one.wants_catch_up for one in heard) or not heard,
            any(one.is_epoch_new for one in heard),
        )

    def _receive(self, name: str, envelope: Envelope) -> Heard:
        received = receive_envelope(self._receivers[name], replace(envelope, channel=name))
        self._receivers[name] = received.receiver
        is_epoch_new = holds_another_epoch(received.receiver)
        return Heard(tuple(_told(received)), received.wants_catch_up, is_epoch_new)

    def _queries(self, names: Sequence[str]) -> list[Query]:
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
        asks: list[dict[str, str]] = []
        if new:
            asks.append({"channels": ",".join(new), "rewind": str(self._rewind)})
        if positions:
            asks.append({"cursor": encode_cursor(Cursor(positions, pages))})
        asked = {channel: receiver.position for channel, receiver in receivers.items()}
        return [Query(words, asked, is_public(names[0])) for words in asks]

    def _apply(self, channel: str, part: ChannelAnswer, asked: Position | None) -> Iterable[Told]:
        receiver = self._receivers.get(channel)
        if receiver is None:
            return ()
        received = receive_answer(receiver, part, asked)
        self._receivers[channel] = received.receiver
        # The state before a first answer is no news; whatever was held for it is.
        is_left_out = receiver.position is None and not self._tells_state
        return _told(received, state_after=part.last if is_left_out else -1)


def _told(received: Received, *, state_after: int = -1) -> Iterable[Told]:
    here = received.receiver.position
    epoch, channel = here.epoch if here else "", received.receiver.channel
    if received.is_reset:
        yield Told(channel, epoch, None)
    for update in received.updates:
        if update.op == "event" or update.seq > state_after:
            yield Told(channel, epoch, update)
