"""Counts DynamoDB's capacity units by AWS's rules, from what crosses the client.

moto reports none that can be trusted. Source: DynamoDB guide, "DynamoDB item sizes and formats",
"Read and write operations", "Transactions: capacity management" (twice the units per item).
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from botocore.exceptions import ClientError

WRITE_UNIT_BYTES = 1_024
READ_UNIT_BYTES = 4_096


class Meter:
    """A client that counts; refused conditional writes are counted too, as AWS does."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.exceptions = client.exceptions
        self.writes = 0
        self.reads = 0.0

    def reset(self) -> None:
        self.writes, self.reads = 0, 0.0

    def put_item(self, **words: Any) -> Any:
        self.writes += _write_units(words["Item"])
        return self._client.put_item(**words)

    def update_item(self, **words: Any) -> Any:
        try:
            return self._client.update_item(**words)
        finally:
            self.writes += _write_units(self._read(words))

    def transact_write_items(self, **words: Any) -> Any:
        try:
            return self._client.transact_write_items(**words)
        finally:
            for action in words["TransactItems"]:
                (kind, parts), *_ = action.items()
                item = parts["Item"] if kind == "Put" else self._read(parts)
                self.writes += 2 * _write_units(item)

    def get_item(self, **words: Any) -> Any:
        found = self._client.get_item(**words)
        self.reads += _read_units([found.get("Item", {})], words)
        return found

    def query(self, **words: Any) -> Any:
        page = self._client.query(**words)
        self.reads += _read_units(page["Items"], words)
        return page

    def _read(self, words: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            key = {"TableName": words["TableName"], "Key": words["Key"]}
            found: Mapping[str, Any] = self._client.get_item(**key).get("Item", {})
        except ClientError:
            return {}
        return found


def item_bytes(item: Mapping[str, Any]) -> int:
    """Size an item: the names and values of its attributes."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    (kind, content), *_ = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return ceil(len(content.strip("-").replace(".", "").strip("0")) / 2) + 1
    assert kind == "BOOL", kind
    return 1


def _write_units(item: Mapping[str, Any]) -> int:
    return max(1, ceil(item_bytes(item) / WRITE_UNIT_BYTES))


def _read_units(items: list[Mapping[str, Any]], words: Mapping[str, Any]) -> float:
    units = max(1, ceil(sum(map(item_bytes, items)) / READ_UNIT_BYTES))
    return units * (1.0 if words.get("ConsistentRead") else 0.5)
