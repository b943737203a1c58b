"""Actors that run one at a time and hand over at every call to the store.

An actor is a greenlet around ordinary synchronous code, so that a schedule replays exactly and a
handover costs under a microsecond. Whoever directs decides the fate of each call: it may be lost,
done without an answer, done late, or its caller may die before or after it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped] # it ships no types

WRITES = {"put_item", "update_item", "delete_item", "transact_write_items"}
CALLS = WRITES | {"get_item", "query"}


class Fate(Enum):
    """What becomes of one call to the store."""

    DONE = auto()
    DONE_UNANSWERED = auto()
    LOST = auto()
    LATE = auto()
    DIES_BEFORE = auto()
    DIES_AFTER = auto()


class Died(BaseException):
    """The process of an actor ended here; nothing of ours catches it."""


@dataclass
class Actor:
    """One piece of work in progress."""

    name: str
    work: Callable[[], None]
    started_ms: int
    next_call: str = "begin"
    is_over: bool = False
    has_met_faults: bool = False
    conflicts: int = 0
    calls: int = 0
    _run: Any = field(default=None, repr=False)

    @property
    def may_fail(self) -> bool:
        """Tell whether its calls went so badly, or were so many, that it may give up."""
        return self.has_met_faults or self.conflicts >= 9 or self.calls >= 40

    def step(self, fate: Fate) -> None:
        """Let it run to its next call; the call it stands before meets its fate."""
        if self._run is None:
            self._run = greenlet(self._perform)
        self._run.switch(fate)

    def _perform(self, _fate: Fate) -> None:
        try:
            self.work()
        finally:
            self.is_over = True


@dataclass
class Stage:
    """Who is acting now, and the writes that are still on their way."""

    acting: Actor | None = None
    late: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)
    say: Callable[[str], None] = lambda _: None

    def step(self, actor: Actor, fate: Fate = Fate.DONE) -> None:
        """Run one actor up to its next call."""
        self.acting = actor
        actor.has_met_faults |= fate is not Fate.DONE
        try:
            actor.step(fate)
        finally:
            self.acting = None

    def pause(self, before: str) -> Fate:
        """Hand over to whoever directs, and learn the fate of the coming call."""
        actor = self.acting
        if actor is None:
            return Fate.DONE  # nobody acts: a late write lands, or the history looks at the store
        actor.next_call = before
        actor.calls += before != "meanwhile"
        fate: Fate = getcurrent().parent.switch()
        if fate in (Fate.DIES_BEFORE, Fate.DIES_AFTER) and before == "meanwhile":
            raise Died
        return fate

    def meanwhile(self) -> None:
        """Let others act between two parts of one call."""
        self.pause("meanwhile")

    def land_late(self, at: int) -> None:
        """Let a write arrive that its caller has given up; nobody hears the answer."""
        name, call = self.late.pop(at)
        try:
            call()
        except ClientError as error:
            self.say(f"a late {name} lands: {error.response['Error']['Code']}")
        else:
            self.say(f"a late {name} lands: done")


class StagedClient:
    """A client of a store whose every call waits for its turn and meets its fate."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self._stage = stage
        self._client = client
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CALLS:
            raise AttributeError(f"expected one of {sorted(CALLS)}, found {name}")
        call = getattr(self._client, name)
        return lambda **arguments: self._meet(name, lambda: call(**arguments))

    def _meet(self, name: str, call: Callable[[], Any]) -> Any:
        fate = self._stage.pause(name)
        if fate is Fate.DIES_BEFORE:
            raise Died
        if fate is Fate.LATE and name in WRITES:
            self._stage.late.append((name, call))
        if fate in (Fate.LATE, Fate.LOST):
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        answer = self._count_conflicts(call)
        if fate is Fate.DIES_AFTER:
            raise Died
        if fate is Fate.DONE_UNANSWERED:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return answer

    def _count_conflicts(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ClientError as error:
            if self._stage.acting is not None and "TransactionConflict" in str(error):
                self._stage.acting.conflicts += 1
            raise
