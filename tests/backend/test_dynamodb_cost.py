"""What each case costs in DynamoDB's units; the table in infra/aws/COSTS.md quotes these rows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.doubles import KeepingBroker
from backend.dynamodb_meter import Meter, item_bytes
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_tables import Tables
from bellwire.fanout import answer_doorbell
from bellwire.polling import Ask, poll
from bellwire.updates import Draft, Position

CHANNEL = "public/host"
COSTS = Path(__file__).parents[2] / "infra" / "aws" / "COSTS.md"


@pytest.fixture
def metered(
    dynamodb_log: DynamoDbLog, make_dynamodb_log: Callable[[Tables], DynamoDbLog]
) -> tuple[DynamoDbLog, Meter]:
    tables = dynamodb_log.tables
    meter = Meter(tables.client)
    log = make_dynamodb_log(Tables(meter, tables.log, tables.keyed))  # type: ignore[arg-type] # counts, and answers as the client does
    log.append(CHANNEL, [Draft("event", data="the first opens the epoch")])
    log.settle_state(CHANNEL)
    meter.reset()
    return log, meter


def event(size_bytes: int = 100, draft_id: str | None = None) -> Draft:
    return Draft("event", data="x" * size_bytes, id=draft_id)


def ask(log: DynamoDbLog, *positions: tuple[str, Position]) -> None:
    poll(
        Ask(dict(positions)),
        log=log,
        may_read=lambda _: True,
        identity_id=None,
        poll_after_ms=1,
    )


Case = Callable[[DynamoDbLog, Meter], None]


def small_event(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [event()])


def event_and_doorbell(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [event()])
    answer_doorbell(CHANNEL, log=log, broker=KeepingBroker(), stage="dev")


def event_with_id(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [event(draft_id="order-8")])


def event_of_5_kb(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [event(5_000)])


def keyed_set(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [Draft("set", "cpu", 7)])
    log.settle_state(CHANNEL)


def twenty_five_at_once(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [event() for _ in range(25)])


def twenty_five_sets_of_five_keys(log: DynamoDbLog, _: Meter) -> None:
    log.append(CHANNEL, [Draft("set", f"k{n % 5}", n) for n in range(25)])
    log.settle_state(CHANNEL)


def first_of_a_channel(log: DynamoDbLog, _: Meter) -> None:
    log.append("public/new", [event()])


def quiet_poll_of_one(log: DynamoDbLog, meter: Meter) -> None:
    tail = log.tail(CHANNEL)
    meter.reset()
    ask(log, (CHANNEL, tail))


def quiet_poll_of_ten(log: DynamoDbLog, meter: Meter) -> None:
    places = [(f"public/c{n}", log.append(f"public/c{n}", [event()])[0]) for n in range(10)]
    for channel, _ in places:
        log.settle_state(channel)
    meter.reset()
    ask(log, *[(channel, receipt.position) for channel, receipt in places])


def poll_with_ten_updates(log: DynamoDbLog, meter: Meter) -> None:
    epoch = log.tail(CHANNEL).epoch
    for _ in range(10):
        log.append(CHANNEL, [event()])
    meter.reset()
    ask(log, (CHANNEL, Position(epoch, 1)))


CASES: dict[str, Case] = {
    "small event, warm tail": small_event,
    "small event, pushed and folded by a doorbell": event_and_doorbell,
    "event with a caller's id": event_with_id,
    "event of 5 KB": event_of_5_kb,
    "set of a key, state folded": keyed_set,
    "25 events at once": twenty_five_at_once,
    "25 sets of 5 keys at once, state folded": twenty_five_sets_of_five_keys,
    "first update of a channel": first_of_a_channel,
    "quiet poll of one channel": quiet_poll_of_one,
    "quiet poll of ten channels": quiet_poll_of_ten,
    "poll with ten updates": poll_with_ten_updates,
}


def rows() -> list[tuple[str, int, float]]:
    """Read the table of the page: case, write units, read units."""
    cells = [line.strip("| \n").split(" | ") for line in COSTS.read_text().splitlines()]
    return [(row[0], int(row[1]), float(row[2])) for row in cells if row[0] in CASES]


def test_the_page_has_a_row_for_each_case() -> None:
    assert [name for name, _, _ in rows()] == list(CASES)


@pytest.mark.parametrize(("name", "writes", "reads"), rows(), ids=str)
def test_what_a_case_costs(
    metered: tuple[DynamoDbLog, Meter], name: str, writes: int, reads: float
) -> None:
    log, meter = metered
    CASES[name](log, meter)
    assert (meter.writes, meter.reads) == (writes, reads)


def test_sizes_are_those_of_the_guide() -> None:
    assert item_bytes({"a": {"S": "é"}}) == 3
    assert item_bytes({"n": {"N": "1000000000042"}}) == 1 + 8
    assert item_bytes({"n": {"N": "100"}}) == 1 + 2
    assert item_bytes({"f": {"BOOL": True}}) == 2
