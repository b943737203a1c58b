"""What only the DynamoDB store of presence has to do: its transactions, its TTL, its errors."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from backend.lifetimes import BEGIN_MS, CLIENT, HOUR_MS, IDENTITY
from backend.test_presence_contract import saved, there
from bellwire.attendance import MAX_CHANNELS, Answer, confirm, miss
from bellwire.aws.dynamodb_presence import DynamoDbPresence
from bellwire.errors import Upstream

TABLE = "bellwire-presence"


class Failing:
    """A client of which one call fails once."""

    def __init__(self, client: Any, call: str, error: Exception) -> None:
        self._client = client
        self._call = call
        self._errors = [error]

    def __getattr__(self, name: str) -> Any:
        if name == self._call and self._errors:

            def fail(**_: Any) -> Any:
                raise self._errors.pop()

            return fail
        return getattr(self._client, name)


def cancelled(client: Any, *codes: str) -> Exception:
    response = {
        "Error": {"Code": "TransactionCanceledException", "Message": "cancelled"},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    error: Exception = client.exceptions.TransactionCanceledException(
        response, "TransactWriteItems"
    )
    return error


def items_of(dynamodb: Any) -> dict[tuple[str, str], Any]:
    items = dynamodb.scan(TableName=TABLE)["Items"]
    return {(item["belongs_to"]["S"], item["client_id"]["S"]): item for item in items}


def test_ttl_is_an_hour_after_the_end_and_a_day_and_an_hour_after_the_last_sign(
    dynamodb: Any, dynamodb_presence: DynamoDbPresence
) -> None:
    here = saved(dynamodb_presence, there("public/a"))
    day_s = (BEGIN_MS + 1 + 25 * HOUR_MS) // 1000
    assert {key: item["expires_at"] for key, item in items_of(dynamodb).items()} == {
        (f"identity {IDENTITY}", CLIENT): {"N": str(day_s)},
        ("channel public/a", CLIENT): {"N": str(day_s)},
    }
    saved(dynamodb_presence, miss(here, BEGIN_MS + 5))
    hour_s = (BEGIN_MS + 5 + HOUR_MS) // 1000
    assert {key: item["expires_at"] for key, item in items_of(dynamodb).items()} == {
        (f"identity {IDENTITY}", CLIENT): {"N": str(hour_s)}
    }
    assert dynamodb_presence.drop_expired(2**53) == 0


def test_what_changes_no_channel_is_one_write(
    dynamodb: Any, dynamodb_presence: DynamoDbPresence
) -> None:
    here = saved(dynamodb_presence, there("public/a"))
    refusing = Failing(dynamodb, "transact_write_items", AssertionError("a transaction"))
    again = confirm(here, Answer(BEGIN_MS + 60_000, BEGIN_MS, frozenset({"public/a"})))
    assert DynamoDbPresence(refusing, TABLE).save(again)  # type: ignore[arg-type] # a client but for one call


def test_a_crash_halfway_from_fifty_channels_to_fifty_others_is_made_up_for(
    dynamodb: Any, dynamodb_presence: DynamoDbPresence
) -> None:
    before = frozenset(f"public/before{n}" for n in range(MAX_CHANNELS))
    after = frozenset(f"public/after{n}" for n in range(MAX_CHANNELS))
    here = saved(dynamodb_presence, there(*before))
    moved = confirm(here, Answer(BEGIN_MS + 9, BEGIN_MS, after))
    calls: list[Any] = []

    class Crashing(Failing):
        def transact_write_items(self, **words: Any) -> Any:
            calls.append(words)
            if len(calls) == 2:
                raise EndpointConnectionError(endpoint_url="https://dynamodb")
            return dynamodb.transact_write_items(**words)

    crashing = Crashing(dynamodb, "", RuntimeError())
    with pytest.raises(Upstream):
        DynamoDbPresence(crashing, TABLE).save(moved)  # type: ignore[arg-type] # a client that fails once
    halfway = dynamodb_presence.find(CLIENT)
    assert halfway is not None
    assert halfway.presence == here.presence
    back = confirm(halfway, Answer(BEGIN_MS + 10, BEGIN_MS, frozenset({*list(before)[:3], *after})))
    saved(dynamodb_presence, back)
    assert back.presence is not None
    listed = {key.removeprefix("channel ") for key, _ in items_of(dynamodb)}
    assert listed - {f"identity {IDENTITY}"} == back.presence.channels


@pytest.mark.parametrize(
    ("call", "code"),
    [("put_item", "TransactionConflictException"), ("transact_write_items", "")],
)
def test_a_conflict_with_another_transaction_is_a_change_meanwhile(
    dynamodb: Any, dynamodb_presence: DynamoDbPresence, call: str, code: str
) -> None:
    here = saved(dynamodb_presence, there())
    error = cancelled(dynamodb, "None", "TransactionConflict")
    if code:
        response: Any = {"Error": {"Code": code, "Message": "conflict"}}
        error = dynamodb.exceptions.TransactionConflictException(response, "PutItem")
    store = DynamoDbPresence(Failing(dynamodb, call, error), TABLE)  # type: ignore[arg-type] # fails once
    channels = frozenset[str]() if code else frozenset({"public/a"})
    again = confirm(here, Answer(BEGIN_MS + 9, BEGIN_MS, channels))
    assert not store.save(again)
    assert store.save(again)


@pytest.mark.parametrize("call", ["get_item", "transact_write_items"])
def test_errors_are_upstream(dynamodb: Any, dynamodb_presence: DynamoDbPresence, call: str) -> None:
    del dynamodb_presence
    throttled: Any = {"Error": {"Code": "ThrottlingException", "Message": "slow down"}}
    for error in (
        ClientError(throttled, call),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        cancelled(dynamodb, "ThrottlingError"),
    ):
        with pytest.raises(Upstream):
            DynamoDbPresence(Failing(dynamodb, call, error), TABLE).save(there("public/a"))  # type: ignore[arg-type] # fails once
