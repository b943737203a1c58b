"""Marks and doorbells: what a crash or a failure left unpushed is pushed, in order, once known."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backend.conftest import RETENTION_S, Clock
from backend.doubles import KeepingBroker
from bellwire.errors import Upstream
from bellwire.fanout import InlineFanOut, PushableLog, answer_doorbell
from bellwire.ports import Pushed
from bellwire.publications import Publication
from bellwire.publishing import publish
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft, Position

CHANNEL = "public/host"


def append(log: PushableLog, *data: Any) -> None:
    log.append(CHANNEL, [Draft("event", data=item) for item in data])


def ring(log: PushableLog, broker: KeepingBroker) -> int:
    return answer_doorbell(CHANNEL, log=log, broker=broker, stage="dev")


def pushed(broker: KeepingBroker) -> list[tuple[int, int, list[Any]]]:
    return [(e.after, e.last, [u.data for u in e.updates]) for e in broker.envelopes()]


def test_a_doorbell_pushes_what_nobody_has_and_the_next_finds_nothing(log: PushableLog) -> None:
    broker = KeepingBroker()
    assert ring(log, broker) == 0
    append(log, 1, 2)
    append(log, 3)
    assert ring(log, broker) == 3
    assert ring(log, broker) == 0
    append(log, 4)
    assert ring(log, broker) == 1
    assert pushed(broker) == [(0, 3, [1, 2, 3]), (3, 4, [4])]


def test_inline_pushes_leave_nothing_for_the_doorbell_once_written_down(log: PushableLog) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(log, broker, "dev")
    for n in range(5):
        publish([Publication(CHANNEL, Draft("event", data=n))], log=log, fan_out=fan_out)
    fan_out.flush()
    fan_out.flush()
    assert ring(log, broker) == 0
    assert pushed(broker) == [(n, n + 1, [n]) for n in range(5)]


def test_pushes_that_overtake_each_other_are_all_written_down(log: PushableLog) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(log, broker, "dev")
    drafts = [Draft("event", data=n) for n in range(6)]
    receipts = [log.append(CHANNEL, [draft])[0] for draft in drafts]
    for n in (1, 0, 5, 3):
        fan_out.push(CHANNEL, [drafts[n]], [receipts[n]])
    fan_out.flush()
    for n in (4, 2):
        fan_out.push(CHANNEL, [drafts[n]], [receipts[n]])
        fan_out.flush()
    assert ring(log, broker) == 0


def test_publishers_side_by_side_leave_nothing_for_the_doorbell(log: PushableLog) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(log, broker, "dev")

    def work(publisher: int) -> None:
        for n in range(15):
            draft = Draft("event", data=[publisher, n])
            publish([Publication(CHANNEL, draft)], log=log, fan_out=fan_out)
            if publisher == 0 and n % 5 == 0:
                fan_out.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    fan_out.flush()
    assert ring(log, broker) == 0
    assert len(broker.sent) == 60


def test_a_gap_that_nobody_closes_is_left_to_the_doorbell(log: PushableLog) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(log, broker, "dev")
    append(log, "never pushed")
    for n in range(3):
        publish([Publication(CHANNEL, Draft("event", data=n))], log=log, fan_out=fan_out)
    for _ in range(7):
        fan_out.flush()
    assert ring(log, broker) == 4


def test_a_mark_is_kept_for_five_turns_only(sql_log: SqlLog) -> None:
    marked = list[list[Pushed]]()

    class Counting(SqlLog):
        def mark_pushed(self, pushed: Sequence[Pushed]) -> list[Pushed]:
            marked.append(list(pushed))
            return list(pushed)

    sql_log.__class__ = Counting
    fan_out = InlineFanOut(sql_log, KeepingBroker(), "dev")
    publish([Publication(CHANNEL, Draft("event", data=1))], log=sql_log, fan_out=fan_out)
    for _ in range(9):
        fan_out.flush()
    assert len(marked) == 5


def test_a_doorbell_ends_while_others_go_on_publishing(log: PushableLog) -> None:
    class Publishing(KeepingBroker):
        def publish(self, topic: str, payload: bytes) -> None:
            super().publish(topic, payload)
            append(log, "meanwhile")

    append(log, 1, 2)
    assert ring(log, Publishing()) == 2
    assert ring(log, KeepingBroker()) == 1


def test_marks_that_could_not_be_written_are_kept(sql_log: SqlLog, tmp_path: Path) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(sql_log, broker, "dev")
    publish([Publication(CHANNEL, Draft("event", data=1))], log=sql_log, fan_out=fan_out)
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Upstream, match="locked"):
        fan_out.flush()
    other.execute("ROLLBACK")
    other.close()
    fan_out.flush()
    assert ring(sql_log, broker) == 0


def test_what_expired_unpushed_is_nobodys_to_push(sql_log: SqlLog, clock: Clock) -> None:
    append(sql_log, "expires")
    clock.advance(RETENTION_S + 1)
    assert sql_log.channels_to_push(idle_ms=0, behind_ms=0) == [CHANNEL]
    sql_log.expire()
    assert sql_log.channels_to_push(idle_ms=0, behind_ms=0) == []


def test_a_crash_between_append_and_push_is_healed_in_order(log: PushableLog) -> None:
    broker = KeepingBroker()
    fan_out = InlineFanOut(log, broker, "dev")
    append(log, "appended by one that died")
    publish([Publication(CHANNEL, Draft("event", data="next"))], log=log, fan_out=fan_out)
    fan_out.flush()
    assert ring(log, broker) == 2
    assert pushed(broker) == [
        (1, 2, ["next"]),
        (0, 2, ["appended by one that died", "next"]),
    ]
    assert ring(log, broker) == 0


def test_a_broker_that_fails_leaves_the_mark_where_it_was(log: PushableLog) -> None:
    broker = KeepingBroker(is_down=True)
    fan_out = InlineFanOut(log, broker, "dev")
    publish([Publication(CHANNEL, Draft("event", data=1))], log=log, fan_out=fan_out)
    fan_out.flush()
    with pytest.raises(Upstream):
        ring(log, broker)
    broker.is_down = False
    assert ring(log, broker) == 1
    assert pushed(broker) == [(0, 1, [1])]


def test_a_channel_that_is_never_idle_is_pushed_when_it_has_been_behind_for_long(
    sql_log: SqlLog, clock: Clock
) -> None:
    append(sql_log, "unpushed")
    for _ in range(9):
        clock.advance(1)
        append(sql_log, "more")
        assert sql_log.channels_to_push(idle_ms=2_000, behind_ms=10_000) == []
    clock.advance(1)
    append(sql_log, "more")
    assert sql_log.channels_to_push(idle_ms=2_000, behind_ms=10_000) == [CHANNEL]
    assert ring(sql_log, KeepingBroker()) == 11
    assert sql_log.channels_to_push(idle_ms=0, behind_ms=0) == []
    append(sql_log, "last")
    assert sql_log.channels_to_push(idle_ms=2_000, behind_ms=10_000) == []
    clock.advance(2)
    assert sql_log.channels_to_push(idle_ms=2_000, behind_ms=10_000) == [CHANNEL]


def test_a_doorbell_folds_the_state(log: PushableLog) -> None:
    log.append(CHANNEL, [Draft("set", "a", 1), Draft("set", "a", 2), Draft("set", "b", 1)])
    broker = KeepingBroker()
    ring(log, broker)
    assert pushed(broker) == [(0, 3, [2, 1])]
    assert log.snapshot(CHANNEL).state == {"a": 2, "b": 1}


def test_a_long_backlog_is_pushed_in_payloads_that_fit(log: PushableLog) -> None:
    for n in range(30):
        append(log, f"{n}" + "é" * 20_000)
    broker = KeepingBroker()
    assert ring(log, broker) == 30
    assert all(len(payload) <= 131_072 for _, payload in broker.sent)
    assert all(payload.startswith(b"\x1f\x8b") for _, payload in broker.sent)
    envelopes = broker.envelopes()
    assert [e.after for e in envelopes] == [0, *(e.last for e in envelopes[:-1])]
    assert envelopes[-1].last == 30
    assert ring(log, broker) == 0


def test_a_mark_goes_over_into_the_next_epoch(log: PushableLog, clock: Clock) -> None:
    broker = KeepingBroker()
    append(log, "old", "unpushed")
    clock.advance(RETENTION_S)
    append(log, "new")
    assert ring(log, broker) == 3
    assert [item for _, _, data in pushed(broker) for item in data] == ["old", "unpushed", "new"]
    assert ring(log, broker) == 0
    append(log, "newer")
    assert ring(log, broker) == 1


def test_a_mark_never_goes_back_nor_over_what_is_unpushed(log: PushableLog) -> None:
    append(log, 1, 2, 3)
    epoch = log.tail(CHANNEL).epoch
    log.mark_pushed([Pushed(CHANNEL, epoch, 2, 3)])
    run = log.unpushed(CHANNEL, max_updates=9, max_bytes=999)
    assert run is not None
    assert (run.after, run.last) == (0, 3)
    log.mark_pushed([Pushed(CHANNEL, epoch, 0, 3), Pushed(CHANNEL, epoch, 0, 2)])
    assert log.unpushed(CHANNEL, max_updates=9, max_bytes=999) is None
    assert log.tail(CHANNEL) == Position(epoch, 3)
