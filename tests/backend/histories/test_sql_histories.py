"""Random histories of the SQL log break none of its promises, on any of its databases."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from backend.histories.choices import Choices
from backend.histories.chronicle import Violation
from backend.histories.playing import Say, explain, nobody, schedule_of
from backend.histories.sql_history import Database, SqlHistory
from bellwire.sql import log
from bellwire.sql.engine import open_postgres, open_sqlite
from bellwire.sql.tables import metadata

HISTORIES = {"sqlite": 500, "postgres": 150}
SCHEDULE_BYTES = 60

PlaySql = Callable[[bytes, Say], SqlHistory]


@pytest.fixture(params=list(HISTORIES))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def engine(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An empty database; one more of them is one more name here."""
    if name == "sqlite":
        opened = open_sqlite(tmp_path / "log.db")
    else:
        opened = open_postgres(request.getfixturevalue("postgres_url"))
    yield opened
    metadata.drop_all(opened)
    opened.dispose()


@pytest.fixture
def play(engine: Engine) -> PlaySql:
    """Plays each history on the next channel of one database."""
    database, channels = Database(engine), count()

    def play(schedule: bytes, say: Say) -> SqlHistory:
        channel = f"public/{next(channels):08}"
        history = SqlHistory(Choices(schedule), database, channel, say)
        history.play()
        return history

    return play


def test_no_history_breaks_a_promise(name: str, play: PlaySql) -> None:
    for seed in range(HISTORIES[name]):
        schedule = schedule_of(seed, SCHEDULE_BYTES)
        try:
            play(schedule, nobody)
        except Violation:
            pytest.fail(explain(play, schedule))


def no_ids(patch: pytest.MonkeyPatch) -> None:
    """Ids are not looked for."""
    patch.setattr(log, "_find_id", lambda *_: None)


def no_state(patch: pytest.MonkeyPatch) -> None:
    """An append leaves the state as it is."""
    patch.setattr(log, "_apply_state", lambda *_: None)


def two_transactions(patch: pytest.MonkeyPatch) -> None:
    """The updates are committed before the counter."""
    insert_updates = log._insert_updates  # noqa: SLF001 - what is switched off lies inside

    def insert_and_commit(connection: Any, *rest: Any) -> None:
        insert_updates(connection, *rest)
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN")

    patch.setattr(log, "_insert_updates", insert_and_commit)


@pytest.mark.parametrize("rule_off", [no_ids, no_state, two_transactions])
def test_a_rule_that_is_off_is_missed(
    rule_off: Callable[[pytest.MonkeyPatch], None], play: PlaySql, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_off(monkeypatch)
    for seed in range(100):
        try:
            play(schedule_of(seed, SCHEDULE_BYTES), nobody)
        except Violation:
            return
    pytest.fail("no violation in 100 histories")
