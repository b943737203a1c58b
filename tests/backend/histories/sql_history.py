"""One random history of a channel in a SQL log, call by call.

Modelled: writers with clocks up to two minutes off; statements and commits that fail; answers
that are lost and jobs redelivered; processes that start again; expiry; readers that stop
anywhere. A call of the log is one step here: that appends side by side are kept apart is the
database's own work, and the contract tests try it with threads.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event, select
from sqlalchemy.exc import SQLAlchemyError

from backend.histories.choices import Choices
from backend.histories.chronicle import Chronicle, Violation
from backend.histories.jobs import (
    ID_WINDOW_S,
    MAX_SKEW_MS,
    RETENTION_S,
    SKEWS_MS,
    START_MS,
    SURE_ID_WINDOW_MS,
    Drafts,
    Job,
)
from backend.histories.readers import Follower, follow, look_at_tail, take_snapshot
from bellwire.errors import Upstream
from bellwire.sql import tables
from bellwire.sql.log import SqlLog
from bellwire.updates import Update

DISTANCES_S = (1, 60, RETENTION_S // 2, RETENTION_S - 1, RETENTION_S + 1, 3 * RETENTION_S)


@dataclass
class Database:
    """An engine that fails when told to, at the statement or commit that comes then."""

    engine: Engine
    failing_in: int | None = None

    def __post_init__(self) -> None:
        for moment in ("before_cursor_execute", "commit"):
            event.listen(self.engine, moment, self._count)

    def _count(self, *_: Any) -> None:
        if self.failing_in is None:
            return
        self.failing_in -= 1
        if self.failing_in < 0:
            self.failing_in = None
            raise SQLAlchemyError("the disk is full")

    @contextmanager
    def failing(self, after: int) -> Iterator[None]:
        """Fail once after so many statements, if there are as many."""
        self.failing_in = after
        try:
            yield
        finally:
            self.failing_in = None


@dataclass
class SqlHistory:
    """Plays one schedule on a channel of its own, and raises `Violation` like its sibling."""

    choices: Choices
    database: Database
    channel: str
    say: Callable[[str], None] = lambda _: None
    now_ms: int = START_MS
    steps: int = 0
    jobs: list[Job] = field(default_factory=list)
    drafts: Drafts = field(default_factory=Drafts)
    followers: list[Follower] = field(default_factory=lambda: [Follower(), Follower()])
    chronicle: Chronicle = field(default_factory=lambda: Chronicle(SURE_ID_WINDOW_MS))

    def __post_init__(self) -> None:
        self.skews_ms = [self.choices.among(SKEWS_MS) for _ in range(2 + self.choices.pick(3))]
        self.logs = [self._open(number) for number in range(len(self.skews_ms))]

    def play(self) -> None:
        """Play the schedule to its end and look at everything once more."""
        acts = (
            [self._append] * 5
            + [self._fail, self._append_unanswered]
            + [self._follow, self._follow, self._snapshot, self._tail]
            + [self._expire, self._wait, self._start_again]
        )
        while not self.choices.is_spent:
            self.steps += 1
            self.choices.among(acts)()
        self._snapshot()
        for follower in self.followers:
            self._catch_up(follower)

    def visible(self) -> int:
        """Count the updates that a read must see."""
        return len(self.chronicle.entries)

    def may_be_deleted_s(self) -> int:
        """Tell the time by the fastest clock."""
        return (self.now_ms + MAX_SKEW_MS) // 1000

    def _open(self, number: int) -> SqlLog:
        return SqlLog(
            self.database.engine,
            retention_ms=RETENTION_S * 1000,
            id_window_ms=ID_WINDOW_S * 1000,
            now_ms=lambda: self.now_ms + self.skews_ms[number],
            noise=lambda count: f"{self.channel:>{count}}"[-count:].encode(),
        )

    def _append(self) -> None:
        job, log = self._job(), self._log()
        receipts = log.append(self.channel, job.drafts)
        self._record()
        self.chronicle.check_acknowledged(job.drafts, receipts, self.now_ms)
        self.say(f"append {[d.data for d in job.drafts]}: {[r.position.seq for r in receipts]}")

    def _append_unanswered(self) -> None:
        job = self._job()
        self._log().append(self.channel, job.drafts)
        self._record()
        self.say(f"append {[d.data for d in job.drafts]}: no answer")

    def _fail(self) -> None:
        job, before = self._job(), self.visible()
        try:
            with self.database.failing(self.choices.pick(16)):
                self._log().append(self.channel, job.drafts)
        except Upstream as error:
            self.say(f"append {[d.data for d in job.drafts]}: {error}")
            self._record()
            if self.visible() != before:
                raise Violation(f"IN_PART: {job.drafts} failed and are there") from error
        self._record()

    def _job(self) -> Job:
        again = [job for job in self.jobs if job.may_return(self.now_ms)]
        if again and self.choices.chance(40):
            job = self.choices.among(again)
        else:
            job = Job(self.drafts.make(self.choices), self.now_ms)
            self.jobs.append(job)
        job.deliveries += 1
        return job

    def _log(self) -> SqlLog:
        return self.choices.among(self.logs)

    def _record(self) -> None:
        """Take in what is new in the table, past every rule of reading it."""
        table = tables.updates
        rows = select(table).where(table.c.channel == self.channel).order_by(table.c.seq)
        with self.database.engine.connect() as connection:
            for row in connection.execute(rows.where(table.c.seq > self.chronicle.last.seq)):
                key, data = (None if t is None else json.loads(t) for t in (row.key, row.data))
                update = Update(row.seq, row.op, key, data, row.id, row.at_ms)
                expires_at_s = row.expires_at_ms // 1000
                self.chronicle.record(row.epoch, [update], expires_at_s, self.now_ms)

    def _follow(self) -> None:
        follower = self.choices.among(self.followers)
        follow(self, self._log(), follower)
        self.say(f"follow to {follower.position}")

    def _catch_up(self, follower: Follower) -> None:
        for _ in range(self.visible() + 2):
            follow(self, self._log(), follower)
        if self.chronicle.index_of(follower.position) != self.visible():
            raise Violation(f"LEFT_BEHIND: {follower.position}, of {self.chronicle.last}")

    def _snapshot(self) -> None:
        self.say(f"snapshot at {take_snapshot(self, self._log())}")

    def _tail(self) -> None:
        look_at_tail(self, self._log())

    def _expire(self) -> None:
        self.say(f"expired: {self._log().expire()}")

    def _wait(self) -> None:
        seconds = self.choices.among(DISTANCES_S)
        self.now_ms += seconds * 1000
        self.say(f"{seconds} s pass")

    def _start_again(self) -> None:
        self.database.engine.dispose()
        number = self.choices.pick(len(self.logs))
        self.skews_ms[number] = self.choices.among(SKEWS_MS)
        self.logs[number] = self._open(number)
        self.say(f"process {number} starts again")
