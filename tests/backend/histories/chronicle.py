"""What truly happened to one channel, and whether what the log says agrees: the oracle.

Knows nothing of stores. It is told every write that became part of the log, in the order in which
they count, and every answer that a writer or reader was given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bellwire.ports import Receipt, Run, Snapshot
from bellwire.updates import ORIGIN, Draft, Position, Update, fold
from bellwire.wire_json import Json


class Violation(AssertionError):
    """A promise of the log that did not hold; the first word of the message names it."""

    @property
    def kind(self) -> str:
        """Tell which promise it was, e.g. `NOT_NEXT`."""
        return str(self).split(":", 1)[0]


@dataclass(frozen=True)
class Entry:
    """One update in the log: where, until when it is held at least, and when it was written."""

    position: Position
    update: Update
    expires_at_s: int
    written_at_ms: int


@dataclass
class Chronicle:
    """The true history of one channel.

    Args:
        id_window_ms: how long an id is surely remembered, clocks that disagree included.
    """

    id_window_ms: int
    entries: list[Entry] = field(default_factory=list)
    _at: dict[Position, int] = field(default_factory=dict)
    _epochs: list[str] = field(default_factory=list)
    _written: dict[Json, list[Entry]] = field(default_factory=dict)

    @property
    def last(self) -> Position:
        """The newest position."""
        return self.entries[-1].position if self.entries else ORIGIN

    @property
    def epoch_count(self) -> int:
        """Count the epochs so far."""
        return len(self._epochs)

    def record(self, epoch: str, updates: Sequence[Update], expires_at_s: int, now_ms: int) -> None:
        """Take in what has just become part of the log; data is unique to a draft."""
        for update in updates:
            position = Position(epoch, update.seq)
            if position in self._at:
                raise Violation(f"REUSED: {position} is written again, now {update}")
            self._check_next(position)
            entry = Entry(position, update, expires_at_s, now_ms)
            self._check_once(entry)
            self._at[position] = len(self.entries)
            self.entries.append(entry)

    def _check_next(self, position: Position) -> None:
        last = self.last
        if position.epoch == last.epoch:
            if position.seq != last.seq + 1:
                raise Violation(f"NOT_NEXT: {position} is written after {last}")
            return
        if position.epoch in self._epochs:
            raise Violation(f"DEAD_EPOCH: {position} is written after {last}")
        if position.seq != 1:
            raise Violation(f"NOT_FIRST: {position} opens an epoch after {last}")
        self._epochs.append(position.epoch)

    def _check_once(self, entry: Entry) -> None:
        label = label_of(entry.update)
        if label is None:
            return
        earlier = self._written.setdefault(label, [])
        for other in earlier:
            age_ms = entry.written_at_ms - other.written_at_ms
            if entry.update.id is None or age_ms < self.id_window_ms:
                raise Violation(f"DOUBLED: {entry.update} stands at {other.position} already")
        earlier.append(entry)

    def check_acknowledged(
        self, drafts: Sequence[Draft], receipts: Sequence[Receipt], now_ms: int
    ) -> None:
        """Require that each receipt names where its draft stands, first within the window."""
        if len(receipts) != len(drafts):
            raise Violation(f"FALSE_RECEIPT: {len(receipts)} for {len(drafts)} drafts")
        for draft, receipt in zip(drafts, receipts, strict=True):
            entry = self._entry(receipt.position)
            wanted = (draft.op, draft.key, label_of(draft), receipt.at_ms)
            if entry is None:
                raise Violation(f"LOST: {draft} was acknowledged at {receipt.position}")
            found = (entry.update.op, entry.update.key, label_of(entry.update), entry.update.at_ms)
            if found != wanted:
                raise Violation(f"FALSE_RECEIPT: at {receipt} stands {entry.update}, not {draft}")
            for other in self._written.get(label_of(draft), []):
                is_within = now_ms - other.written_at_ms < self.id_window_ms
                if is_within and other.position != receipt.position:
                    raise Violation(f"FALSE_RECEIPT: {draft} at {receipt} stands at {other}")

    def index_of(self, position: Position) -> int:
        """Count the updates up to a position.

        Raises:
            Violation: there never was such a position.
        """
        if position == ORIGIN:
            return 0
        if position in self._at:
            return self._at[position] + 1
        first = self._at.get(Position(position.epoch, 1))
        if first is None or position.seq != 0:
            raise Violation(f"NO_SUCH_POSITION: {position}, the log has reached {self.last}")
        return first

    def fold_until(self, index: int) -> dict[str, Json]:
        """Fold the first so many updates."""
        return fold({}, [entry.update for entry in self.entries[:index]])

    def check_snapshot(self, snapshot: Snapshot, at_least: int) -> None:
        """Require the exact state at its position, and a position that is not behind."""
        index = self.index_of(snapshot.position)
        if index < at_least:
            raise Violation(
                f"STALE: the snapshot is of {snapshot.position},"
                f" before {self.entries[at_least - 1]}"
            )
        self.check_state(snapshot.state, index, f"at {snapshot.position}")

    def check_state(self, state: Mapping[str, Json], index: int, where: str) -> None:
        """Require the fold of the first so many updates."""
        if dict(state) != self.fold_until(index):
            raise Violation(f"WRONG_STATE: {dict(state)} {where}, not {self.fold_until(index)}")

    def check_run(self, asked: Position, run: Run) -> None:
        """Require what follows a position, nothing missing, nothing else."""
        seqs = [update.seq for update in run.updates]
        if run.after != asked.seq or seqs != list(range(asked.seq + 1, run.last + 1)):
            raise Violation(f"GAP: read after {asked}, got {run.after}, {seqs}, {run.last}")
        is_first_epoch = asked == ORIGIN and (not seqs or run.epoch == self._epochs[0])
        if run.epoch != asked.epoch and not is_first_epoch:
            raise Violation(f"GAP: read after {asked}, got epoch {run.epoch}")
        for update in run.updates:
            entry = self._entry(Position(run.epoch, update.seq))
            if entry is None or entry.update != update:
                raise Violation(f"WRONG_UPDATE: {update} in {run.epoch}, where {entry} stands")

    def check_break(self, asked: Position, count_at_start: int, now_s: int) -> None:
        """Require that continuity from a position is truly gone: expired, or of another epoch.

        Args:
            asked: where the read that was told so began.
            count_at_start: how many updates the log held then.
            now_s: when the answer came, by the store's own clock.
        """
        here = Position(self._epochs[0], 0) if asked == ORIGIN and self._epochs else asked
        in_epoch = [e for e in self.entries[:count_at_start] if e.position.epoch == here.epoch]
        after = [entry for entry in in_epoch if entry.position.seq > here.seq]
        is_held = bool(after) and all(entry.expires_at_s > now_s for entry in after)
        is_same = here.epoch == self.last.epoch and len(self.entries) == count_at_start
        is_quiet = bool(in_epoch) and not after and is_same
        if is_held or is_quiet or not self.entries:
            raise Violation(f"FALSE_BREAK: after {asked} everything is held up to {self.last}")

    def check_events(
        self, events: Sequence[Update], through: Position, after: int, now_s: int
    ) -> None:
        """Require every event that is surely held, in order, and no other."""
        possible = [
            entry
            for entry in self.entries
            if entry.position.epoch == through.epoch
            and entry.update.op == "event"
            and after < entry.position.seq <= through.seq
        ]
        updates = [entry.update for entry in possible]
        missing = [e for e in possible if e.expires_at_s > now_s and e.update not in events]
        if missing or [update for update in updates if update in events] != list(events):
            raise Violation(f"WRONG_EVENTS: {events} of {updates} up to {through}")

    def _entry(self, position: Position) -> Entry | None:
        at = self._at.get(position)
        return None if at is None else self.entries[at]


def label_of(update: Update | Draft) -> Json:
    """Tell what makes a draft unique: its data; None for a delete, which carries none."""
    return update.data
