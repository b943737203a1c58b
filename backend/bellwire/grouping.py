"""Join appends to one channel that wait together into one.

A log takes about one append of a channel per round trip. Publishers of this process that meet on a
channel share that round trip: while one append is under way, the next collects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Final

from bellwire.ports import Appends, Receipt
from bellwire.publications import encode_publication
from bellwire.updates import Draft
from bellwire.wire_json import size_bytes

MAX_GROUP: Final = 50  # what every log takes in one append
MAX_GROUP_BYTES: Final = 1_048_576


@dataclass(eq=False)
class _Waiting:
    """One caller: what it appends, and what became of it."""

    drafts: Sequence[Draft]
    size_bytes: int
    woken: Event = field(default_factory=Event)
    receipts: list[Receipt] | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.receipts is not None or self.error is not None


class GroupingAppends:
    """An `Appends` whose callers meet: the first of each group appends for all of it.

    A group is appended whole or not at all, so an error is every caller's of the group.
    """

    def __init__(self, log: Appends) -> None:
        self._log = log
        self._lock = Lock()
        self._queues: dict[str, list[_Waiting]] = {}

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """See `Appends.append`."""
        mine = _Waiting(drafts, sum(size_bytes(encode_publication("", d)) for d in drafts))
        with self._lock:
            queue = self._queues.setdefault(channel, [])
            queue.append(mine)
            is_first = len(queue) == 1
        if not is_first:
            mine.woken.wait()
        if not mine.is_done:
            self._lead(channel)
        if mine.error is not None:
            raise mine.error
        return mine.receipts or []

    def waiting(self, channel: str) -> int:
        """Count the callers whose append on a channel is under way or to come."""
        with self._lock:
            return len(self._queues.get(channel, ()))

    def _lead(self, channel: str) -> None:
        """Append for whoever waits, oldest first; then the first who still waits leads."""
        with self._lock:
            group = _first_group(self._queues[channel])
        try:
            receipts = self._log.append(channel, [d for one in group for d in one.drafts])
            for one in group:
                one.receipts, receipts = receipts[: len(one.drafts)], receipts[len(one.drafts) :]
        except BaseException as error:
            for one in group:
                one.error = error
        with self._lock:
            queue = self._queues[channel]
            del queue[: len(group)]
            group += queue[:1]
            if not queue:
                del self._queues[channel]
        for one in group:
            one.woken.set()


def _first_group(queue: Sequence[_Waiting]) -> list[_Waiting]:
    group, count, used = list[_Waiting](), 0, 0
    for one in queue:
        count += len(one.drafts)
        used += one.size_bytes
        if group and (count > MAX_GROUP or used > MAX_GROUP_BYTES):
            break
        group.append(one)
    return group
