"""What only the SQL store of presence has to do: its tables, and forgetting everybody."""

from pathlib import Path

from backend.conftest import Clock, make_sql_log
from backend.lifetimes import CLIENT
from backend.test_presence_contract import saved, there
from bellwire.sql.engine import open_sqlite
from bellwire.sql.presence import SqlPresence
from bellwire.sql.presence_tables import attendances, present_channels
from bellwire.sql.schema import metadata
from bellwire.updates import Draft


def test_a_database_that_was_there_before_gets_the_tables(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "log.db"
    engine = open_sqlite(path)
    position = make_sql_log(engine, clock).append("public/a", [Draft("event")])[0].position
    metadata.drop_all(engine, tables=[attendances, present_channels])
    engine.dispose()
    engine = open_sqlite(path)
    saved(SqlPresence(engine), there("public/a"))
    assert make_sql_log(engine, clock).tail("public/a") == position
    engine.dispose()


def test_everybody_can_be_forgotten(sqlite_presence: SqlPresence) -> None:
    saved(sqlite_presence, there("public/a"))
    sqlite_presence.clear()
    assert sqlite_presence.find(CLIENT) is None
    assert sqlite_presence.clients_on("public/a") == []
    saved(sqlite_presence, there("public/b"))
    assert sqlite_presence.clients_on("public/a") == []
