"""What the items after a position mean: a run, quiet, or a break. Pure."""

from collections.abc import Iterable

from bellwire.aws.log_items import Block, Fence, Head, slot
from bellwire.epochs import FIRST_GENERATION, generation_of
from bellwire.ports import Run
from bellwire.updates import ORIGIN, Position, Update

LogItem = Block | Fence | Head


def read_run(
    items: Iterable[LogItem], position: Position, *, max_updates: int, max_bytes: int
) -> Run | None:
    """Join the items that follow a position, in ascending order, into one run.

    Cut at the first missing number and at the limits; at least one block is taken if one fits.

    Returns:
        None if what follows does not continue the position.
    """
    here, run, used = _first_expected(position), list[Update](), 0
    epoch = position.epoch
    for item in items:
        if not isinstance(item, Block):
            return _ended(item, position, epoch, run)
        if not _continues(item, here, epoch):
            break
        size = sum(_size_bytes(update) for update in item.updates)
        if run and (used + size > max_bytes or len(run) + len(item.updates) > max_updates):
            return Run(epoch, position.seq, run[-1].seq, tuple(run), is_end=False)
        epoch = item.epoch
        run += [update for update in item.updates if update.seq > position.seq]
        used += size
        here = (item.generation, item.last + 1)
    else:
        if position == ORIGIN and not run:
            return Run(ORIGIN.epoch, 0, 0, (), is_end=True)
    if not run:
        return None
    return Run(epoch, position.seq, run[-1].seq, tuple(run), is_end=False)


def _first_expected(position: Position) -> tuple[int, int]:
    if position == ORIGIN:
        return FIRST_GENERATION, 1
    return generation_of(position.epoch) or 0, position.seq + 1


def _continues(block: Block, expected: tuple[int, int], epoch: str) -> bool:
    generation, seq = expected
    is_same_life = block.generation == generation and epoch in (block.epoch, ORIGIN.epoch)
    return is_same_life and block.first <= seq <= block.last


def _ended(item: Fence | Head, position: Position, epoch: str, run: list[Update]) -> Run | None:
    """Nothing follows in this generation: the end of the log, or of an epoch."""
    last = run[-1].seq if run else position.seq
    is_end = (
        isinstance(item, Head)
        and item.epoch == epoch
        # else the state knows of later updates that are not in the log any more
        and item.folded_n <= slot(item.generation, last)
    )
    return Run(epoch, position.seq, last, tuple(run), is_end=is_end) if run or is_end else None


def _size_bytes(update: Update) -> int:
    # An estimate without encoding again: the data's Python text is about as long as its JSON.
    return 64 + len(repr(update.data))
