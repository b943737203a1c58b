"""DynamoDB in memory, for the calls our code makes, with what makes DynamoDB hard.

Modelled: conditions and the items they return; cancelled transactions and their reasons; pages
of few items; queries that read one item after another while others write; transactions that are
atomic for writes, of which a query may see a part (read-committed isolation); conflicts with a
transaction in progress; eventually consistent reads that lag, each page by its own amount.
Not modelled: capacity, throttling, item sizes, indexes, streams, filters and projections.

Source: Amazon DynamoDB developer guide, "Amazon DynamoDB Transactions: How it works" (isolation
levels) and "DynamoDB read consistency".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session

from backend.histories.expressions import (
    Item,
    UnknownExpression,
    assign,
    check_values,
    is_true,
    number_or_text,
)

Key = tuple[str, str, Any]
"""Table, channel, sort key."""

_OLD = "ReturnValuesOnConditionCheckFailure"
_WRITE = {"TableName", "ConditionExpression", "ExpressionAttributeValues", _OLD}
_QUERY = {
    "TableName",
    "KeyConditionExpression",
    "ExpressionAttributeValues",
    "ScanIndexForward",
    "ConsistentRead",
    "ExclusiveStartKey",
    "Limit",
}


@cache
def exceptions() -> Any:
    """The exception classes of a real client."""
    session = botocore.session.get_session()
    client = session.create_client(
        "dynamodb", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    return client.exceptions


@dataclass(frozen=True)
class Surroundings:
    """What happens around a call: others' steps, and chance.

    `meanwhile` lets others act between the parts of a call; `pick(n)` decides how far an
    eventual read lags and in which order a transaction becomes visible; `committed` is told the
    items of every successful write to the log, in the order in which they count.
    """

    meanwhile: Callable[[], None] = lambda: None
    pick: Callable[[int], int] = lambda _: 0
    committed: Callable[[str, Sequence[Item]], None] = lambda _table, _items: None


@dataclass
class MemoryDynamoDb:
    """The tables, and the calls of a client on them.

    Args:
        sort_keys: the name of each table's sort key.
        page_items: after how many items a page of a query ends.
    """

    sort_keys: Mapping[str, str]
    around: Surroundings = field(default_factory=Surroundings)
    page_items: int = 1000
    items: dict[Key, Item] = field(default_factory=dict)
    in_transaction: set[Key] = field(default_factory=set)
    _journal: list[tuple[Key, Item | None]] = field(default_factory=list)

    @property
    def exceptions(self) -> Any:
        """As of a real client."""
        return exceptions()

    def put_item(self, **call: Any) -> dict[str, Any]:
        """Write a whole item."""
        return self._write("PutItem", _expect(call, _WRITE | {"Item"}))

    def update_item(self, **call: Any) -> dict[str, Any]:
        """Set attributes of an item."""
        return self._write("UpdateItem", _expect(call, _WRITE | {"Key", "UpdateExpression"}))

    def delete_item(self, **call: Any) -> dict[str, Any]:
        """Remove an item."""
        return self._write("DeleteItem", _expect(call, _WRITE | {"Key"}))

    def get_item(self, **call: Any) -> dict[str, Any]:
        """Read one item."""
        _expect(call, {"TableName", "Key", "ConsistentRead"})
        key = self._key(call["TableName"], call["Key"])
        items = self.items if call.get("ConsistentRead") else self._lagging()
        return {"Item": dict(items[key])} if key in items else {}

    def query(self, **call: Any) -> dict[str, Any]:
        """Read one page; a strong read takes item after item as it finds them."""
        _expect(call, _QUERY)
        check_values(call["ExpressionAttributeValues"], call["KeyConditionExpression"])
        items = self.items if call.get("ConsistentRead") else self._lagging()
        limit = call.get("Limit", self.page_items)
        found: list[Item] = []
        after = call.get("ExclusiveStartKey")
        while len(found) < limit:
            item = self._next_item(items, call, after)
            if item is None:
                return {"Items": found}
            found.append(dict(item))
            after = {"channel": item["channel"], **self._sort_attribute(call["TableName"], item)}
            if call.get("ConsistentRead") and len(found) < limit:
                self.around.meanwhile()
        return {"Items": found, "LastEvaluatedKey": after}

    def transact_write_items(self, **call: Any) -> dict[str, Any]:
        """Check every action, then carry them all out, one becoming visible after the other."""
        _expect(call, {"TransactItems"})
        writes = [_action(action) for action in call["TransactItems"]]
        keys = [
            self._key(write["TableName"], write.get("Key") or write["Item"]) for _, write in writes
        ]
        if len(set(keys)) != len(keys) or not 1 <= len(keys) <= 100:
            raise UnknownExpression(f"expected 1 to 100 different items, found {keys}")
        reasons = [self._reason(write, key) for (_, write), key in zip(writes, keys, strict=True)]
        if any(reason["Code"] != "None" for reason in reasons):
            self._cancel(reasons)
        changes = [
            (key, self._changed(name, w, key)) for (name, w), key in zip(writes, keys, strict=True)
        ]
        self._announce(changes)
        self.in_transaction |= set(keys)
        try:
            while changes:
                self._store(*changes.pop(self.around.pick(len(changes))))
                if changes:
                    self.around.meanwhile()
        finally:  # whoever asked may die, the transaction goes on
            for key, item in changes:
                self._store(key, item)
            self.in_transaction -= set(keys)
        return {}

    def delete_expired(self, key: Key) -> None:
        """Remove an item as the TTL process does."""
        self._store(key, None)

    def _write(self, name: str, call: dict[str, Any]) -> dict[str, Any]:
        key = self._key(call["TableName"], call.get("Key") or call["Item"])
        reason = self._reason(call, key)
        if reason["Code"] == "TransactionConflict":
            raise self.exceptions.TransactionConflictException(
                _error("TransactionConflictException", reason["Message"]), name
            )
        if reason["Code"] != "None":
            shape = _error("ConditionalCheckFailedException", reason["Message"])
            if "Item" in reason:
                shape["Item"] = reason["Item"]
            raise self.exceptions.ConditionalCheckFailedException(shape, name)
        changed = self._changed(name, call, key)
        self._announce([(key, changed)])
        self._store(key, changed)
        return {}

    def _reason(self, call: dict[str, Any], key: Key) -> dict[str, Any]:
        """Tell why a write cannot be done, in the shape of a transaction's reasons."""
        condition = call.get("ConditionExpression", "")
        values = call.get("ExpressionAttributeValues", {})
        check_values(values, condition, call.get("UpdateExpression", ""))
        if key in self.in_transaction:
            message = "Transaction is ongoing for the item"
            return {"Code": "TransactionConflict", "Message": message}
        old = self.items.get(key)
        if not condition or is_true(condition, old, values):
            return {"Code": "None"}
        reason = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        return reason | ({"Item": dict(old)} if old and call.get(_OLD) == "ALL_OLD" else {})

    def _cancel(self, reasons: list[dict[str, Any]]) -> None:
        codes = ", ".join(reason["Code"] for reason in reasons)
        shape = _error(
            "TransactionCanceledException",
            f"Transaction cancelled, please see the reasons [{codes}]",
        )
        shape["CancellationReasons"] = reasons
        raise self.exceptions.TransactionCanceledException(shape, "TransactWriteItems")

    def _changed(self, name: str, call: dict[str, Any], key: Key) -> Item | None:
        if name in ("PutItem", "Put"):
            return dict(call["Item"])
        if name in ("DeleteItem", "Delete"):
            return None
        old = self.items.get(key, dict(call["Key"]))
        return assign(call["UpdateExpression"], old, call.get("ExpressionAttributeValues", {}))

    def _announce(self, changes: Sequence[tuple[Key, Item | None]]) -> None:
        for table in self.sort_keys:
            items = [item for key, item in changes if key[0] == table and item is not None]
            self.around.committed(table, items)

    def _store(self, key: Key, item: Item | None) -> None:
        self._journal.append((key, self.items.get(key)))
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item

    def _lagging(self) -> dict[Key, Item]:
        """What a replica holds that has not heard of the newest few changes."""
        lag = self.around.pick(8)
        items = dict(self.items)
        for key, old in reversed(self._journal[max(0, len(self._journal) - lag) :]):
            if old is None:
                items.pop(key, None)
            else:
                items[key] = old
        return items

    def _next_item(
        self, items: dict[Key, Item], call: dict[str, Any], after: Item | None
    ) -> Item | None:
        table, values = call["TableName"], call["ExpressionAttributeValues"]
        is_ascending = call.get("ScanIndexForward", True)
        start = None if after is None else self._key(table, after)[2]
        keys = sorted((key for key in items if key[0] == table), reverse=not is_ascending)
        for key in keys:
            is_behind = start is None or (key[2] > start if is_ascending else key[2] < start)
            if is_behind and is_true(call["KeyConditionExpression"], items[key], values):
                return items[key]
        return None

    def _key(self, table: str, item: Item) -> Key:
        return table, item["channel"]["S"], number_or_text(item[self.sort_keys[table]])

    def _sort_attribute(self, table: str, item: Item) -> Item:
        name = self.sort_keys[table]
        return {name: item[name]}


def _action(action: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    ((name, write),) = action.items()
    more = {"Put": {"Item"}, "Update": {"Key", "UpdateExpression"}, "Delete": {"Key"}}
    if name not in more:
        raise UnknownExpression(f"expected Put, Update or Delete, found {name}")
    return name, _expect(write, _WRITE | more[name])


def _expect(call: dict[str, Any], known: set[str]) -> dict[str, Any]:
    if not set(call) <= known:
        raise UnknownExpression(f"expected only {sorted(known)}, found {sorted(call)}")
    return call


def _error(code: str, message: str) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": message}}
