"""Append to the log in DynamoDB: take the next slot, and recognise what happened.

Each rule has a counterexample without it: warm tails have an age limit, the head is read before
the newest item, an ambiguous answer is followed by the same slot again until it is definite, an
ended generation is fenced.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, HTTPClientError

from bellwire.aws.append_plan import (
    Landed,
    Moment,
    Refused,
    Tail,
    Write,
    find_tail,
    is_warm,
    plan_write,
    receipts_of,
    tail_after,
    without_known,
)
from bellwire.aws.dynamodb_tables import Tables
from bellwire.aws.log_items import (
    HEAD_N,
    Block,
    Fence,
    Head,
    decode_log_item,
    encode_block,
    encode_fence,
    position_at,
    slot,
)
from bellwire.errors import TooLarge, Upstream
from bellwire.ports import Receipt
from bellwire.updates import Draft, Position, id_window_ms

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

MAX_DRAFTS: Final = 50  # ids, blocks, head and fence stay under TransactWriteItems' 100 actions
MAX_ATTEMPTS: Final = 40
MAX_REPEATS: Final = 10
MAX_PAUSE_S: Final = 0.02  # about one round trip, found in models of writers on one channel

_AMBIGUOUS = {
    "InternalServerError",
    "ServiceUnavailable",
    "TransactionConflictException",  # of a single put; definite, but the same slot may be free next
    "TransactionInProgressException",
}


class Appender:
    """Appends to the channels of one log, and remembers their tails between calls."""

    def __init__(
        self,
        tables: Tables,
        *,
        retention_s: int,
        id_window_s: int,
        now: Callable[[], Moment],
        noise: Callable[[int], bytes],
        sleep: Callable[[float], None],
    ) -> None:
        self._tables = tables
        self._retention_s = retention_s
        self._id_window_s = id_window_s
        self._now = now
        self._noise = noise
        self._sleep = sleep
        self._tails: dict[str, Tail] = {}

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        """See `UpdateLog.append`; at most 50 drafts."""
        if len(drafts) > MAX_DRAFTS:
            raise TooLarge(f"expected at most {MAX_DRAFTS} updates at once, found {len(drafts)}")
        token, known = self._noise(12).hex(), dict[str, Receipt]()
        tail = self._tails.get(channel)
        for attempt in range(MAX_ATTEMPTS):
            fresh = without_known(drafts, known)
            if not fresh:
                return receipts_of(drafts, known, None)
            if tail is None or not (
                tail.is_opening or is_warm(tail, self._now(), self._retention_s)
            ):
                tail = self._read_tail(channel)
            write = plan_write(channel, fresh, tail, self._now(), self._retention_s, token)
            outcome = self._attempt(write)
            if isinstance(outcome, Landed):
                self._tails[channel] = tail_after(write.blocks[-1], self._now())
                return receipts_of(drafts, known, outcome)
            known |= outcome.known
            tail = self._go_on(tail, outcome, attempt)
        raise Upstream(
            f"gave up on {channel} after {MAX_ATTEMPTS} attempts: too many writers at once"
        )

    def _go_on(self, tail: Tail, refused: Refused, attempt: int) -> Tail | None:
        """Choose the next slot: after whoever took this one, or by reading again."""
        if refused.occupant is None and not refused.has_head_moved:
            return tail
        if attempt > 0:
            self._sleep(MAX_PAUSE_S * self._noise(1)[0] / 255)
        if isinstance(refused.occupant, Block) and attempt == 0 and not tail.is_opening:
            return tail_after(refused.occupant, self._now())
        return None

    def _read_tail(self, channel: str) -> Tail:
        for _ in range(MAX_ATTEMPTS):
            head, newest = self._tables.read_tail(channel)
            tail = find_tail(channel, head, newest, self._now(), self._noise(8))
            if tail is not None:
                return tail
        raise Upstream(f"the tail of {channel} kept moving over {MAX_ATTEMPTS} reads")

    def _attempt(self, write: Write) -> Landed | Refused:
        """Try one slot until the answer is definite.

        A lost answer may hide a write that landed, so nothing but the same slot may follow it.
        """
        for _ in range(MAX_REPEATS - 1):
            try:
                return self._try(write)
            except HTTPClientError:
                continue
            except ClientError as error:
                if not _is_ambiguous(error):
                    raise
                self._sleep(MAX_PAUSE_S * self._noise(1)[0] / 255)
        return self._try(write)

    def _try(self, write: Write) -> Landed | Refused:
        client = self._tables.client
        first = write.blocks[0]
        landed = Landed(Position(first.epoch, first.first), first.updates[0].at_ms)
        try:
            if write.tail.is_opening or write.ids or len(write.blocks) > 1:
                client.transact_write_items(TransactItems=self._actions(write))
            else:
                client.put_item(**_put(self._tables.log, "n", encode_block(first)))
        except client.exceptions.ConditionalCheckFailedException as error:
            refused = Refused(occupant=_occupant(error.response.get("Item")))
        except client.exceptions.TransactionCanceledException as error:
            if _is_ambiguous(error):
                raise
            refused = self._explain(write, error)
        else:
            return landed
        mine = refused.occupant
        if isinstance(mine, Block) and mine.token == first.token:
            return Landed(Position(mine.epoch, mine.first), mine.updates[0].at_ms)
        return refused

    def _actions(self, write: Write) -> "list[TransactWriteItemTypeDef]":
        """The transaction: blocks, then ids, then the head and the fence of a new generation."""
        log = self._tables.log
        actions: list[TransactWriteItemTypeDef] = [
            {"Put": _put(log, "n", encode_block(block))} for block in write.blocks
        ]
        actions += [{"Put": self._id_put(write, i, seq)} for i, seq in write.ids]
        if write.tail.is_opening:
            actions.append(self._opening(write))
        if write.tail.fence is not None:
            actions.append({"Put": _put(log, "n", encode_fence(write.tail.fence))})
        return actions

    def _id_put(self, write: Write, draft_id: str, seq: int) -> Any:
        block = write.blocks[0]
        at_ms = block.updates[0].at_ms
        window_s = id_window_ms(draft_id, self._id_window_s * 1000) // 1000
        put = _put(
            self._tables.keyed,
            "k",
            {
                "channel": {"S": block.channel},
                "k": {"S": f"i:{draft_id}"},
                "n": {"N": str(slot(block.generation, seq))},
                "epoch": {"S": block.epoch},
                "at": {"N": str(at_ms)},
                "expires_at": {"N": str(at_ms // 1000 + window_s)},
            },
        )
        # TTL deletes late: an id past its window is as good as gone.
        put["ConditionExpression"] += " OR expires_at < :now"
        put["ExpressionAttributeValues"] = {":now": {"N": str(at_ms // 1000)}}
        return put

    def _opening(self, write: Write) -> "TransactWriteItemTypeDef":
        tail = write.tail
        is_first = tail.generation == 1
        values: dict[str, AttributeValueTypeDef] = {
            ":new": {"N": str(tail.generation)},
            ":epoch": {"S": tail.epoch},
            ":zero": {"N": "0"},
        }
        if not is_first:
            values[":old"] = {"N": str(tail.generation - 1)}
        return {
            "Update": {
                "TableName": self._tables.log,
                "Key": {"channel": {"S": write.blocks[0].channel}, "n": {"N": str(HEAD_N)}},
                "UpdateExpression": (
                    "SET gen = :new, epoch = :epoch, w = if_not_exists(w, :zero),"
                    " pushed = if_not_exists(pushed, :zero)"
                ),
                "ConditionExpression": "attribute_not_exists(gen)" if is_first else "gen = :old",
                "ExpressionAttributeValues": values,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _explain(self, write: Write, error: ClientError) -> Refused:
        """Read a cancelled transaction's reasons, which stand in the order of its actions."""
        reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment] # not in botocore's ClientError shape
        occupant: Block | Fence | None = None
        has_head_moved = False
        known: dict[str, Receipt] = {}
        for at, reason in enumerate(reasons):
            if reason.get("Code") != "ConditionalCheckFailed":
                continue
            id_at = at - len(write.blocks)
            if 0 <= id_at < len(write.ids):
                known[write.ids[id_at][0]] = _known_id(reason["Item"])
            elif id_at == len(write.ids) and write.tail.is_opening:
                has_head_moved = True
            else:
                occupant = occupant or _occupant(reason.get("Item"))
        if has_head_moved and occupant is None:
            occupant = self._read_slot(write.blocks[0])
        if not (occupant or has_head_moved or known):
            raise error
        return Refused(occupant, has_head_moved, known)

    def _read_slot(self, block: Block) -> Block | Fence | None:
        """See whether it was an earlier attempt of ours that moved the head."""
        n = str(slot(block.generation, block.first))
        item = self._tables.client.get_item(
            TableName=self._tables.log,
            Key={"channel": {"S": block.channel}, "n": {"N": n}},
            ConsistentRead=True,
        )
        return _occupant(item.get("Item"))


def _put(table: str, sort_key: str, item: "dict[str, AttributeValueTypeDef]") -> Any:
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": f"attribute_not_exists({sort_key})",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _occupant(item: Any) -> Block | Fence | None:
    found = decode_log_item(item) if item else None
    return None if isinstance(found, Head) else found


def _known_id(item: Any) -> Receipt:
    position = position_at(item["epoch"]["S"], int(item["n"]["N"]))
    return Receipt(position, int(item["at"]["N"]), is_duplicate=True)


def _is_ambiguous(error: ClientError) -> bool:
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment] # not in botocore's ClientError shape
    codes = {error.response.get("Error", {}).get("Code", "")}
    codes |= {str(reason.get("Code")) for reason in reasons}
    return bool(codes & {*_AMBIGUOUS, "TransactionConflict"})
