"""Where the items of a history lie: in memory, or in moto."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from backend.histories.expressions import Item
from backend.histories.memory_dynamodb import Key, MemoryDynamoDb, Surroundings
from bellwire.wire_json import Json, decode_json

CHANNEL = "public/host"
LOG = "log"
KEYED = "keyed"
SORT_KEYS = {LOG: "n", KEYED: "k"}

Commit = Callable[[str, Sequence[Item]], None]


class Shelf(ABC):
    """A store with a client, and what a history does to it behind the client's back."""

    client: Any

    @property
    @abstractmethod
    def has_transaction(self) -> bool:
        """Tell whether some of a transaction's writes are not visible yet."""

    @abstractmethod
    def connect(
        self, *, meanwhile: Callable[[], None], pick: Callable[[int], int], committed: Commit
    ) -> None:
        """Put the store into the surroundings of a history."""

    @abstractmethod
    def items(self) -> dict[Key, Item]:
        """Return everything that is there."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Delete an item as the TTL process does."""

    def expired(self, now_s: int) -> list[Key]:
        """List what the TTL process may delete now."""
        return [key for key, item in self.items().items() if expiry_s(item, now_s) < now_s]

    def expiries(self) -> list[int]:
        """List when items expire, in s since the Unix epoch."""
        return [int(i["expires_at"]["N"]) for i in self.items().values() if "expires_at" in i]

    def state(self) -> dict[str, Json]:
        """Read the stored state, past every rule of reading it."""
        return {
            key[2].removeprefix("s:"): decode_json(item["d"]["S"])
            for key, item in self.items().items()
            if key[0] == KEYED and "d" in item
        }


class MemoryShelf(Shelf):
    """Items in memory, with everything that `MemoryDynamoDb` models."""

    def __init__(self, page_items: int = 1000) -> None:
        self._store = MemoryDynamoDb(SORT_KEYS, page_items=page_items)
        self.client = self._store

    @property
    def has_transaction(self) -> bool:
        """See `Shelf.has_transaction`."""
        return bool(self._store.in_transaction)

    def connect(
        self, *, meanwhile: Callable[[], None], pick: Callable[[int], int], committed: Commit
    ) -> None:
        """See `Shelf.connect`."""
        self._store.around = Surroundings(meanwhile, pick, committed)

    def items(self) -> dict[Key, Item]:
        """See `Shelf.items`."""
        return self._store.items

    def delete(self, key: Key) -> None:
        """See `Shelf.delete`."""
        self._store.delete_expired(key)


def expiry_s(item: Item, otherwise: int) -> int:
    """Tell when an item expires, in s since the Unix epoch."""
    return int(item["expires_at"]["N"]) if "expires_at" in item else otherwise
