"""The update log in DynamoDB: appends, marks and the folding of state, on top of its reads.

The items are described in `log_items`, how an append finds its slot in `dynamodb_append`, reads in
`dynamodb_reads`.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from bellwire.aws.append_plan import Moment
from bellwire.aws.continuity import read_run
from bellwire.aws.dynamodb_append import Appender
from bellwire.aws.dynamodb_reads import DynamoDbReads
from bellwire.aws.dynamodb_tables import Tables, mapped_errors
from bellwire.aws.log_items import slot
from bellwire.epochs import FIRST_GENERATION, generation_of
from bellwire.ports import Pushed, Receipt, Run
from bellwire.updates import Draft, Position, Update
from bellwire.wire_json import encode_json

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

TOMBSTONE_S: Final = 86_400  # longer than any applier may lag behind


class DynamoDbLog(DynamoDbReads):
    """An `UpdateLog` on two DynamoDB tables.

    Args:
        tables: the client and the names of the tables.
        retention_s: how long an update is held at least; above two hours in production.
        id_window_s: how long a caller's id is remembered.
        now_ms: the wall clock, in ms since the Unix epoch.
        monotonic_s: a clock that never jumps, in s.
        noise: gives random bytes.
        sleep: pauses, in s, between attempts at a contended channel.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        retention_s: int,
        id_window_s: int,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        noise: Callable[[int], bytes],
        sleep: Callable[[float], None],
    ) -> None:
        super().__init__(tables, now_ms)
        self._appender = Appender(
            tables,
            retention_s=retention_s,
            id_window_s=id_window_s,
            now=lambda: Moment(now_ms(), monotonic_s()),
            noise=noise,
            sleep=sleep,
        )

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """See `UpdateLog.append`."""
        with mapped_errors():
            return self._appender.append(channel, drafts)

    def settle_state(self, channel: str) -> None:
        """See `UpdateLog.settle_state`; a later or repeated call changes nothing."""
        with mapped_errors():
            head = self.tables.read_head(channel)
            if head is None:
                return
            folded_n = head.folded_n
            newest: dict[str, tuple[int, Update]] = {}
            for block in self._contiguous_after(channel, head.folded_n):
                for update in block.updates:
                    folded_n = slot(block.generation, update.seq)
                    if update.key is not None:
                        newest[update.key] = (folded_n, update)
            for key, (n, update) in newest.items():
                self._store_key(channel, key, n, update)
            if folded_n > head.folded_n:
                self.tables.advance_folded(channel, folded_n)

    def unpushed(self, channel: str, *, max_updates: int, max_bytes: int) -> Run | None:
        """See `Outbox.unpushed`."""
        with mapped_errors():
            head = self.tables.read_head(channel)
            if head is None:
                return None
            blocks = self._contiguous_after(channel, head.pushed_n)
            first = next(blocks, None)
            if first is None:
                return None
            start = Position(first.epoch, first.first - 1)
            return read_run(
                chain([first], blocks), start, max_updates=max_updates, max_bytes=max_bytes
            )

    def mark_pushed(self, pushed: Sequence[Pushed]) -> list[Pushed]:
        """See `Outbox.mark_pushed`."""
        with mapped_errors():
            return [one for one in pushed if not self._mark(one)]

    def _mark(self, one: Pushed) -> bool:
        generation = generation_of(one.epoch) or 0
        is_first = generation == FIRST_GENERATION and one.after == 0
        from_n = 0 if is_first or one.after is None else slot(generation, one.after)
        return self.tables.advance_pushed(one.channel, from_n, slot(generation, one.last))

    def _store_key(self, channel: str, key: str, n: int, update: Update) -> None:
        item: dict[str, AttributeValueTypeDef] = {
            "channel": {"S": channel},
            "k": {"S": f"s:{key}"},
            "n": {"N": str(n)},
        }
        if update.op == "set":
            item["d"] = {"S": encode_json(update.data).decode()}
        else:
            item["expires_at"] = {"N": str(self._now_ms() // 1000 + TOMBSTONE_S)}
        self.tables.put_if_newer(item)
