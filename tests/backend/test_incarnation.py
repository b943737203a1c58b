"""A store that was restored or copied says so with new epochs, never with silence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from backend.conftest import Clock, make_sql_log
from bellwire.errors import Upstream
from bellwire.polling import Ask, poll
from bellwire.sql.engine import open_postgres, open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import ORIGIN, Draft, Position

CHANNEL = "public/host"


@pytest.fixture
def opened(clock: Clock) -> Callable[[Path], Any]:
    def use(path: Path, *data: Any) -> list[Position]:
        """Open a store, append, note how far it came as the service does, close."""
        engine = open_sqlite(path)
        log = make_sql_log(engine, clock)
        receipts = [log.append(CHANNEL, [Draft("event", data=item)])[0] for item in data]
        log.note_appends(path)
        engine.dispose()
        return [receipt.position for receipt in receipts]

    return use


def tail(path: Path, clock: Clock) -> Position:
    engine = open_sqlite(path)
    found = make_sql_log(engine, clock).tail(CHANNEL)
    engine.dispose()
    return found


def copy(source: Path, target: Path) -> None:
    for path in source.parent.glob(source.name + "*"):
        shutil.copy(path, target.parent / path.name.replace(source.name, target.name))


def test_opening_again_changes_nothing(tmp_path: Path, opened: Any, clock: Clock) -> None:
    path = tmp_path / "log.db"
    first = opened(path, 1, 2)[-1]
    assert tail(path, clock) == first
    assert opened(path, 3) == [Position(first.epoch, 3)]


def test_an_older_copy_of_the_file_begins_new_epochs(tmp_path: Path, opened: Any) -> None:
    path, backup = tmp_path / "log.db", tmp_path / "backup"
    old = opened(path, 1)[0]
    shutil.copy(path, backup)
    lost = opened(path, 2, 3)[-1]
    shutil.copy(backup, path)
    (tmp_path / "log.db-wal").unlink(missing_ok=True)
    restored = opened(path, "after")[0]
    assert restored.seq == 1
    assert restored.epoch not in (old.epoch, lost.epoch)


def test_a_copy_of_the_whole_folder_begins_new_epochs_and_the_original_goes_on(
    tmp_path: Path, opened: Any, clock: Clock
) -> None:
    path, other = tmp_path / "log.db", tmp_path / "copy" / "log.db"
    other.parent.mkdir()
    old = opened(path, 1)[0]
    copy(path, other)
    assert tail(other, clock).epoch != old.epoch
    assert opened(path, 2) == [Position(old.epoch, 2)]


def test_a_folder_put_back_from_a_backup_begins_new_epochs(
    tmp_path: Path, opened: Any, clock: Clock
) -> None:
    """File systems give a removed file's number to the next one made: the number proves nothing."""
    folder, backup = tmp_path / "data", tmp_path / "backup"
    folder.mkdir()
    old = opened(folder / "log.db", 1, 2, 3)[-1]
    shutil.copytree(folder, backup)
    lost = opened(folder / "log.db", 4, 5, 6)[-1]
    assert lost == Position(old.epoch, 6)
    numbers = {path.name: path.stat().st_ino for path in folder.iterdir()}
    for path in folder.iterdir():  # in place, so that every file keeps its number
        path.write_bytes(
            (backup / path.name).read_bytes() if (backup / path.name).exists() else b""
        )
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == numbers
    os.utime(folder / "log.db.anchor")
    assert tail(folder / "log.db", clock).epoch != old.epoch


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"{}", b"[1]", b"\xff" * 256])
def test_a_mark_that_is_gone_or_damaged_begins_new_epochs(
    tmp_path: Path, opened: Any, clock: Clock, content: bytes | None
) -> None:
    path = tmp_path / "log.db"
    old = opened(path, 1)[0]
    mark = tmp_path / "log.db.mark"
    if content is None:
        mark.unlink()
    else:
        mark.write_bytes(content)
    renewed = tail(path, clock)
    assert renewed.epoch != old.epoch
    assert tail(path, clock) == renewed


def test_a_client_of_a_restored_store_is_told_and_given_the_state(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "log.db"
    engine = open_sqlite(path)
    log = make_sql_log(engine, clock)
    seen = log.append(CHANNEL, [Draft("set", "k", 1), Draft("event", data="seen")])[-1].position
    engine.dispose()
    (tmp_path / "log.db.mark").unlink()
    engine = open_sqlite(path)
    log = make_sql_log(engine, clock)
    log.append(CHANNEL, [Draft("event", data="new")])
    answer = poll(
        Ask({CHANNEL: seen}),
        log=log,
        may_read=lambda _: True,
        identity_id=None,
        poll_after_ms=1,
    ).channels[CHANNEL]
    engine.dispose()
    assert (answer.is_recovered, answer.state, answer.last) == (False, {"k": 1}, 1)
    assert [update.data for update in answer.updates] == ["new"]


def test_the_origin_is_no_continuity_into_a_later_epoch(
    tmp_path: Path, opened: Any, clock: Clock
) -> None:
    path = tmp_path / "log.db"
    opened(path, "what a client at the origin has not seen")
    (tmp_path / "log.db.mark").unlink()
    engine = open_sqlite(path)
    log = make_sql_log(engine, clock)
    for _ in range(2):
        assert log.read_after(CHANNEL, ORIGIN, max_updates=9, max_bytes=999) is None
        log.append(CHANNEL, [Draft("event", data="new")])
    engine.dispose()


def test_a_store_of_another_version_is_refused(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "log.db"
    opened(path, 1)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE stores SET schema = 99"))
    engine.dispose()
    with pytest.raises(Upstream, match="expected a log of schema 1, found schema 99"):
        open_sqlite(path)


def test_postgres_under_another_identity_begins_new_epochs(
    postgres_log: SqlLog, postgres_url: str, clock: Clock
) -> None:
    old = postgres_log.append(CHANNEL, [Draft("event", data=1)])[0].position
    again = open_postgres(postgres_url)
    assert make_sql_log(again, clock).tail(CHANNEL) == old
    with again.begin() as connection:
        connection.execute(text("UPDATE stores SET incarnation = 'another cluster'"))
    again.dispose()
    restored = open_postgres(postgres_url)
    renewed = make_sql_log(restored, clock).append(CHANNEL, [Draft("event", data=2)])[0].position
    restored.dispose()
    assert (renewed.seq, renewed.epoch == old.epoch) == (1, False)


def test_postgres_locked_by_another_refuses_and_goes_on_later(
    postgres_log: SqlLog, postgres_url: str
) -> None:
    postgres_log.append(CHANNEL, [Draft("event", data=1)])
    engine = create_engine(postgres_url)
    with engine.connect() as other, other.begin():
        other.execute(text("SELECT * FROM heads FOR UPDATE"))
        with pytest.raises(Upstream, match="lock timeout"):
            postgres_log.append(CHANNEL, [Draft("event", data=2)])
    engine.dispose()
    assert postgres_log.append(CHANNEL, [Draft("event", data=2)])[0].position.seq == 2


def test_a_postgres_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(Upstream, match="could not be used: connection failed"):
        open_postgres("postgresql+psycopg://nobody@127.0.0.1:9/bellwire")
