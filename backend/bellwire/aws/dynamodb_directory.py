"""The directory in DynamoDB: one item for each identity, and one that points to it by the user.

The table's one key is `id`: `identity#us-east-1:5b1a…` or `user#alice`.
"""

from typing import TYPE_CHECKING

from bellwire.aws.dynamodb_tables import mapped_errors
from bellwire.identity_ports import Person

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


class DynamoDbDirectory:
    """A `Directory` on boto3's `dynamodb`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def find(self, identity_id: str) -> Person | None:
        """See `Directory.find`."""
        item = self._read(f"identity#{identity_id}")
        return None if item is None else _decode(item)

    def find_identity(self, user: str) -> str | None:
        """See `Directory.find_identity`."""
        item = self._read(f"user#{user}")
        return None if item is None else item["identity_id"]["S"]

    def save(self, person: Person) -> bool:
        """See `Directory.save`: the person and the pointer together, or neither."""
        values: dict[str, AttributeValueTypeDef] = {":known": {"N": str(person.revision)}}
        condition = "revision = :known"
        if person.revision == 0:
            condition, values = "attribute_not_exists(id)", {}
        pointer: dict[str, AttributeValueTypeDef] = {
            "id": {"S": f"user#{person.user}"},
            "identity_id": {"S": person.identity_id},
        }
        words = {"ExpressionAttributeValues": values} if values else {}
        with mapped_errors():
            try:
                self._client.transact_write_items(
                    TransactItems=[
                        {
                            "Put": {
                                "TableName": self._table,
                                "Item": _encode(person),
                                "ConditionExpression": condition,
                                **words,  # type: ignore[typeddict-item]  # one optional word
                            }
                        },
                        {"Put": {"TableName": self._table, "Item": pointer}},
                    ]
                )
            except self._client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response["CancellationReasons"]}
                if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                    return False
                raise
        return True

    def _read(self, key: str) -> "dict[str, AttributeValueTypeDef] | None":
        with mapped_errors():
            found = self._client.get_item(
                TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True
            )
        return found.get("Item")


def create_directory_table(client: "DynamoDBClient", table: str) -> None:
    """Create the table; for tests and tools, a deployment's is in its template."""
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )


def _encode(person: Person) -> "dict[str, AttributeValueTypeDef]":
    return {
        "id": {"S": f"identity#{person.identity_id}"},
        "identity_id": {"S": person.identity_id},
        "user": {"S": person.user},
        "groups": {"L": [{"S": group} for group in person.groups]},
        "attached": {"L": [{"S": name} for name in person.attached]},
        "unsettled": {"L": [{"S": name} for name in person.unsettled]},
        "revoked_before_s": {"N": str(person.revoked_before_s)},
        "is_revoked": {"BOOL": person.is_revoked},
        "revision": {"N": str(person.revision + 1)},
    }


def _decode(item: "dict[str, AttributeValueTypeDef]") -> Person:
    return Person(
        identity_id=item["identity_id"]["S"],
        user=item["user"]["S"],
        groups=tuple(one["S"] for one in item["groups"]["L"]),
        attached=tuple(one["S"] for one in item["attached"]["L"]),
        unsettled=tuple(one["S"] for one in item["unsettled"]["L"]),
        revoked_before_s=int(item["revoked_before_s"]["N"]),
        is_revoked=item["is_revoked"]["BOOL"],
        revision=int(item["revision"]["N"]),
    )
