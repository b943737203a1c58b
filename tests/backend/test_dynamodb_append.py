"""What only DynamoDB's append has to do: epochs, fences, lost answers."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from backend.conftest import RETENTION_S, Clock, OneCallAtATime
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_tables import Tables
from bellwire.errors import TooLarge, Upstream
from bellwire.updates import ORIGIN, Draft, Position, Update

CHANNEL = "public/host"


def append(log: DynamoDbLog, data: Any) -> Position:
    return log.append(CHANNEL, [Draft("event", data=data)])[0].position


def read(log: DynamoDbLog, position: Position) -> tuple[Update, ...] | None:
    run = log.read_after(CHANNEL, position, max_updates=99, max_bytes=1 << 20, is_strong=True)
    return None if run is None else run.updates


class LosesAnswers(OneCallAtATime):
    """Does what it is asked and then says that it timed out, as often as it is told."""

    losses: dict[str, int]

    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)
        if self.losses.get(name, 0) == 0:
            return call

        def lose(**arguments: Any) -> Any:
            self.losses[name] -= 1
            call(**arguments)
            raise ReadTimeoutError(endpoint_url="https://dynamodb")

        return lose


@pytest.fixture
def lossy(dynamodb_log: DynamoDbLog, make_dynamodb_log: Callable[[Tables], DynamoDbLog]) -> Any:
    tables = dynamodb_log.tables
    client: Any = LosesAnswers(tables.client)
    client.losses = {}
    return make_dynamodb_log(Tables(client, tables.log, tables.keyed)), client


def test_a_channel_silent_beyond_its_retention_goes_on_in_a_new_epoch(
    dynamodb_log: DynamoDbLog, clock: Clock
) -> None:
    old = append(dynamodb_log, "old")
    clock.advance(RETENTION_S)
    new = append(dynamodb_log, "new")
    assert (new.seq, new.epoch == old.epoch) == (1, False)
    assert read(dynamodb_log, old) is None
    assert read(dynamodb_log, Position(new.epoch, 0)) == (
        Update(1, "event", None, "new", None, clock.now_ms),
    )
    assert [u.data for u in dynamodb_log.kept_events(CHANNEL, new, max_bytes=1 << 20)] == ["new"]
    assert dynamodb_log.tail(CHANNEL) == new


def test_state_outlives_its_epoch(dynamodb_log: DynamoDbLog, clock: Clock) -> None:
    dynamodb_log.append(CHANNEL, [Draft("set", "a", 1), Draft("set", "b", 1)])
    dynamodb_log.settle_state(CHANNEL)
    clock.advance(RETENTION_S)
    dynamodb_log.append(CHANNEL, [Draft("set", "b", 2)])
    assert dynamodb_log.snapshot(CHANNEL).state == {"a": 1, "b": 2}
    dynamodb_log.settle_state(CHANNEL)
    assert dynamodb_log.snapshot(CHANNEL).state == {"a": 1, "b": 2}


def test_from_the_origin_only_the_first_epoch_is_continuity(
    dynamodb_log: DynamoDbLog, clock: Clock
) -> None:
    append(dynamodb_log, "first")
    clock.advance(RETENTION_S)
    append(dynamodb_log, "second")
    run = dynamodb_log.read_after(CHANNEL, ORIGIN, max_updates=9, max_bytes=999, is_strong=True)
    assert run is not None
    assert ([u.data for u in run.updates], run.is_end) == (["first"], False)
    assert read(dynamodb_log, Position(run.epoch, run.last)) is None


def test_a_warm_writer_cannot_continue_an_epoch_that_another_has_ended(
    dynamodb_log: DynamoDbLog, make_dynamodb_log: Callable[[Tables], DynamoDbLog], clock: Clock
) -> None:
    other = make_dynamodb_log(dynamodb_log.tables)
    append(dynamodb_log, 1)
    clock.advance(RETENTION_S)
    opened = append(other, 2)
    clock.advance(-RETENTION_S)  # the first writer's clock is an hour behind, its tail still warm
    assert append(dynamodb_log, 3) == Position(opened.epoch, 2)


@pytest.mark.parametrize("drafts", [1, 2], ids=["one block", "with an id"])
def test_a_lost_answer_never_appends_twice(lossy: Any, drafts: int) -> None:
    log, client = lossy
    append(log, "before")
    batch = [Draft("event", data=n, id=None if drafts == 1 else f"id{n}") for n in range(drafts)]
    client.losses = {"put_item": 2, "transact_write_items": 2}
    receipts = log.append(CHANNEL, batch)
    assert [(r.position.seq, r.is_duplicate) for r in receipts] == [
        (2 + n, False) for n in range(drafts)
    ]
    assert [u.data for u in read(log, ORIGIN) or ()] == ["before", *range(drafts)]


def test_a_lost_answer_to_the_opening_of_an_epoch_opens_it_once(lossy: Any) -> None:
    log, client = lossy
    client.losses = {"transact_write_items": 1}
    first = append(log, 1)
    assert append(log, 2) == Position(first.epoch, 2)


def test_a_store_that_never_answers_is_a_clear_error(lossy: Any) -> None:
    log, client = lossy
    client.losses = {"query": 1}
    with pytest.raises(Upstream, match="could not be reached"):
        append(log, 1)


def test_a_writer_that_was_overtaken_goes_on_behind_the_other(
    dynamodb_log: DynamoDbLog, make_dynamodb_log: Callable[[Tables], DynamoDbLog]
) -> None:
    other = make_dynamodb_log(dynamodb_log.tables)
    append(dynamodb_log, 1)
    append(other, 2)
    append(other, 3)
    assert append(dynamodb_log, 4).seq == 4


def test_more_than_fifty_drafts_are_refused(dynamodb_log: DynamoDbLog) -> None:
    with pytest.raises(TooLarge, match="at most 50 updates at once, found 51"):
        dynamodb_log.append(CHANNEL, [Draft("event")] * 51)
