"""What random histories found, each as the shortest story that shows it."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.conftest import RETENTION_S, Clock
from backend.histories.memory_dynamodb import MemoryDynamoDb, Surroundings
from backend.histories.shelves import CHANNEL, KEYED, LOG, SORT_KEYS
from backend.histories.stage import Actor, Stage, StagedClient
from bellwire.aws import log_items
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_tables import Tables
from bellwire.aws.log_items import slot
from bellwire.updates import ORIGIN, Draft, Position

MakeLog = Callable[[Tables], DynamoDbLog]


@pytest.fixture
def store() -> MemoryDynamoDb:
    return MemoryDynamoDb(SORT_KEYS)


@pytest.fixture
def tables(store: MemoryDynamoDb) -> Tables:
    client: Any = store
    return Tables(client, LOG, KEYED)


def newest_first(count: int) -> int:
    """Let the last action of a transaction be the first to be visible."""
    return count - 1


def events(*data: int) -> list[Draft]:
    return [Draft("event", data=one) for one in data]


def test_an_epoch_whose_opening_is_half_visible_is_not_ended(
    store: MemoryDynamoDb, make_dynamodb_log: MakeLog
) -> None:
    stage = Stage()
    client: Any = StagedClient(stage, store)
    store.around = Surroundings(meanwhile=stage.meanwhile, pick=newest_first)
    one, other = (make_dynamodb_log(Tables(client, LOG, KEYED)) for _ in range(2))
    places: list[Position] = []

    def append(log: DynamoDbLog, data: int) -> None:
        places.append(log.append(CHANNEL, events(data))[0].position)

    first = Actor("one", lambda: append(one, 1), started_ms=0)
    second = Actor("other", lambda: append(other, 2), started_ms=0)
    for actor, before in (
        (first, "query"),
        (first, "transact_write_items"),
        (first, "meanwhile"),  # the head is visible, the update not yet
        (second, "query"),
        (second, "meanwhile"),
        (second, "transact_write_items"),
    ):
        stage.step(actor)
        assert actor.next_call == before
    for actor in (first, second):
        while not actor.is_over:
            stage.step(actor)
    append(one, 3)
    append(other, 4)
    assert places == [Position(places[0].epoch, seq) for seq in (1, 2, 3, 4)]


def test_state_is_not_folded_past_a_transaction_half_visible(
    store: MemoryDynamoDb,
    tables: Tables,
    make_dynamodb_log: MakeLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_items, "MAX_BLOCK_BYTES", 1)  # a block for each update
    writer, applier = make_dynamodb_log(tables), make_dynamodb_log(tables)
    writer.append(CHANNEL, events(1))
    applier.settle_state(CHANNEL)

    def settle_meanwhile() -> None:
        store.around = Surroundings()
        applier.settle_state(CHANNEL)

    store.around = Surroundings(settle_meanwhile, newest_first)
    writer.append(CHANNEL, [Draft("set", "x", 2), Draft("set", "y", 3)])
    applier.settle_state(CHANNEL)
    assert applier.snapshot(CHANNEL).state == {"x": 2, "y": 3}


def test_a_put_waits_for_a_transaction_on_its_slot(
    store: MemoryDynamoDb, tables: Tables, make_dynamodb_log: MakeLog
) -> None:
    one, other = make_dynamodb_log(tables), make_dynamodb_log(tables)
    position = one.append(CHANNEL, events(1))[0].position
    other.append(CHANNEL, events(2))
    store.in_transaction.add((LOG, CHANNEL, slot(1, 3)))
    waits: list[float] = []

    def pause(delay_s: float) -> None:
        waits.append(delay_s)
        store.in_transaction.clear()

    other._appender._sleep = pause  # noqa: SLF001 - where time passes in an append
    assert other.append(CHANNEL, events(3))[0].position == Position(position.epoch, 3)
    assert len(waits) == 1


def test_the_tail_does_not_go_back_when_the_newest_expires_first(
    store: MemoryDynamoDb, tables: Tables, make_dynamodb_log: MakeLog, clock: Clock
) -> None:
    log = make_dynamodb_log(tables)
    for n in (1, 2):
        position = log.append(CHANNEL, events(n))[0].position
    log.settle_state(CHANNEL)
    clock.advance(RETENTION_S)
    store.delete_expired((LOG, CHANNEL, slot(1, 2)))
    assert log.tail(CHANNEL) == position


def test_a_read_that_lacks_expired_updates_is_not_the_end(
    store: MemoryDynamoDb, tables: Tables, make_dynamodb_log: MakeLog, clock: Clock
) -> None:
    log = make_dynamodb_log(tables)
    for n in (1, 2):
        log.append(CHANNEL, events(n))
    log.settle_state(CHANNEL)
    clock.advance(RETENTION_S)
    store.delete_expired((LOG, CHANNEL, slot(1, 2)))
    run = log.read_after(CHANNEL, ORIGIN, max_updates=9, max_bytes=999, is_strong=True)
    assert run is not None
    assert (run.last, run.is_end) == (1, False)
