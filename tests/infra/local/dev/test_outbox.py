"""The outbox's turns: no channel and no failure holds up the others."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bellwire.errors import Upstream
from bellwire.fanout import InlineFanOut
from bellwire.sql.engine import open_sqlite
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft
from bellwire_local.dev.outbox import OutboxLoop


class Choosy:
    """A broker that takes what is for `public/b` only."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.taken: list[str] = []

    def publish(self, topic: str, payload: bytes) -> None:
        assert payload
        if topic != "dev/public/b":
            raise self.error
        self.taken.append(topic)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlLog]:
    engine = open_sqlite(tmp_path / "log.db")
    yield SqlLog(
        engine,
        retention_ms=3_600_000,
        id_window_ms=3_600_000,
        now_ms=lambda: time.time_ns() // 1_000_000,
        noise=secrets.token_bytes,
    )
    engine.dispose()


@pytest.mark.parametrize("error", [Upstream("away"), RuntimeError("a bug")], ids=str)
def test_one_channels_failure_holds_up_no_other(
    log: SqlLog, tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    for channel in ("public/a", "public/b", "public/c"):
        log.append(channel, [Draft("event", data=1)])
    broker = Choosy(error)
    outbox = OutboxLoop(log, broker, InlineFanOut(log, broker, "dev"), "dev", tmp_path / "log.db")
    for _ in range(3):
        outbox.turn(idle_ms=0)
    assert broker.taken == ["dev/public/b"]
    assert log.channels_to_push(idle_ms=0, behind_ms=0) == ["public/a", "public/c"]
    assert caplog.text.count("the outbox waits, will try again") == 1
