"""Play schedules, in memory or in moto, and explain a violation by its shortest schedule."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from backend.histories.choices import Choices, shorten
from backend.histories.chronicle import Violation
from backend.histories.dynamodb_history import DynamoDbHistory, Mood
from backend.histories.moto_shelf import MotoShelf
from backend.histories.shelves import MemoryShelf
from bellwire.aws import log_items

Say = Callable[[str], None]
Play = Callable[[bytes, Say], object]

BLOCK_BYTES = 150  # so that a few small updates already make two blocks


def nobody(_line: str) -> None:
    """Say nothing."""


@contextmanager
def small_blocks() -> Iterator[None]:
    """Let few updates fill a block while histories are played."""
    with patch.object(log_items, "MAX_BLOCK_BYTES", BLOCK_BYTES):
        yield


def play_in_memory(schedule: bytes, say: Say = nobody, mood: Mood | None = None) -> DynamoDbHistory:
    """Play one schedule on the memory store."""
    choices = Choices(schedule)
    shelf = MemoryShelf(page_items=choices.among([1000, 1, 2, 3]))
    history = DynamoDbHistory(choices, shelf, mood, say)
    history.play()
    return history


def play_in_moto(schedule: bytes, shelf: MotoShelf, say: Say = nobody) -> DynamoDbHistory:
    """Play one schedule on moto; use it inside `mock_aws`."""
    shelf.clear()
    history = DynamoDbHistory(Choices(schedule), shelf, None, say)
    history.play()
    return history


def schedule_of(seed: int, size: int) -> bytes:
    """Make a random schedule."""
    return random.Random(seed).randbytes(size)


def explain(play: Play, schedule: bytes) -> str:
    """Tell a violation by its shortest schedule: `play(bytes.fromhex("…"), print)` replays it."""

    def kind_of(candidate: bytes) -> str:
        try:
            play(candidate, nobody)
        except Violation as violation:
            return violation.kind
        return ""

    kind = kind_of(schedule)
    shortest = shorten(schedule, lambda candidate: kind_of(candidate) == kind)
    lines: list[str] = []
    try:
        play(shortest, lines.append)
    except Violation as violation:
        lines.append(str(violation))
    return "\n".join([f'bytes.fromhex("{shortest.hex()}")', *lines])
