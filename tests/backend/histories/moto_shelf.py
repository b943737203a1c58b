"""The items of a history in moto: another's imitation of DynamoDB, slower and tamer than ours.

Every call is atomic there, nothing lags and pages are long; what it checks is that the calls mean
to somebody else's store what they mean to ours.
"""

from collections.abc import Callable, Sequence
from typing import Any

import boto3

from backend.histories.expressions import Item, number_or_text
from backend.histories.memory_dynamodb import Key
from backend.histories.shelves import KEYED, LOG, SORT_KEYS, Commit, Shelf
from bellwire.aws.dynamodb_tables import create_tables


class MotoShelf(Shelf):
    """Two tables in moto, emptied for every history; use it inside `mock_aws`."""

    def __init__(self) -> None:
        self._moto = boto3.client("dynamodb", region_name="us-east-1")
        self._committed: Commit = _nobody
        self.client: Any = self
        self.exceptions: Any = self._moto.exceptions
        create_tables(self._moto, LOG, KEYED)

    @property
    def has_transaction(self) -> bool:
        """See `Shelf.has_transaction`: its transactions are seen whole."""
        return False

    def clear(self) -> None:
        """Remove everything."""
        for key in self.items():
            self.delete(key)

    def connect(
        self,
        *,
        meanwhile: Callable[[], None],  # noqa: ARG002 - its calls are atomic
        pick: Callable[[int], int],  # noqa: ARG002 - its reads never lag
        committed: Commit,
    ) -> None:
        """See `Shelf.connect`."""
        self._committed = committed

    def items(self) -> dict[Key, Item]:
        """See `Shelf.items`."""
        found: dict[Key, Item] = {}
        for table, sort_key in SORT_KEYS.items():
            rows: Any = self._moto.scan(TableName=table)["Items"]
            for item in rows:
                found[table, item["channel"]["S"], number_or_text(item[sort_key])] = item
        return found

    def delete(self, key: Key) -> None:
        """See `Shelf.delete`."""
        table, channel, sort = key
        kind = "N" if isinstance(sort, int) else "S"
        self._moto.delete_item(
            TableName=table, Key={"channel": {"S": channel}, SORT_KEYS[table]: {kind: str(sort)}}
        )

    def put_item(self, **call: Any) -> Any:
        """Write, and tell of it."""
        answer = self._moto.put_item(**call)
        self._committed(call["TableName"], [call["Item"]])
        return answer

    def transact_write_items(self, **call: Any) -> Any:
        """Write all, and tell of it."""
        answer = self._moto.transact_write_items(**call)
        puts = [action["Put"] for action in call["TransactItems"] if "Put" in action]
        for table in SORT_KEYS:
            self._committed(table, [put["Item"] for put in puts if put["TableName"] == table])
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._moto, name)


def _nobody(_table: str, _items: Sequence[Item]) -> None:
    """Tell nobody."""
