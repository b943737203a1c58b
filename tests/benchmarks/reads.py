"""What reading at the tail costs, by the length of the log behind it."""

from collections.abc import Callable, Iterator

from sqlalchemy import Engine, text

from bellwire.ports import Run
from bellwire.sql.engine import writing
from bellwire.sql.log import SqlLog
from bellwire.updates import Draft, Position
from benchmarks.figures import durations_ms
from benchmarks.stores import DAY_MS, log_on

LENGTHS = (100, 10_000, 1_000_000)
NEWS = 10
TIMES = 300
WARM_UP = 30

FILL = text(
    """
    WITH RECURSIVE numbers(n) AS (
        SELECT CAST(:first AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < :last
    )
    INSERT INTO updates (channel, epoch, seq, at_ms, op, key, data, size_bytes, expires_at_ms)
    SELECT :channel, :epoch, n, :at_ms, 'set', '"k"', '{"title":"an ordinary one"}', 80, :expires
    FROM numbers
    """
)
MOVE_ON = text("UPDATE heads SET seq = :last, pushed = :last WHERE channel = :channel")


ANSWER_BYTES = 1_048_576


def measure_reads(engine: Engine) -> Iterator[tuple[int, dict[str, list[float]]]]:
    """Yield for each length how long the reads of a poll take; each has a channel of its own."""
    log = log_on(engine)
    for length in LENGTHS:
        channel = f"public/bench.reads.{length}"
        tail = _fill(engine, log, channel, length)
        yield (
            length,
            {
                name: durations_ms(read, times=TIMES, warm_up=WARM_UP)
                for name, read in _reads(log, channel, tail).items()
            },
        )


def _reads(log: SqlLog, channel: str, tail: Position) -> dict[str, Callable[[], object]]:
    """What polls ask of the log; the channel holds keyed state alone, so a rewind finds nothing."""

    def after(seq: int) -> Run | None:
        asked = Position(tail.epoch, seq)
        return log.read_after(channel, asked, max_updates=500, max_bytes=ANSWER_BYTES)

    return {
        f"{NEWS} updates": lambda: after(tail.seq - NEWS),
        f"snapshot of {NEWS} keys": lambda: log.snapshot(channel),
        "quiet": lambda: after(tail.seq),
        "rewind": lambda: log.kept_events(channel, tail, newest=NEWS, max_bytes=ANSWER_BYTES),
    }


def _fill(engine: Engine, log: SqlLog, channel: str, length: int) -> Position:
    """Make a log of that length whose newest updates set different keys; return its tail."""
    (first,) = log.append(channel, [Draft("set", "k", 0)])
    epoch, expires_at_ms = first.position.epoch, first.at_ms + DAY_MS
    with writing(engine) as connection:
        fill = {"channel": channel, "epoch": epoch, "at_ms": first.at_ms, "expires": expires_at_ms}
        connection.execute(FILL, {**fill, "first": 2, "last": length - NEWS})
        connection.execute(MOVE_ON, {"channel": channel, "last": length - NEWS})
    _settle(engine)
    drafts = [Draft("set", f"k{number}", number) for number in range(NEWS - 1)]
    return log.append(channel, [*drafts, Draft("set", "k", 1)])[-1].position


def _settle(engine: Engine) -> None:
    """Do at once what the database does by itself after a while."""
    words = {"sqlite": "PRAGMA wal_checkpoint(TRUNCATE)", "postgresql": "ANALYZE"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(words[engine.dialect.name])
