"""What only the SQL log has to do: its file, its locks, its retention."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from backend.conftest import RETENTION_S, Clock, make_sql_log
from bellwire.errors import Upstream
from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import ORIGIN, Draft, Position

CHANNEL = "public/host"


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_text("this is a diary, not a database. " * 99)
    with pytest.raises(Upstream, match=r"log.db could not be used: file is not a database"):
        open_sqlite(path)
    assert path.read_text().startswith("this is a diary")


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Upstream, match="unable to open database file"):
        open_sqlite(tmp_path / "absent" / "log.db")


def test_a_database_locked_by_another_process_refuses_and_goes_on_later(
    tmp_path: Path, sql_log: SqlLog
) -> None:
    sql_log.append(CHANNEL, [Draft("event", data=1)])
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Upstream, match="database is locked"):
        sql_log.append(CHANNEL, [Draft("event", data=2)])
    assert sql_log.tail(CHANNEL).seq == 1
    other.execute("ROLLBACK")
    other.close()
    assert sql_log.append(CHANNEL, [Draft("event", data=2)])[0].position.seq == 2


def test_what_is_past_its_retention_goes_and_the_numbers_go_on(
    sql_log: SqlLog, clock: Clock
) -> None:
    old = sql_log.append(CHANNEL, [Draft("event", data=1), Draft("set", "k", 1)])[1].position
    clock.advance(RETENTION_S - 1)
    sql_log.append(CHANNEL, [Draft("event", data=3)])
    clock.advance(2)
    assert sql_log.expire() == 2
    assert sql_log.expire() == 0
    tail = sql_log.tail(CHANNEL)
    assert tail == Position(old.epoch, 3)
    assert sql_log.read_after(CHANNEL, ORIGIN, max_updates=9, max_bytes=999) is None
    run = sql_log.read_after(CHANNEL, old, max_updates=9, max_bytes=999)
    assert run is not None
    assert [u.data for u in run.updates] == [3]
    assert [u.data for u in sql_log.kept_events(CHANNEL, tail, max_bytes=1 << 20)] == [3]
    assert sql_log.snapshot(CHANNEL).state == {"k": 1}


def test_everything_is_there_after_opening_the_file_again(
    tmp_path: Path, sql_log: SqlLog, clock: Clock
) -> None:
    position = sql_log.append(CHANNEL, [Draft("set", "k", 1)])[0].position
    engine = open_sqlite(tmp_path / "log.db")
    again = SqlLog(
        engine, retention_ms=1, id_window_ms=1, now_ms=clock.wall_ms, noise=lambda n: b"x" * n
    )
    assert again.tail(CHANNEL) == position
    assert again.append(CHANNEL, [Draft("event")])[0].position == Position(position.epoch, 2)
    engine.dispose()


def test_kept_events_are_found_without_reading_the_state_between_them(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []
    engine = open_sqlite(tmp_path / "log.db")
    log = make_sql_log(engine, Clock())
    log.append(CHANNEL, [Draft("event", data=1), Draft("set", "k", 1), Draft("event", data=2)])
    event.listen(engine, "before_cursor_execute", lambda *words: asked.append(words[2:4]))
    found = log.kept_events(CHANNEL, log.tail(CHANNEL), newest=9, max_bytes=999)
    assert [update.data for update in found] == [1, 2]
    statement, values = asked[-1]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    engine.dispose()
    assert [row.detail for row in plan] == [
        "SEARCH updates USING INDEX kept_events (channel=? AND epoch=? AND seq>? AND seq<?)"
    ]


def test_expiry_goes_in_pieces(
    sql_log: SqlLog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bellwire.sql.log.EXPIRE_PIECE", 10)
    for _ in range(5):
        sql_log.append(CHANNEL, [Draft("event", data=n) for n in range(7)])
    clock.advance(RETENTION_S + 1)
    assert (sql_log.expire(), sql_log.expire()) == (35, 0)
