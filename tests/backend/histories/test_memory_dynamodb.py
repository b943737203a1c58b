"""The memory store does what moto does, call for call; what it adds is tested by itself."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from backend.histories.choices import Choices
from backend.histories.expressions import UnknownExpression
from backend.histories.memory_dynamodb import MemoryDynamoDb, Surroundings
from backend.histories.moto_shelf import MotoShelf
from backend.histories.shelves import KEYED, LOG, SORT_KEYS

CHANNELS = ("public/a", "public/b")
HEAD = 10**30


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield MotoShelf()


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def key_of(choices: Choices, table: str) -> dict[str, Any]:
    n = choices.among([1, 2, 3, 4, 5, HEAD])
    sort = number(n) if table == LOG else {"S": choices.among(["s:x", "s:y", "i:1", "i:2"])}
    return {"channel": {"S": choices.among(CHANNELS)}, SORT_KEYS[table]: sort}


def put(choices: Choices) -> dict[str, Any]:
    table = choices.among([LOG, KEYED])
    sort = SORT_KEYS[table]
    item = {**key_of(choices, table), "gen": number(choices.pick(4))}
    item |= (
        {"n": number(choices.pick(9)), "expires_at": number(choices.pick(9))} if sort == "k" else {}
    )
    call: dict[str, Any] = {"TableName": table, "Item": item}
    condition = choices.among(
        ["", f"attribute_not_exists({sort})", "attribute_not_exists(k) OR expires_at < :v",
         "attribute_not_exists(n) OR n < :v", "attribute_exists(gen) AND gen >= :v"]
    )  # fmt: skip
    return call | conditional(choices, condition)


def conditional(choices: Choices, condition: str) -> dict[str, Any]:
    call: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
    if ":v" in condition:
        call["ExpressionAttributeValues"] = {":v": number(choices.pick(9))}
    if condition and choices.chance(70):
        call["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return call


def update(choices: Choices) -> dict[str, Any]:
    call = conditional(choices, choices.among(["w < :v", "attribute_not_exists(gen)", "gen = :v"]))
    values = {":new": number(choices.pick(9)), **call.get("ExpressionAttributeValues", {})}
    expression = choices.among(
        ["SET w = :new", "SET gen = :new, w = if_not_exists(w, :new)", "SET pushed = :new"]
    )
    return call | {
        "TableName": LOG,
        "Key": key_of(choices, LOG),
        "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
    }


def query(choices: Choices) -> dict[str, Any]:
    table = choices.among([LOG, KEYED])
    values: dict[str, Any] = {":c": {"S": choices.among(CHANNELS)}}
    condition = "channel = :c"
    if table == KEYED and choices.chance(50):
        condition, values = condition + " AND begins_with(k, :p)", values | {":p": {"S": "s:"}}
    elif table == LOG:
        more = {
            "": {},
            " AND n > :n": {":n": number(choices.pick(6))},
            " AND n BETWEEN :f AND :n": {":f": number(2), ":n": number(2 + choices.pick(4))},
        }
        chosen = choices.among(list(more))
        condition, values = condition + chosen, values | more[chosen]
    call: dict[str, Any] = {"TableName": table, "KeyConditionExpression": condition}
    call |= {"ExpressionAttributeValues": values, "ScanIndexForward": choices.chance(50)}
    return call | ({"Limit": 1 + choices.pick(3)} if choices.chance(50) else {})


def call_both(choices: Choices, stores: tuple[Any, Any]) -> None:
    call: dict[str, Any]
    name = choices.among(
        ["put_item", "update_item", "get_item", "query", "transact", "delete_item"]
    )
    if name == "transact":
        actions = {
            str(a): a for a in (transaction_part(choices) for _ in range(1 + choices.pick(4)))
        }
        by_key = {str(next(iter(a.values())).get("Key") or key_in(a)): a for a in actions.values()}
        name, call = "transact_write_items", {"TransactItems": list(by_key.values())}
    elif name in ("get_item", "delete_item"):
        table = choices.among([LOG, KEYED])
        call = {"TableName": table, "Key": key_of(choices, table)}
    else:
        call = {"put_item": put, "update_item": update, "query": query}[name](choices)
    ours, theirs = (answer(getattr(store, name), call) for store in stores)
    assert ours == theirs, f"{name} {call}"


def key_in(action: dict[str, Any]) -> dict[str, Any]:
    table, item = action["Put"]["TableName"], action["Put"]["Item"]
    return {name: item[name] for name in ("channel", SORT_KEYS[table])}


def transaction_part(choices: Choices) -> dict[str, Any]:
    return {"Update": update(choices)} if choices.chance(30) else {"Put": put(choices)}


def answer(call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Reduce an answer to what our code looks at."""
    try:
        found = call(**arguments)
    except ClientError as error:
        response: Any = error.response
        reasons = [(r.get("Code"), r.get("Item")) for r in response.get("CancellationReasons", [])]
        return type(error).__name__, response.get("Item"), reasons
    return found.get("Items"), found.get("Item")


@pytest.mark.parametrize("seed", range(12))
def test_random_calls_get_the_answers_that_moto_gives(moto: MotoShelf, seed: int) -> None:
    choices = Choices(random.Random(seed).randbytes(1200))
    ours = MemoryDynamoDb(SORT_KEYS)
    while not choices.is_spent:
        call_both(choices, (ours, moto))
    assert ours.items == moto.items()


def item(n: int) -> dict[str, Any]:
    return {"channel": {"S": "public/a"}, "n": number(n)}


def all_of(store: MemoryDynamoDb, *, is_strong: bool) -> list[int]:
    call: dict[str, Any] = {"TableName": LOG, "KeyConditionExpression": "channel = :c"}
    call |= {"ExpressionAttributeValues": {":c": {"S": "public/a"}}, "ConsistentRead": is_strong}
    found: list[int] = []
    while True:
        page = store.query(**call)
        found += [int(row["n"]["N"]) for row in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return found
        call["ExclusiveStartKey"] = page["LastEvaluatedKey"]


@pytest.mark.parametrize("page_items", [1, 2, 3, 9])
def test_pages_join_to_the_whole(page_items: int) -> None:
    store = MemoryDynamoDb(SORT_KEYS, page_items=page_items)
    for n in (3, 1, 2):
        store.put_item(TableName=LOG, Item=item(n))
    assert all_of(store, is_strong=True) == [1, 2, 3]


def test_an_eventual_read_lags_by_whole_changes() -> None:
    store = MemoryDynamoDb(SORT_KEYS, around=Surroundings(pick=lambda count: min(1, count - 1)))
    for n in (1, 2, 3):
        store.put_item(TableName=LOG, Item=item(n))
    store.delete_item(TableName=LOG, Key=item(1))
    assert all_of(store, is_strong=False) == [1, 2, 3]
    assert all_of(store, is_strong=True) == [2, 3]


def test_a_transaction_is_seen_in_parts_and_holds_others_off() -> None:
    seen: list[tuple[list[int], str]] = []

    def look() -> None:
        others = answer(store.put_item, {"TableName": LOG, "Item": item(3)})
        store.around = Surroundings()
        seen.append((all_of(store, is_strong=True), others[0]))

    store = MemoryDynamoDb(SORT_KEYS, around=Surroundings(meanwhile=look))
    puts = [{"Put": {"TableName": LOG, "Item": item(n)}} for n in (1, 2, 3)]
    store.transact_write_items(TransactItems=puts)
    assert seen == [([1], "TransactionConflictException")]
    assert all_of(store, is_strong=True) == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"ConditionExpression": "size(n) > :v", "ExpressionAttributeValues": {":v": number(1)}},
        {"ConditionExpression": "n = :v"},
        {"ExpressionAttributeValues": {":v": number(1)}},
        {"ConditionExpression": "NOT attribute_exists(n)"},
        {"ReturnConsumedCapacity": "TOTAL"},
    ],
)
def test_what_it_does_not_know_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(UnknownExpression):
        MemoryDynamoDb(SORT_KEYS).put_item(TableName=LOG, Item=item(1), **change)
