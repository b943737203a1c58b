"""What an append to the log in DynamoDB is about to write, and what it came to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bellwire.aws.log_items import Block, Fence, Head, into_blocks, renumber
from bellwire.epochs import new_epoch
from bellwire.ports import Receipt
from bellwire.updates import Draft, Position, Update, wire_id

MAX_WARM_S: Final = 900
CLOCK_MARGIN_S: Final = 240  # two writers' clocks may each be two minutes off
FENCE_S: Final = 86_400  # longer than any warm tail, so that no stale writer passes it


@dataclass(frozen=True, slots=True)
class Moment:
    """Now by two clocks: the wall's may be set, the monotonic one stops with the machine."""

    wall_ms: int
    monotonic_s: float

    @property
    def wall_s(self) -> int:
        """The wall clock in whole seconds, as DynamoDB's TTL counts."""
        return self.wall_ms // 1000


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the next update goes, after `seq` of a generation, and since when that is known.

    `is_opening` tells that the same write opens the generation, and `fence` ends the one before.
    """

    generation: int
    epoch: str
    seq: int
    expires_at_s: int
    known_at: Moment
    is_opening: bool = False
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """One attempt at one slot: all of it, or nothing."""

    tail: Tail
    blocks: tuple[Block, ...]
    ids: tuple[tuple[str, int], ...]
    """Each id to remember, and the seq it gets."""


@dataclass(frozen=True, slots=True)
class Landed:
    """The write is in the log, its first update at `first`."""

    first: Position
    at_ms: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The write did nothing: what stands in its slot, whether the head moved, which ids stand."""

    occupant: Block | Fence | None = None
    has_head_moved: bool = False
    known: Mapping[str, Receipt] = field(default_factory=dict)


def is_warm(tail: Tail, now: Moment, retention_s: int) -> bool:
    """Tell whether a remembered tail may be used without reading: it is young by both clocks."""
    limit_s = min(retention_s / 2, MAX_WARM_S)
    wall_age_s = (now.wall_ms - tail.known_at.wall_ms) / 1000
    monotonic_age_s = now.monotonic_s - tail.known_at.monotonic_s
    return 0 <= wall_age_s < limit_s and 0 <= monotonic_age_s < limit_s


def find_tail(
    channel: str, head: Head | None, newest: Block | Fence | None, now: Moment, noise: bytes
) -> Tail | None:
    """Tell where to go on after a strong read of the head and *then* the newest item.

    Returns:
        The tail, or an opening of the next generation if the newest update may expire before the
        next one is there; None if the generation changed between the two reads.
    """
    generation = head.generation if head is not None else 0
    if newest is not None and newest.generation > generation:
        return None
    last = newest if isinstance(newest, Block) and newest.generation == generation else None
    if last is not None and now.wall_s < last.expires_at_s - CLOCK_MARGIN_S:
        return Tail(generation, last.epoch, last.last, last.expires_at_s, now)
    fence = None
    if generation > 0:
        # Fenced even if no update of it is seen: the transaction that opened it may be half visible
        # to this read, and its writer about to go on.
        ended_at = last.last if last is not None else 0
        fence = Fence(channel, generation, ended_at + 1, now.wall_s + FENCE_S)
    epoch = new_epoch(generation + 1, noise)
    return Tail(generation + 1, epoch, 0, 0, now, is_opening=True, fence=fence)


def plan_write(
    channel: str, drafts: Sequence[Draft], tail: Tail, now: Moment, retention_s: int, token: str
) -> Write:
    """Lay drafts into the slots after a tail."""
    updates = [Update(1, d.op, d.key, d.data, wire_id(d.id)) for d in drafts]
    # Never earlier than the update before it, whatever this writer's clock says.
    expires_at_s = max(tail.expires_at_s, now.wall_s + retention_s)
    blocks = tuple(
        Block(channel, tail.generation, tail.epoch, token, expires_at_s, group)
        for group in into_blocks(renumber(updates, tail.seq, now.wall_ms))
    )
    ids = tuple((d.id, s) for s, d in enumerate(drafts, tail.seq + 1) if d.id is not None)
    return Write(tail, blocks, ids)


def tail_after(block: Block, now: Moment) -> Tail:
    """Go on from a block that is in the log."""
    return Tail(block.generation, block.epoch, block.last, block.expires_at_s, now)


def without_known(drafts: Sequence[Draft], known: Mapping[str, Receipt]) -> list[Draft]:
    """Leave out drafts whose id stands in the log already, or twice in this call."""
    fresh: list[Draft] = []
    seen = set(known)
    for draft in drafts:
        if draft.id is None or draft.id not in seen:
            fresh.append(draft)
        if draft.id is not None:
            seen.add(draft.id)
    return fresh


def receipts_of(
    drafts: Sequence[Draft], known: Mapping[str, Receipt], landed: Landed | None
) -> list[Receipt]:
    """Tell each draft's place: a known id's first one, or the next of those that landed."""
    places = dict(known)
    receipts: list[Receipt] = []
    used = 0
    for draft in drafts:
        place = places.get(draft.id) if draft.id is not None else None
        if place is None and landed is not None:
            place = Receipt(Position(landed.first.epoch, landed.first.seq + used), landed.at_ms)
            used += 1
            if draft.id is not None:
                places[draft.id] = Receipt(place.position, place.at_ms, is_duplicate=True)
        if place is not None:
            receipts.append(place)
    return receipts
