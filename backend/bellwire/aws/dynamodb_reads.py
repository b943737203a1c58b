"""Reads of the update log in DynamoDB: all that a poll needs.

The items are described in `log_items`, what a read means in `continuity`. Appends, marks and the
folding of state are `dynamodb_log`'s.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice, takewhile
from typing import TYPE_CHECKING, Final

from bellwire.aws.continuity import LogItem, read_run
from bellwire.aws.dynamodb_tables import Tables, mapped_errors
from bellwire.aws.log_items import (
    GENERATION_STEP,
    Block,
    Head,
    decode_log_item,
    slot,
)
from bellwire.epochs import generation_of
from bellwire.ports import Run, Snapshot
from bellwire.updates import ORIGIN, Position, Update, encode_update, fold
from bellwire.wire_json import Json, decode_json, size_bytes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

SETTLED_MS: Final = 300_000  # a minute for a transaction to be seen whole, four for two clocks


class DynamoDbReads:
    """A `Reads` on two DynamoDB tables."""

    def __init__(self, tables: Tables, now_ms: Callable[[], int]) -> None:
        """Read nothing yet.

        Args:
            tables: the client and the names of the tables.
            now_ms: the wall clock, in ms since the Unix epoch.
        """
        self.tables = tables
        self._now_ms = now_ms

    def tail(self, channel: str) -> Position:
        """See `UpdateLog.tail`."""
        with mapped_errors():
            head, newest = self.tables.read_tail(channel)
        if head is None:
            return ORIGIN
        seq = _folded_seq(head)
        if isinstance(newest, Block) and newest.generation == head.generation:
            seq = max(seq, newest.last)  # TTL may delete the newest item before an older one
        return Position(head.epoch, seq)

    def read_after(
        self,
        channel: str,
        position: Position,
        *,
        max_updates: int,
        max_bytes: int,
        is_strong: bool = False,
    ) -> Run | None:
        """See `UpdateLog.read_after`."""
        generation = generation_of(position.epoch)
        if generation is None:
            return None
        after_n = slot(generation, position.seq)
        with mapped_errors():
            items = self._items_after(channel, after_n, is_strong=is_strong)
            run = read_run(items, position, max_updates=max_updates, max_bytes=max_bytes)
            if position.seq == 0 or (run is not None and (run.updates or not is_strong)):
                return run
            covering = self._block_over(channel, after_n, position)
            if covering is None:
                return run
            items = chain([covering], self._items_after(channel, after_n, is_strong=True))
            return read_run(items, position, max_updates=max_updates, max_bytes=max_bytes)

    def snapshot(self, channel: str) -> Snapshot:
        """See `UpdateLog.snapshot`.

        In this order: `w`, the state, then the log after `w` folded on top. Reading the state
        first could miss what is folded into it between the two reads.
        """
        with mapped_errors():
            head = self.tables.read_head(channel)
            if head is None:
                return Snapshot(ORIGIN, {})
            state = self._stored_state(channel)
            position = Position(head.epoch, _folded_seq(head))
            run, epoch = self._unfolded(channel, head)
        if run:
            position = Position(epoch, run[-1].seq)
        return Snapshot(position, fold(state, run))

    def kept_events(
        self,
        channel: str,
        through: Position,
        *,
        max_bytes: int,
        after: int = 0,
        newest: int | None = None,
    ) -> tuple[Update, ...]:
        """See `UpdateLog.kept_events`."""
        generation = generation_of(through.epoch)
        if generation is None:
            return ()
        with mapped_errors():
            blocks = takewhile(
                lambda block: block.epoch == through.epoch and block.last > after,
                self._blocks_down_from(channel, slot(generation, through.seq)),
            )
            events = (
                update
                for block in blocks
                for update in reversed(block.updates)
                if update.op == "event" and after < update.seq <= through.seq
            )
            return tuple(reversed(list(islice(_within(events, max_bytes), newest))))

    def _items_after(self, channel: str, n: int, *, is_strong: bool) -> Iterator[LogItem]:
        query: QueryInputTypeDef = {
            "TableName": self.tables.log,
            "KeyConditionExpression": "channel = :c AND n > :n",
            "ExpressionAttributeValues": {":c": {"S": channel}, ":n": {"N": str(n)}},
            "ConsistentRead": is_strong,
        }
        return (decode_log_item(item) for item in self.tables.query(query))

    def _blocks_down_from(self, channel: str, n: int) -> Iterator[Block]:
        floor = n - n % GENERATION_STEP
        query: QueryInputTypeDef = {
            "TableName": self.tables.log,
            "KeyConditionExpression": "channel = :c AND n BETWEEN :f AND :n",
            "ExpressionAttributeValues": {
                ":c": {"S": channel},
                ":f": {"N": str(floor)},
                ":n": {"N": str(n)},
            },
            "ScanIndexForward": False,
            "ConsistentRead": True,
        }
        items = (decode_log_item(item) for item in self.tables.query(query))
        return (item for item in items if isinstance(item, Block))

    def _block_over(self, channel: str, n: int, position: Position) -> Block | None:
        """Find the block that holds a position inside it, which no read from there can see."""
        block = next(self._blocks_down_from(channel, n), None)
        if block is None or block.epoch != position.epoch or block.last <= position.seq:
            return None
        return block

    def _stored_state(self, channel: str) -> dict[str, Json]:
        query: QueryInputTypeDef = {
            "TableName": self.tables.keyed,
            "KeyConditionExpression": "channel = :c AND begins_with(k, :s)",
            "ExpressionAttributeValues": {":c": {"S": channel}, ":s": {"S": "s:"}},
            "ConsistentRead": True,
        }
        return {
            item["k"]["S"].removeprefix("s:"): decode_json(item["d"]["S"])
            for item in self.tables.query(query)
            if "d" in item
        }

    def _unfolded(self, channel: str, head: Head) -> tuple[list[Update], str]:
        run: list[Update] = []
        epoch = head.epoch
        for block in self._contiguous_after(channel, head.folded_n):
            run += [u for u in block.updates if slot(block.generation, u.seq) > head.folded_n]
            epoch = block.epoch
        return run, epoch

    def _contiguous_after(self, channel: str, n: int) -> Iterator[Block]:
        """Read the blocks after a mark, strongly, across epochs, up to a missing number.

        What is missing right after the mark has expired, and is passed over, unless the block
        behind it is young: then it is of a transaction that this read sees a part of.
        """
        before: Block | None = None
        for item in self._items_after(channel, n, is_strong=True):
            if isinstance(item, Block):
                if before is None:
                    is_next = item.first == _first_after(n, item.generation)
                    if not is_next and self._now_ms() - item.updates[0].at_ms < SETTLED_MS:
                        return
                elif not _follows(item, before):
                    return
                yield item
                before = item


def _within(updates: Iterator[Update], max_bytes: int) -> Iterator[Update]:
    """Take updates for as long as their sizes fit."""
    for update in updates:
        max_bytes -= size_bytes(encode_update(update))
        if max_bytes < 0:
            return
        yield update


def _follows(block: Block, before: Block) -> bool:
    if block.generation == before.generation:
        return block.first == before.last + 1
    return block.generation == before.generation + 1 and block.first == 1


def _first_after(n: int, generation: int) -> int:
    of_mark, seq = divmod(n, GENERATION_STEP)
    return seq + 1 if of_mark == generation else 1


def _folded_seq(head: Head) -> int:
    generation, seq = divmod(head.folded_n, GENERATION_STEP)
    return seq if generation == head.generation else 0
