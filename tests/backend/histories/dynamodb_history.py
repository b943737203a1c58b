"""One random history of a channel in DynamoDB: writers, appliers, readers, faults, time.

Modelled: 2 to 4 writers with clocks up to two minutes off, each way; writers and appliers that
die at any call; jobs redelivered with the same ids; answers that are lost, and writes that land
after their caller gave up; appliers that overlap and start again; readers strong and eventual
that stop anywhere; items deleted once expired, in any order, arbitrarily late; machines that
freeze, so that their monotonic clock stands still.

Assumed, as the log does: nothing is in flight for longer than `MAX_FLIGHT_MS`, and the state is
settled at least once before what it has not folded yet expires.
Not modelled: writers in several regions, a table restored from a copy.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.histories.choices import Choices
from backend.histories.chronicle import Chronicle, Violation
from backend.histories.jobs import (
    ID_WINDOW_S,
    RETENTION_S,
    SKEWS_MS,
    START_MS,
    SURE_ID_WINDOW_MS,
    Drafts,
    Job,
)
from backend.histories.readers import Follower, follow, look_at_tail, take_snapshot
from backend.histories.shelves import CHANNEL, KEYED, LOG, Shelf
from backend.histories.stage import Actor, Died, Fate, Stage, StagedClient
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_tables import Tables
from bellwire.aws.log_items import Block, decode_log_item
from bellwire.errors import Upstream

MAX_FLIGHT_MS = 60_000
Mood = Literal["all", "state", "time"]
MOODS: tuple[Mood, ...] = ("all", "state", "time")
"""What a history dwells on: everything, appliers that overlap, or expiries."""
OFFSETS_S = (1, 2, 60, 119, 121, -1, -60, -119, -121, -200, -239, -241, -300, -359, -361)
"""From an item's expiry: around it, and around the margin before it, by clocks that are off."""
DISTANCES_S = (0, 600, RETENTION_S // 2, 2 * RETENTION_S, 15 * RETENTION_S)


@dataclass
class Process:
    """One process with its own clocks and its own memory of the log."""

    name: str
    skew_ms: int
    log: DynamoDbLog
    frozen_s: float = 0
    actor: Actor | None = None

    @property
    def is_idle(self) -> bool:
        """Tell whether it can begin something."""
        return self.actor is None or self.actor.is_over


@dataclass
class DynamoDbHistory:
    """Plays one schedule on one shelf, and raises `Violation` at the first broken promise."""

    choices: Choices
    shelf: Shelf
    mood: Mood | None = None
    say: Callable[[str], None] = lambda _: None
    channel: str = CHANNEL
    now_ms: int = START_MS
    steps: int = 0
    stage: Stage = field(default_factory=Stage)
    actors: list[Actor] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    drafts: Drafts = field(default_factory=Drafts)
    processes: dict[str, Process] = field(default_factory=dict)
    followers: list[Follower] = field(default_factory=lambda: [Follower(), Follower()])
    _noise: random.Random = field(default_factory=lambda: random.Random(1))
    _late_since_ms: int = 0

    def __post_init__(self) -> None:
        self.mood = self.mood or self.choices.among(MOODS)
        self.chronicle = Chronicle(SURE_ID_WINDOW_MS)
        self.shelf.connect(
            meanwhile=self.stage.meanwhile,
            pick=self.choices.pick,
            committed=self._record,
        )
        self.stage.say = self.say
        self.writers = [f"writer {n}" for n in range(2 + self.choices.pick(3))]
        self.others = ["applier 1", "applier 2", "reader 1", "reader 2", "viewer"]
        for name in [*self.writers, *self.others, "observer"]:
            self._start_process(name)

    def play(self) -> None:
        """Play the schedule to its end, come to rest, and look at everything once more."""
        acts = self._acts()
        while not self.choices.is_spent:
            self.choices.among(acts)()
        self._rest()
        self._check_at_rest()

    def _acts(self) -> list[Callable[[], None]]:
        """What may happen next, as often as this history's mood has it."""
        counts: dict[Callable[[], None], tuple[int, int, int]] = {
            self._step: (12, 9, 9),
            self._append: (5, 4, 5),
            self._settle: (3, 5, 0),
            self._fault: (2, 1, 1),
            self._snapshot: (1, 2, 0),
            self._follow: (1, 0, 1),
            self._tail: (1, 0, 0),
            self._expire: (1, 0, 1),
            self._tick: (1, 0, 1),
            self._land_late: (1, 0, 1),
            self._jump: (2, 0, 5),
        }
        mood = MOODS.index(self.mood)
        return [act for act, count in counts.items() for _ in range(count[mood])]

    # What may happen next.

    def _step(self) -> None:
        """Let one actor run for a while."""
        actor = self._running()
        for _ in range(self.choices.among((1, 1, 2, 3, 5, 9, 30))):
            if actor is not None and not actor.is_over:
                self._let(actor)

    def _fault(self) -> None:
        """Let one actor's next call go wrong."""
        actor = self._running()
        if actor is not None:
            self._let(actor, self.choices.among(list(Fate)))

    def _running(self) -> Actor | None:
        self.actors = [actor for actor in self.actors if not actor.is_over]
        if not self.actors:
            self._append()
        return self.choices.among(self.actors) if self.actors else None

    def _let(self, actor: Actor, fate: Fate = Fate.DONE) -> None:
        self.steps += 1
        if fate is Fate.LATE and not self.stage.late:
            self._late_since_ms = self.now_ms
        before = actor.next_call
        self.stage.step(actor, fate)
        self.say(f"{actor.name}: {before} {'' if fate is Fate.DONE else fate.name.lower()}")

    def _append(self) -> None:
        idle = [name for name in self.writers if self.processes[name].is_idle]
        if not idle:
            return
        process = self.processes[self.choices.among(idle)]
        again = [job for job in self.jobs if job.may_return(self.now_ms)]
        job = self.choices.among(again) if again and self.choices.chance(40) else self._new_job()
        job.deliveries += 1
        self._begin(
            process, f"append {[d.data for d in job.drafts]}", lambda: self._run(process, job)
        )

    def _new_job(self) -> Job:
        job = Job(self.drafts.make(self.choices), self.now_ms)
        self.jobs.append(job)
        return job

    def _run(self, process: Process, job: Job) -> None:
        actor = self._acting()
        try:
            receipts = process.log.append(CHANNEL, job.drafts)
        except Upstream as error:
            if not actor.may_fail:
                raise Violation(f"REFUSED: {process.name} for no reason: {error}") from error
            return
        self.chronicle.check_acknowledged(job.drafts, receipts, self.now_ms)
        self.say(f"{process.name} is told {[r.position.seq for r in receipts]}")

    def _settle(self) -> None:
        self._begin_other("applier", "settle", lambda log: log.settle_state(CHANNEL))

    def _follow(self) -> None:
        number = self.choices.pick(2)
        process = self.processes[f"reader {number + 1}"]
        if process.is_idle:
            follower = self.followers[number]
            self._begin(
                process, f"follow {follower.position}", lambda: follow(self, process.log, follower)
            )

    def _snapshot(self) -> None:
        self._begin_other("viewer", "snapshot", lambda log: take_snapshot(self, log))

    def _tail(self) -> None:
        self._begin_other("viewer", "tail", lambda log: look_at_tail(self, log))

    def _expire(self) -> None:
        expired = self.shelf.expired(self.now_ms // 1000)
        if expired:
            key = self.choices.among(expired)
            self.say(f"expired: {key}")
            self.shelf.delete(key)

    def _tick(self) -> None:
        ms = self.choices.among([50, 1_000, 5_000, 20_000])
        since = [actor.started_ms for actor in self.actors if not actor.is_over]
        since += [self._late_since_ms] if self.stage.late else []
        if all(self.now_ms + ms - started <= MAX_FLIGHT_MS for started in since):
            self.now_ms += ms

    def _land_late(self) -> None:
        if self.stage.late:
            self.stage.land_late(self.choices.pick(len(self.stage.late)))

    def _jump(self) -> None:
        """Let much time pass while nothing is in flight, often up to about an expiry."""
        self._rest()
        self.processes["observer"].log.settle_state(CHANNEL)
        now_s = self.now_ms // 1000
        soon = sorted({at for at in self.shelf.expiries() if at > now_s - 150})
        if soon and self.choices.chance(70):
            distance_s = self.choices.among(soon) - now_s + self.choices.among(OFFSETS_S)
        else:
            distance_s = self.choices.among(DISTANCES_S)
        distance_s = max(0, distance_s)
        self.now_ms += distance_s * 1000
        self.say(f"{distance_s} s pass")
        for process in self.processes.values():
            process.skew_ms = self.choices.among(SKEWS_MS)
            if self.choices.chance(30):
                process.frozen_s += distance_s
        for _ in range(self.choices.pick(1 + len(self.shelf.expired(self.now_ms // 1000)))):
            self._expire()

    # How it is done.

    def _start_process(self, name: str) -> Process:
        client: Any = StagedClient(self.stage, self.shelf.client)
        skew_ms = self.choices.among(SKEWS_MS)
        log = DynamoDbLog(
            Tables(client, LOG, KEYED),
            retention_s=RETENTION_S,
            id_window_s=ID_WINDOW_S,
            now_ms=lambda: self.now_ms + process.skew_ms,
            monotonic_s=lambda: self.now_ms / 1000 - process.frozen_s,
            noise=self._noise.randbytes,
            sleep=lambda _: None,
        )
        process = Process(name, skew_ms, log)
        self.processes[name] = process
        return process

    def _begin_other(self, role: str, what: str, work: Callable[[DynamoDbLog], object]) -> None:
        idle = [n for n in self.others if n.startswith(role) and self.processes[n].is_idle]
        if idle:
            process = self.processes[self.choices.among(idle)]
            self._begin(process, what, lambda: work(process.log))

    def _begin(self, process: Process, what: str, work: Callable[[], object]) -> None:
        actor = Actor(f"{process.name} {what}", lambda: self._live(process, work), self.now_ms)
        process.actor = actor
        self.actors.append(actor)
        self._let(actor)

    def _live(self, process: Process, work: Callable[[], object]) -> None:
        actor = self._acting()
        try:
            work()
        except Died:
            self.say(f"{process.name} dies")
            self._start_process(process.name)
        except Upstream as error:
            if not (actor.may_fail or actor.conflicts):
                raise Violation(f"REFUSED: {actor.name} for no reason: {error}") from error

    def _acting(self) -> Actor:
        if self.stage.acting is None:
            raise AssertionError("expected to be called by an actor")
        return self.stage.acting

    def _record(self, table: str, items: Any) -> None:
        for item in map(decode_log_item, items if table == LOG else ()):
            if isinstance(item, Block):
                self.say(f"  in the log: {item.epoch} {[u.seq for u in item.updates]}")
                self.chronicle.record(item.epoch, item.updates, item.expires_at_s, self.now_ms)

    def visible(self) -> int:
        """Count the updates that a strong read must see from now on."""
        return 0 if self.shelf.has_transaction else len(self.chronicle.entries)

    def may_be_deleted_s(self) -> int:
        """Tell the time by the store's own clock."""
        return self.now_ms // 1000

    def _rest(self) -> None:
        while self.actors:
            for actor in self.actors:
                if not actor.is_over:
                    self._let(actor)
            self.actors = [actor for actor in self.actors if not actor.is_over]
        while self.stage.late:
            at = self.choices.pick(len(self.stage.late))
            if self.choices.chance(50):
                del self.stage.late[at]
            else:
                self.stage.land_late(at)

    def _check_at_rest(self) -> None:
        log, chronicle = self.processes["observer"].log, self.chronicle
        take_snapshot(self, log)
        log.settle_state(CHANNEL)
        take_snapshot(self, log)
        chronicle.check_state(self.shelf.state(), len(chronicle.entries), "stored, at rest")
        for follower in self.followers:
            for _ in range(len(chronicle.entries) + 3):
                follow(self, log, follower)
                if follower.position == chronicle.last:
                    break
            if chronicle.index_of(follower.position) != len(chronicle.entries):
                raise Violation(f"LEFT_BEHIND: {follower.position}, of {chronicle.last}")
