"""Who is connected, in DynamoDB. The items are described in `presence_items`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final

from bellwire.attendance import Attendance
from bellwire.aws.dynamodb_tables import mapped_errors, read_pages
from bellwire.aws.presence_items import (
    SHARDS,
    Client,
    channel_key,
    channels_of,
    decode_client,
    decode_place,
    encode_client,
    encode_place,
    identity_key,
    key_of_client,
    key_of_place,
    since_ms,
)
from bellwire.identity_ports import Present

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        PutTypeDef,
        TransactWriteItemTypeDef,
    )

DUE: Final = "due"
MAX_PLACES: Final = 99
"""Items in a transaction beside the client's own. Source: TransactWriteItems, 100 actions."""

_CHANGED_MEANWHILE = {"ConditionalCheckFailed", "TransactionConflict"}


@dataclass(frozen=True, slots=True)
class _Step:
    """One transaction: a client as it is to be, channels to list it at, channels to strike it."""

    client: Client
    listed: frozenset[str]
    struck: frozenset[str]


class DynamoDbPresence:
    """A `PresenceStore` on one DynamoDB table.

    A save reads the client once and costs one write, or two for each channel that changes with it.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, client_id: str) -> Attendance | None:
        """See `PresenceStore.find`."""
        with mapped_errors():
            found = self._read(client_id)
        return None if found is None else found.attendance

    def save(self, attendance: Attendance) -> bool:
        """See `PresenceStore.save`."""
        with mapped_errors():
            stored = self._read(attendance.client_id)
            revision = 0 if stored is None else stored.attendance.revision
            if revision != attendance.revision:
                return False
            return all(self._write(step) for step in _steps(stored, attendance))

    def client_ids_of(self, identity_id: str) -> list[str]:
        """See `PresenceStore.client_ids_of`."""
        with mapped_errors():
            return [item["client_id"]["S"] for item in self._under(identity_key(identity_id))]

    def clients_on(self, channel: str) -> list[Present]:
        """See `PresenceStore.clients_on`."""
        with mapped_errors():
            return [decode_place(item) for item in self._under(channel_key(channel))]

    def unconfirmed(self, before_ms: int, limit: int) -> list[Attendance]:
        """See `PresenceStore.unconfirmed`."""
        with mapped_errors():
            due = (one for shard in range(SHARDS) for one in self._due(shard, before_ms, limit))
            found = [self._read(client_id) for _, client_id in nsmallest(limit, due)]
        attendances = (client.attendance for client in found if client is not None)
        return [one for one in attendances if one.may_be_there and one.confirmed_at_ms < before_ms]

    def drop_expired(self, now_ms: int) -> int:  # noqa: ARG002 - DynamoDB has its own clock
        """See `PresenceStore.drop_expired`; the table's TTL does it."""
        return 0

    def _read(self, client_id: str) -> Client | None:
        item = self._client.get_item(
            TableName=self._table, Key=key_of_client(client_id), ConsistentRead=True
        ).get("Item")
        return None if item is None else decode_client(item)

    def _under(self, key: str) -> "Iterable[dict[str, AttributeValueTypeDef]]":
        return read_pages(
            self._client,
            {
                "TableName": self._table,
                "KeyConditionExpression": "belongs_to = :key",
                "ExpressionAttributeValues": {":key": {"S": key}},
                "ConsistentRead": True,
            },
        )

    def _due(self, shard: int, before_ms: int, limit: int) -> list[tuple[int, str]]:
        items = self._client.query(
            TableName=self._table,
            IndexName=DUE,
            KeyConditionExpression="due = :shard AND confirmed_at < :before",
            ExpressionAttributeValues={
                ":shard": {"S": str(shard)},
                ":before": {"N": str(before_ms)},
            },
            Limit=limit,
        )["Items"]
        return [(int(item["confirmed_at"]["N"]), item["client_id"]["S"]) for item in items]

    def _write(self, step: _Step) -> bool:
        """Do one step, unless the client has changed since."""
        put = self._put(step.client)
        places = self._places(step)
        try:
            if places:
                self._client.transact_write_items(TransactItems=[{"Put": put}, *places])
            else:
                self._client.put_item(**put)
        except (
            self._client.exceptions.ConditionalCheckFailedException,
            self._client.exceptions.TransactionConflictException,
        ):
            return False
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment] # not in botocore's ClientError shape
            if not {reason.get("Code") for reason in reasons} & _CHANGED_MEANWHILE:
                raise
            return False
        return True

    def _put(self, client: Client) -> "PutTypeDef":
        before = client.attendance.revision - 1
        put: PutTypeDef = {
            "TableName": self._table,
            "Item": encode_client(client),
            "ConditionExpression": "attribute_not_exists(revision)",
        }
        if before > 0:
            put["ConditionExpression"] = "revision = :before"
            put["ExpressionAttributeValues"] = {":before": {"N": str(before)}}
        return put

    def _places(self, step: _Step) -> "list[TransactWriteItemTypeDef]":
        table, attendance = self._table, step.client.attendance
        puts: list[TransactWriteItemTypeDef] = [
            {"Put": {"TableName": table, "Item": encode_place(attendance, channel)}}
            for channel in sorted(step.listed)
        ]
        keys = (key_of_place(attendance.client_id, channel) for channel in sorted(step.struck))
        return puts + [{"Delete": {"TableName": table, "Key": key}} for key in keys]


def create_presence_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table; for tests and tools, a deployment's is in its template."""
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "belongs_to", "KeyType": "HASH"},
            {"AttributeName": "client_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "belongs_to", "AttributeType": "S"},
            {"AttributeName": "client_id", "AttributeType": "S"},
            {"AttributeName": "due", "AttributeType": "S"},
            {"AttributeName": "confirmed_at", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": DUE,
                "KeySchema": [
                    {"AttributeName": "due", "KeyType": "HASH"},
                    {"AttributeName": "confirmed_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )


def _steps(stored: Client | None, attendance: Attendance) -> list[_Step]:
    """Tell how a client gets from what is stored to what it is to be."""
    before = frozenset[str]() if stored is None else stored.listed
    wanted, revision = channels_of(attendance), attendance.revision
    has_moved = stored is None or since_ms(stored.attendance) != since_ms(attendance)
    listed, struck = (wanted if has_moved else wanted - before), before - wanted
    if stored is None or len(listed) + len(struck) <= MAX_PLACES:
        client = Client(replace(attendance, revision=revision + 1), wanted)
        return [_Step(client, listed, struck)]
    halfway = Client(replace(stored.attendance, revision=revision + 1), before - struck)
    client = Client(replace(attendance, revision=revision + 2), wanted)
    return [_Step(halfway, frozenset(), struck), _Step(client, listed, frozenset())]
