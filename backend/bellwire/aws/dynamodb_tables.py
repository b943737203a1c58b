"""The two DynamoDB tables of the log, and the calls on them that are more than one line."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from bellwire.aws.log_items import HEAD_N, Block, Fence, Head, decode_log_item
from bellwire.errors import Upstream

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, QueryInputTypeDef


@dataclass(frozen=True, slots=True)
class Tables:
    """A DynamoDB client and the names of the tables `log` and `keyed`."""

    client: "DynamoDBClient"
    log: str
    keyed: str

    def query(self, query: "QueryInputTypeDef") -> "Iterator[dict[str, AttributeValueTypeDef]]":
        """Read all items of a query, a page at a time as they are taken."""
        return read_pages(self.client, query)

    def read_head(self, channel: str) -> Head | None:
        """Read a channel's head item, strongly."""
        item = self.client.get_item(
            TableName=self.log,
            Key={"channel": {"S": channel}, "n": {"N": str(HEAD_N)}},
            ConsistentRead=True,
        ).get("Item")
        found = decode_log_item(item) if item else None
        return found if isinstance(found, Head) else None

    def read_tail(self, channel: str) -> tuple[Head | None, Block | Fence | None]:
        """Read the head and then the newest item, strongly, in one query in that order."""
        items = self.client.query(
            TableName=self.log,
            KeyConditionExpression="channel = :c",
            ExpressionAttributeValues={":c": {"S": channel}},
            ScanIndexForward=False,
            ConsistentRead=True,
            Limit=2,
        )["Items"]
        head: Head | None = None
        for item in map(decode_log_item, items):
            if not isinstance(item, Head):
                return head, item
            head = item
        return head, None

    def advance_folded(self, channel: str, folded_n: int) -> None:
        """Raise a head's `w`, unless it is as high already."""
        self._advance(channel, "SET w = :to", "w < :to", {":to": {"N": str(folded_n)}})

    def advance_pushed(self, channel: str, from_n: int, to_n: int) -> bool:
        """Raise a head's `pushed` to `to_n` if it stands from `from_n` to that; tell whether."""
        values: dict[str, AttributeValueTypeDef] = {
            ":from": {"N": str(from_n)},
            ":to": {"N": str(to_n)},
        }
        return self._advance(channel, "SET pushed = :to", "pushed BETWEEN :from AND :to", values)

    def _advance(
        self,
        channel: str,
        update: str,
        condition: str,
        values: "Mapping[str, AttributeValueTypeDef]",
    ) -> bool:
        try:
            self.client.update_item(
                TableName=self.log,
                Key={"channel": {"S": channel}, "n": {"N": str(HEAD_N)}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def put_if_newer(self, item: "Mapping[str, AttributeValueTypeDef]") -> None:
        """Put an item of `keyed`, unless one with the same or a higher `n` is there."""
        try:
            self.client.put_item(
                TableName=self.keyed,
                Item=item,
                ConditionExpression="attribute_not_exists(n) OR n < :n",
                ExpressionAttributeValues={":n": item["n"]},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return


def create_tables(client: "DynamoDBClient", log: str, keyed: str) -> Tables:
    """Create both tables; for tests and tools, a deployment's are in its template."""
    keys: Sequence[tuple[str, str, str]] = ((log, "n", "N"), (keyed, "k", "S"))
    for name, sort_key, kind in keys:
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "channel", "KeyType": "HASH"},
                {"AttributeName": sort_key, "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "channel", "AttributeType": "S"},
                {"AttributeName": sort_key, "AttributeType": "N" if kind == "N" else "S"},
            ],
        )
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )
    return Tables(client, log, keyed)


def read_pages(
    client: "DynamoDBClient", query: "QueryInputTypeDef"
) -> "Iterator[dict[str, AttributeValueTypeDef]]":
    """Read all items of a query, a page at a time as they are taken."""
    while True:
        page = client.query(**query)
        yield from page["Items"]
        if not page.get("LastEvaluatedKey"):
            return
        query = cast("QueryInputTypeDef", {**query, "ExclusiveStartKey": page["LastEvaluatedKey"]})


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn every error of DynamoDB and of the way to it into `Upstream`."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise Upstream(f"DynamoDB refused: {code}: {error}") from error
    except BotoCoreError as error:
        raise Upstream(f"DynamoDB could not be reached: {error}") from error
