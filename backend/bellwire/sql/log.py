"""The update log in a SQL database: one row an update, the counter in the channel's head row.

An append is one transaction over counter, log, state and ids, so state is never behind the log.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    and_,
    delete,
    exists,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from bellwire.epochs import FIRST_GENERATION, generation_of, new_epoch
from bellwire.ports import Pushed, Receipt, Run, Snapshot
from bellwire.sql.engine import insert_if_absent, reading, writing
from bellwire.sql.incarnation import count_append, note_appends
from bellwire.sql.tables import EVENT, heads, ids, states, updates
from bellwire.updates import ORIGIN, Draft, Position, Update, encode_update, id_window_ms, wire_id
from bellwire.wire_json import Json, encode_json, size_bytes

ROWS_AT_ONCE: Final = 100
EXPIRE_PIECE: Final = 5_000


class SqlLog:
    """An `UpdateLog` on SQLAlchemy.

    Args:
        engine: see `open_sqlite`.
        retention_ms: how long an update is held at least.
        id_window_ms: how long a caller's id is remembered.
        now_ms: the wall clock, in ms since the Unix epoch.
        noise: gives random bytes, for epochs.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        retention_ms: int,
        id_window_ms: int,
        now_ms: Callable[[], int],
        noise: Callable[[int], bytes],
    ) -> None:
        self._engine = engine
        self._retention_ms = retention_ms
        self._id_window_ms = id_window_ms
        self._now_ms = now_ms
        self._noise = noise

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """See `UpdateLog.append`."""
        now_ms = self._now_ms()
        with writing(self._engine) as connection:
            tail, expires_at_ms = self._lock_head(connection, channel, now_ms)
            receipts: list[Receipt] = []
            fresh: list[Update] = []
            for draft in drafts:
                known = _find_id(connection, channel, draft.id, now_ms)
                if known is None:
                    tail = replace(tail, seq=tail.seq + 1)
                    known = Receipt(tail, now_ms)
                    fresh.append(
                        Update(tail.seq, draft.op, draft.key, draft.data, wire_id(draft.id), now_ms)
                    )
                    self._remember_id(connection, channel, draft.id, known)
                receipts.append(known)
            _insert_updates(connection, channel, tail.epoch, fresh, expires_at_ms)
            _apply_state(connection, channel, fresh)
            count_append(connection)
            connection.execute(
                update(heads)
                .where(heads.c.channel == channel)
                .values(seq=tail.seq, expires_at_ms=expires_at_ms, appended_at_ms=now_ms)
            )
        return receipts

    def tail(self, channel: str) -> Position:
        """See `UpdateLog.tail`."""
        with reading(self._engine) as connection:
            return _read_tail(connection, channel)

    def read_after(
        self,
        channel: str,
        position: Position,
        *,
        max_updates: int,
        max_bytes: int,
        is_strong: bool = False,  # noqa: ARG002 - every read of a SQL database is
    ) -> Run | None:
        """See `UpdateLog.read_after`."""
        with reading(self._engine) as connection:
            tail = _read_tail(connection, channel)
            if position == ORIGIN and generation_of(tail.epoch) == FIRST_GENERATION:
                position = Position(tail.epoch, 0)
            if position.epoch != tail.epoch:
                return None
            if position.seq >= tail.seq:
                return Run(position.epoch, position.seq, position.seq, (), is_end=True)
            run = _read_run(connection, channel, position, max_updates, max_bytes)
        if not run or run[0].seq != position.seq + 1:
            return None
        last = run[-1].seq
        return Run(position.epoch, position.seq, last, run, is_end=last == tail.seq)

    def snapshot(self, channel: str) -> Snapshot:
        """See `UpdateLog.snapshot`."""
        with reading(self._engine) as connection:
            tail = _read_tail(connection, channel)
            rows = connection.execute(
                select(states.c.key, states.c.data).where(states.c.channel == channel)
            )
            return Snapshot(tail, {_from_text(key): _from_text(data) for key, data in rows})

    def kept_events(
        self,
        channel: str,
        through: Position,
        *,
        max_bytes: int,
        after: int = 0,
        newest: int | None = None,
    ) -> tuple[Update, ...]:
        """See `UpdateLog.kept_events`."""
        wanted = (
            select(updates)
            .where(updates.c.channel == channel, updates.c.epoch == through.epoch)
            .where(
                updates.c.op == literal_column(EVENT),
                updates.c.seq > after,
                updates.c.seq <= through.seq,
            )
            .order_by(updates.c.seq.desc())
            .limit(newest)
        )
        events: list[Update] = []
        with reading(self._engine) as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(wanted)
            for row in rows.mappings():
                max_bytes -= row["size_bytes"]
                if max_bytes < 0:
                    break
                events.append(_to_update(row))
            rows.close()
        return tuple(reversed(events))

    def settle_state(self, channel: str) -> None:
        """See `UpdateLog.settle_state`: here every append has done it."""

    def unpushed(self, channel: str, *, max_updates: int, max_bytes: int) -> Run | None:
        """See `Outbox.unpushed`."""
        with reading(self._engine) as connection:
            head = connection.execute(
                select(heads.c.epoch, heads.c.pushed).where(heads.c.channel == channel)
            ).first()
            if head is None:
                return None
            mark = Position(head.epoch, head.pushed)
            run = _read_run(connection, channel, mark, max_updates, max_bytes)
        if not run:
            return None
        return Run(head.epoch, run[0].seq - 1, run[-1].seq, run, is_end=False)

    def mark_pushed(self, pushed: Sequence[Pushed]) -> list[Pushed]:
        """See `Outbox.mark_pushed`."""
        with writing(self._engine) as connection:
            # In one order, so that two who mark the same channels do not lock each other out.
            return [
                one
                for one in sorted(pushed, key=lambda one: one.channel)
                if connection.execute(
                    update(heads)
                    .where(heads.c.channel == one.channel, heads.c.epoch == one.epoch)
                    .where(heads.c.pushed >= (one.after or 0), heads.c.pushed < one.last)
                    .values(pushed=one.last)
                ).rowcount
                == 0
            ]

    def channels_to_push(self, *, idle_ms: int, behind_ms: int) -> list[str]:
        """Name the channels whose unpushed updates nobody seems to be pushing.

        Nothing was appended for `idle_ms`, or the first unpushed update is as old as `behind_ms`.
        """
        now_ms = self._now_ms()
        first = and_(
            updates.c.channel == heads.c.channel,
            updates.c.epoch == heads.c.epoch,
            updates.c.seq == heads.c.pushed + 1,
        )
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(heads.c.channel)
                .outerjoin(updates, first)
                .where(heads.c.pushed < heads.c.seq, _is_held_beyond_mark())
                .where(
                    (heads.c.appended_at_ms <= now_ms - idle_ms)
                    | (func.coalesce(updates.c.at_ms, 0) <= now_ms - behind_ms)
                )
            )
            return [channel for (channel,) in rows]

    def note_appends(self, path: Path) -> None:
        """Write down beside a SQLite file how far it has come; see `incarnation`."""
        with reading(self._engine) as connection:
            note_appends(connection, path)

    def expire(self) -> int:
        """Delete what is past its retention; return how many updates that were.

        In pieces, each a transaction: publishers wait for one piece, not for all.
        """
        now_ms, count = self._now_ms(), 0
        with writing(self._engine) as connection:
            connection.execute(delete(ids).where(ids.c.expires_at_ms < now_ms))
        key = tuple_(updates.c.channel, updates.c.epoch, updates.c.seq)
        old = select(updates.c.channel, updates.c.epoch, updates.c.seq)
        piece = old.where(updates.c.expires_at_ms < now_ms).limit(EXPIRE_PIECE)
        while True:
            with writing(self._engine) as connection:
                found = connection.execute(delete(updates).where(key.in_(piece))).rowcount
            count += found
            if found < EXPIRE_PIECE:
                return count

    def _lock_head(self, connection: Connection, channel: str, now_ms: int) -> tuple[Position, int]:
        """Take the channel's counter for this transaction, making it if there is none."""
        found = select(heads).where(heads.c.channel == channel).with_for_update()
        head = connection.execute(found).mappings().first()
        expires_at_ms = now_ms + self._retention_ms
        if head is None:
            insert_if_absent(
                connection,
                heads,
                channel=channel,
                epoch=new_epoch(FIRST_GENERATION, self._noise(8)),
                seq=0,
                expires_at_ms=expires_at_ms,
                appended_at_ms=now_ms,
                pushed=0,
            )
            head = connection.execute(found).mappings().one()
        # Never earlier than the update before it, whatever this machine's clock says.
        expires_at_ms = max(head["expires_at_ms"], expires_at_ms)
        return Position(head["epoch"], head["seq"]), expires_at_ms

    def _remember_id(
        self, connection: Connection, channel: str, draft_id: str | None, receipt: Receipt
    ) -> None:
        if draft_id is None:
            return
        connection.execute(delete(ids).where(ids.c.channel == channel, ids.c.id == draft_id))
        connection.execute(
            insert(ids).values(
                channel=channel,
                id=draft_id,
                epoch=receipt.position.epoch,
                seq=receipt.position.seq,
                at_ms=receipt.at_ms,
                expires_at_ms=receipt.at_ms + id_window_ms(draft_id, self._id_window_ms),
            )
        )


def _is_held_beyond_mark() -> ColumnElement[bool]:
    held = updates.alias()
    return exists().where(
        held.c.channel == heads.c.channel,
        held.c.epoch == heads.c.epoch,
        held.c.seq > heads.c.pushed,
    )


def _read_tail(connection: Connection, channel: str) -> Position:
    head = connection.execute(
        select(heads.c.epoch, heads.c.seq).where(heads.c.channel == channel)
    ).first()
    return ORIGIN if head is None else Position(head.epoch, head.seq)


def _read_run(
    connection: Connection, channel: str, position: Position, max_updates: int, max_bytes: int
) -> tuple[Update, ...]:
    """Read the updates after a position, cut at the first missing number and at the limits."""
    rows = connection.execute(
        select(updates)
        .where(updates.c.channel == channel, updates.c.epoch == position.epoch)
        .where(updates.c.seq > position.seq)
        .order_by(updates.c.seq)
        .limit(max_updates)
    ).mappings()
    run: list[Update] = []
    used = 0
    for row in rows:
        used += row["size_bytes"]
        if run and (used > max_bytes or row["seq"] != run[-1].seq + 1):
            break
        run.append(_to_update(row))
    return tuple(run)


def _find_id(
    connection: Connection, channel: str, draft_id: str | None, now_ms: int
) -> Receipt | None:
    if draft_id is None:
        return None
    row = connection.execute(
        select(ids)
        .where(ids.c.channel == channel, ids.c.id == draft_id)
        .where(ids.c.expires_at_ms >= now_ms)
    ).first()
    if row is None:
        return None
    return Receipt(Position(row.epoch, row.seq), row.at_ms, is_duplicate=True)


def _insert_updates(
    connection: Connection, channel: str, epoch: str, run: Sequence[Update], expires_at_ms: int
) -> None:
    if run:
        connection.execute(
            insert(updates),
            [_to_row(channel, epoch, update, expires_at_ms) for update in run],
        )


def _apply_state(connection: Connection, channel: str, run: Sequence[Update]) -> None:
    newest: dict[str, Update] = {_to_text(u.key): u for u in run if u.key is not None}
    for key, change in newest.items():
        connection.execute(delete(states).where(states.c.channel == channel, states.c.key == key))
        if change.op == "set":
            connection.execute(
                insert(states).values(channel=channel, key=key, data=_to_text(change.data))
            )


def _to_row(channel: str, epoch: str, update: Update, expires_at_ms: int) -> dict[str, object]:
    return {
        "channel": channel,
        "epoch": epoch,
        "seq": update.seq,
        "id": update.id,
        "at_ms": update.at_ms,
        "op": update.op,
        "key": None if update.key is None else _to_text(update.key),
        "data": None if update.op == "delete" else _to_text(update.data),
        "size_bytes": size_bytes(encode_update(update)),
        "expires_at_ms": expires_at_ms,
    }


def _to_update(row: RowMapping) -> Update:
    return Update(
        seq=row["seq"],
        op=row["op"],
        key=_from_text(row["key"]),
        data=_from_text(row["data"]),
        id=row["id"],
        at_ms=row["at_ms"],
    )


def _from_text(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _to_text(data: Json) -> str:
    return encode_json(data).decode()
