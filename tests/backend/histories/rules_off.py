"""Each rule of the log in DynamoDB, switched off: what the histories must notice.

A rule is switched off by replacing the function or constant that holds it; nothing of the product
knows of this.
"""
# ruff: noqa: SLF001 - what is switched off lies inside

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from backend.histories.dynamodb_history import Mood
from bellwire.aws import append_plan, continuity, dynamodb_append, dynamodb_reads
from bellwire.aws.append_plan import Landed, Moment, Refused, Tail, Write
from bellwire.aws.dynamodb_append import Appender
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.aws.dynamodb_tables import Tables, mapped_errors
from bellwire.aws.log_items import HEAD_N, Block, Fence, Head, decode_log_item, slot
from bellwire.epochs import generation_of
from bellwire.ports import Snapshot
from bellwire.updates import ORIGIN, Draft, Position, Update, fold

Patch = pytest.MonkeyPatch


def warm_for_ever(patch: Patch) -> None:
    """A remembered tail is used however old it is."""
    patch.setattr(dynamodb_append, "is_warm", lambda *_: True)


def monotonic_age_alone(patch: Patch) -> None:
    """A remembered tail is young as long as the machine has not run for long."""

    def is_warm(tail: Tail, now: Moment, retention_s: int) -> bool:
        limit_s = min(retention_s / 2, append_plan.MAX_WARM_S)
        return now.monotonic_s - tail.known_at.monotonic_s < limit_s

    patch.setattr(dynamodb_append, "is_warm", is_warm)


def newest_before_head(patch: Patch) -> None:
    """The newest item is read first, the head after it; what is unseen is not fenced."""

    def read_tail(self: Tables, channel: str) -> tuple[Head | None, Block | Fence | None]:
        newest = next(
            map(
                decode_log_item,
                self.query(
                    {
                        "TableName": self.log,
                        "KeyConditionExpression": "channel = :c AND n < :h",
                        "ExpressionAttributeValues": {
                            ":c": {"S": channel},
                            ":h": {"N": str(HEAD_N)},
                        },
                        "ScanIndexForward": False,
                        "ConsistentRead": True,
                    }
                ),
            ),
            None,
        )
        return self.read_head(channel), None if isinstance(newest, Head) else newest

    patch.setattr(Tables, "read_tail", read_tail)
    fence_what_is_seen(patch)


def fence_what_is_seen(patch: Patch) -> None:
    """A generation of which no update is seen is left without a fence."""
    find_tail = append_plan.find_tail

    def find(
        channel: str, head: Head | None, newest: Any, now: Moment, noise: bytes
    ) -> Tail | None:
        tail = find_tail(channel, head, newest, now, noise)
        has_seen = (
            head is not None and isinstance(newest, Block) and newest.generation == head.generation
        )
        return tail if tail is None or has_seen else replace(tail, fence=None)

    patch.setattr(dynamodb_append, "find_tail", find)


def no_fence(patch: Patch) -> None:
    """An ended generation is left open."""
    find_tail = append_plan.find_tail

    def find(*arguments: Any) -> Tail | None:
        tail = find_tail(*arguments)
        return None if tail is None else replace(tail, fence=None)

    patch.setattr(dynamodb_append, "find_tail", find)


def another_slot_after_no_answer(patch: Patch) -> None:
    """After a lost answer the tail is read again, instead of the same slot tried."""

    def attempt(self: Appender, write: Write) -> Landed | Refused:
        try:
            return self._try(write)
        except HTTPClientError:
            return Refused(has_head_moved=True)
        except ClientError as error:
            if not dynamodb_append._is_ambiguous(error):
                raise
            return Refused(has_head_moved=True)

    patch.setattr(Appender, "_attempt", attempt)


def expiry_by_own_clock(patch: Patch) -> None:
    """An update may expire before the one that it follows."""
    plan_write = append_plan.plan_write

    def plan(channel: str, drafts: Sequence[Draft], tail: Tail, *rest: Any) -> Write:
        write = plan_write(channel, drafts, replace(tail, expires_at_s=0), *rest)
        return replace(write, tail=tail)

    patch.setattr(dynamodb_append, "plan_write", plan)


def no_margin(patch: Patch) -> None:
    """An epoch is continued up to the very second in which its last update expires."""
    patch.setattr(append_plan, "CLOCK_MARGIN_S", 0)


def ids_after_the_append(patch: Patch) -> None:
    """Ids are written down in a call of their own, after the append."""
    attempt = Appender._attempt

    def attempt_apart(self: Appender, write: Write) -> Landed | Refused:
        known: dict[str, Any] = {}
        for draft_id, _ in write.ids:
            item = self._tables.client.get_item(
                TableName=self._tables.keyed,
                Key={"channel": {"S": write.blocks[0].channel}, "k": {"S": f"i:{draft_id}"}},
                ConsistentRead=True,
            ).get("Item")
            if item is not None and int(item["expires_at"]["N"]) >= self._now().wall_s:
                known[draft_id] = dynamodb_append._known_id(item)
        if known:
            return Refused(known=known)
        outcome = attempt(self, replace(write, ids=()))
        if isinstance(outcome, Landed):
            for draft_id, seq in write.ids:
                put = self._id_put(write, draft_id, seq)
                with suppress(self._tables.client.exceptions.ConditionalCheckFailedException):
                    self._tables.client.put_item(**put)
        return outcome

    patch.setattr(Appender, "_attempt", attempt_apart)


def own_work_unknown(patch: Patch) -> None:
    """A writer takes what stands in its slot for another's, always."""
    occupant = dynamodb_append._occupant

    def of_a_stranger(item: Any) -> Block | Fence | None:
        found = occupant(item)
        return replace(found, token="another's") if isinstance(found, Block) else found

    patch.setattr(dynamodb_append, "_occupant", of_a_stranger)


def deletes_leave_nothing(patch: Patch) -> None:
    """A deleted key's item is removed, instead of a tombstone put there."""
    store_key = DynamoDbLog._store_key

    def store(self: DynamoDbLog, channel: str, key: str, n: int, update: Update) -> None:
        if update.op == "set":
            store_key(self, channel, key, n, update)
            return
        with suppress(self.tables.client.exceptions.ConditionalCheckFailedException):
            self.tables.client.delete_item(
                TableName=self.tables.keyed,
                Key={"channel": {"S": channel}, "k": {"S": f"s:{key}"}},
                ConditionExpression="attribute_not_exists(n) OR n < :n",
                ExpressionAttributeValues={":n": {"N": str(n)}},
            )

    patch.setattr(DynamoDbLog, "_store_key", store)


def state_before_mark(patch: Patch) -> None:
    """A snapshot reads the state first and then how far it is folded."""

    def snapshot(self: DynamoDbLog, channel: str) -> Snapshot:
        with mapped_errors():
            state = self._stored_state(channel)
            head = self.tables.read_head(channel)
            if head is None:
                return Snapshot(ORIGIN, {})
            run, epoch = self._unfolded(channel, head)
        position = Position(head.epoch, dynamodb_reads._folded_seq(head))
        return Snapshot(Position(epoch, run[-1].seq) if run else position, fold(state, run))

    patch.setattr(DynamoDbLog, "snapshot", snapshot)


def no_fold_on_top(patch: Patch) -> None:
    """A snapshot is of the stored state alone."""
    patch.setattr(DynamoDbLog, "_unfolded", lambda _self, _channel, head: ([], head.epoch))


def newest_writer_wins(patch: Patch) -> None:
    """State is written whatever number stands there already."""

    def put(self: Tables, item: Any) -> None:
        self.client.put_item(TableName=self.keyed, Item=item)

    patch.setattr(Tables, "put_if_newer", put)


def fold_over_holes(patch: Patch) -> None:
    """The state is folded on past missing numbers."""
    patch.setattr(dynamodb_reads, "_follows", lambda *_: True)


def fold_over_a_hole_at_the_mark(patch: Patch) -> None:
    """A number missing right after the mark counts as expired, even if the next is young."""
    patch.setattr(dynamodb_reads, "SETTLED_MS", 0)


def read_over_holes(patch: Patch) -> None:
    """A reader is handed what follows a missing number."""

    def continues(block: Block, expected: tuple[int, int], _epoch: str) -> bool:
        generation, seq = expected
        return block.generation == generation and seq <= block.last

    patch.setattr(continuity, "_continues", continues)


def generation_of_the_newest(patch: Patch) -> None:
    """The generation is that of the newest item; the head is asked for nothing."""
    find_tail, opening = append_plan.find_tail, Appender._opening

    def find(
        channel: str, head: Head | None, newest: Any, now: Moment, noise: bytes
    ) -> Tail | None:
        if head is not None:
            head = replace(head, generation=newest.generation if newest is not None else 0)
        return find_tail(channel, head, newest, now, noise)

    def open_anyway(self: Appender, write: Write) -> Any:
        action: Any = opening(self, write)
        del action["Update"]["ConditionExpression"]
        action["Update"]["ExpressionAttributeValues"].pop(":old", None)
        return action

    patch.setattr(dynamodb_append, "find_tail", find)
    patch.setattr(Appender, "_opening", open_anyway)


def state_numbered_within_its_epoch(patch: Patch) -> None:
    """State is compared by seq alone, as if epochs had no order."""
    store_key = DynamoDbLog._store_key

    def store(self: DynamoDbLog, channel: str, key: str, n: int, update: Update) -> None:
        store_key(self, channel, key, n % slot(1, 0), update)

    patch.setattr(DynamoDbLog, "_store_key", store)


def expired_goes_unnoticed(patch: Patch) -> None:
    """A reader at the end of what is left is told that it is quiet, whatever was folded."""
    ended = continuity._ended

    def end(item: Any, position: Position, *rest: Any) -> Any:
        if isinstance(item, Head):
            item = replace(item, folded_n=slot(generation_of(position.epoch) or 0, 0))
        return ended(item, position, *rest)

    patch.setattr(continuity, "_ended", end)


RULES: tuple[tuple[Callable[[Patch], None], Mood], ...] = (
    (warm_for_ever, "time"),
    (monotonic_age_alone, "time"),
    (newest_before_head, "state"),
    (fence_what_is_seen, "all"),
    (no_fence, "all"),
    (another_slot_after_no_answer, "time"),
    (expiry_by_own_clock, "all"),
    (no_margin, "time"),
    (ids_after_the_append, "time"),
    (own_work_unknown, "all"),
    (deletes_leave_nothing, "all"),
    (state_before_mark, "state"),
    (no_fold_on_top, "all"),
    (newest_writer_wins, "all"),
    (fold_over_holes, "all"),
    (fold_over_a_hole_at_the_mark, "state"),
    (read_over_holes, "all"),
    (generation_of_the_newest, "time"),
    (state_numbered_within_its_epoch, "time"),
    (expired_goes_unnoticed, "time"),
)
"""Each with the mood of histories that shows it soonest."""
