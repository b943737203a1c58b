"""What the use cases need of the outside world: a log of updates and a broker.

What those around people need is in `identity_ports`.
tests/backend/test_update_log_contract.py is what every log passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bellwire.updates import Draft, Position, Update
from bellwire.wire_json import Json


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where one draft stands in the log, and whether it stood there before this call."""

    position: Position
    at_ms: int
    is_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive updates `after` + 1 … `last` of one epoch, none missing.

    `is_end` tells that the log held nothing further when it was read.
    """

    epoch: str
    after: int
    last: int
    updates: tuple[Update, ...]
    is_end: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keyed state of a channel, exact at `position`."""

    position: Position
    state: Mapping[str, Json]


class Appends(Protocol):
    """Numbers updates. Raises as `UpdateLog` does."""

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """Give drafts the next numbers, all of them or none.

        A draft whose id stands in the log (within the window in which ids are remembered) gets
        its first position again, marked as a duplicate, whatever its content.
        """
        ...


class Reads(Protocol):
    """Reads the log. Raises as `UpdateLog` does."""

    def tail(self, channel: str) -> Position:
        """Return the newest position; `ORIGIN` for a channel never written."""
        ...

    def read_after(
        self,
        channel: str,
        position: Position,
        *,
        max_updates: int,
        max_bytes: int,
        is_strong: bool = False,
    ) -> Run | None:
        """Read on from a position: an empty run if it is the tail.

        At least one update is read if there is any, then at most `max_updates` in about
        `max_bytes`. A position ahead of the log in its own epoch is answered with an empty run.

        Args:
            is_strong: see every acknowledged append. Otherwise the newest may still be missing,
                and None is only a suspicion.

        Returns:
            None if continuity from there cannot be promised: another epoch, or updates between
            that are no longer held.
        """
        ...

    def snapshot(self, channel: str) -> Snapshot:
        """Read the state of every key, strongly."""
        ...

    def kept_events(
        self,
        channel: str,
        through: Position,
        *,
        max_bytes: int,
        after: int = 0,
        newest: int | None = None,
    ) -> tuple[Update, ...]:
        """Read the events still held of `through`'s epoch with numbers `after` < s ≤ `through.seq`.

        Ascending, possibly with gaps. Read from the newest on, and only as many as `newest` (if it
        is given) and about `max_bytes` admit.
        """
        ...


class UpdateLog(Appends, Reads, Protocol):
    """The truth: every published update of every channel, in order, with its number.

    Every method raises `Upstream` if the store cannot be reached or cannot do it now; what was not
    acknowledged may then have happened or not, but never in part.
    """

    def settle_state(self, channel: str) -> None:
        """Bring the stored state up to the log, so that a snapshot folds little."""
        ...


@dataclass(frozen=True, slots=True)
class Pushed:
    """The updates `after` + 1 … `last` of an epoch have been handed to the broker.

    `after` is None where everything before `last` has been seen to.
    """

    channel: str
    epoch: str
    after: int | None
    last: int


class Outbox(Protocol):
    """What a log remembers of how far each channel has been pushed. Raises as `UpdateLog` does."""

    def unpushed(self, channel: str, *, max_updates: int, max_bytes: int) -> Run | None:
        """Read on, strongly, from how far the channel has been pushed; None if that is its tail.

        What has expired unpushed is passed over: its subscribers find the gap and poll.
        """
        ...

    def mark_pushed(self, pushed: Sequence[Pushed]) -> list[Pushed]:
        """Move channels' marks on, each only if it stands within what was pushed.

        So a mark never passes an update that nobody has pushed, nor goes back.

        Returns:
            Those that moved nothing: a gap is before them, or the mark is as far already.
        """
        ...


class Broker(Protocol):
    """Hands payloads to whoever subscribes to a topic now. A hint: it may drop, double, reorder."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one payload.

        Raises:
            Upstream: the broker did not take it.
        """
        ...
