"""Readers of a log in a history, and what each of them must see."""

from dataclasses import dataclass
from typing import Protocol

from backend.histories.choices import Choices
from backend.histories.chronicle import Chronicle, Violation
from bellwire.ports import Run, UpdateLog
from bellwire.updates import ORIGIN, Position


class Scene(Protocol):
    """What a reader's check needs of the history around it."""

    channel: str
    choices: Choices
    chronicle: Chronicle

    def visible(self) -> int:
        """Count the updates that a strong read must see from now on."""
        ...

    def may_be_deleted_s(self) -> int:
        """Tell up to which expiry, in s since the Unix epoch, updates may be gone."""
        ...


@dataclass
class Follower:
    """A reader that goes on from where it is, as a polling client does."""

    position: Position = ORIGIN


def take_snapshot(scene: Scene, log: UpdateLog) -> Position:
    """Read the state: exact at its position, and not older than when the read began."""
    at_least = scene.visible()
    snapshot = log.snapshot(scene.channel)
    scene.chronicle.check_snapshot(snapshot, at_least)
    return snapshot.position


def look_at_tail(scene: Scene, log: UpdateLog) -> None:
    """Read the newest position: one that was, and not older than when the read began."""
    at_least = scene.visible()
    position = log.tail(scene.channel)
    if scene.chronicle.index_of(position) < at_least:
        raise Violation(f"STALE: the tail is read as {position}, not {scene.chronicle.last}")


def follow(scene: Scene, log: UpdateLog, follower: Follower) -> None:
    """Read on once, eventually or strongly; after a break take the state and what is kept."""
    asked, at_least = follower.position, scene.visible()
    count, is_strong = len(scene.chronicle.entries), scene.choices.chance(40)
    max_updates = scene.choices.among([100, 1, 2])
    max_bytes = scene.choices.among([100_000, 100])

    def read(*, is_strong: bool) -> Run | None:
        return log.read_after(
            scene.channel, asked, max_updates=max_updates, max_bytes=max_bytes, is_strong=is_strong
        )

    run = read(is_strong=is_strong)
    if run is None and not is_strong:
        is_strong = True
        run = read(is_strong=True)
    if run is None:
        if at_least == count:
            scene.chronicle.check_break(asked, count, scene.may_be_deleted_s())
        _renew(scene, log, follower)
        return
    scene.chronicle.check_run(asked, run)
    if is_strong and run.is_end and run.epoch != "0":
        _check_end(scene, Position(run.epoch, run.last), at_least)
    taken = run.updates[: len(run.updates) - scene.choices.pick(1 + len(run.updates))]
    if taken:
        follower.position = Position(run.epoch, taken[-1].seq)


def _check_end(scene: Scene, end: Position, at_least: int) -> None:
    if scene.chronicle.index_of(end) < at_least:
        raise Violation(f"STALE: {end} is read as the end, not {scene.chronicle.last}")


def _renew(scene: Scene, log: UpdateLog, follower: Follower) -> None:
    """Start over, from the state and every event that the reader cannot have had."""
    here = take_snapshot(scene, log)
    chronicle = scene.chronicle
    if chronicle.index_of(here) < chronicle.index_of(follower.position):
        raise Violation(f"BACKWARD: from {follower.position} to {here}")
    after = follower.position.seq if follower.position.epoch == here.epoch else 0
    events = log.kept_events(scene.channel, here, after=after, max_bytes=1 << 20)
    chronicle.check_events(events, here, after, scene.may_be_deleted_s())
    follower.position = here
