"""How the update log lies in DynamoDB: items to values and back. Pure.

Table `log` (partition key `channel`, sort key `n` = generation · 10¹² + seq):

- a *block*: one update, or consecutive ones under the first one's `n`:
  `{channel, n, epoch, at, token, expires_at, u: JSON of the updates}`. `token` names the append
  that wrote it, so that a writer recognises its own work after a lost answer.
- a *fence*: `{channel, n, fence: true, expires_at}`, in the slot after the last update of a
  generation that has ended, so that nobody continues it.
- the *head*: `{channel, n: HEAD_N, gen, epoch, w, pushed}`, sorting after every block, no TTL.
  `w` is the `n` up to which the stored state is folded, `pushed` the one up to which the channel
  has been pushed.

Table `keyed` (partition key `channel`, sort key `k`):

- the state of a key, `k` = `s:` + key: `{n, d: JSON}`, or `{n, expires_at}` for a tombstone;
- an id, `k` = `i:` + id: `{n, epoch, at, expires_at}`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bellwire.updates import Position, Update, decode_update, encode_update
from bellwire.wire_json import encode_json, size_bytes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    Item = Mapping[str, AttributeValueTypeDef]

GENERATION_STEP: Final = 10**12
HEAD_N: Final = 10**30
MAX_BLOCK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive updates of one generation, stored as one item."""

    channel: str
    generation: int
    epoch: str
    token: str
    expires_at_s: int
    updates: tuple[Update, ...]

    @property
    def first(self) -> int:
        """The seq of the first update."""
        return self.updates[0].seq

    @property
    def last(self) -> int:
        """The seq of the last update."""
        return self.updates[-1].seq


@dataclass(frozen=True, slots=True)
class Fence:
    """The end of a generation."""

    channel: str
    generation: int
    seq: int
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class Head:
    """Which generation a channel is in, how far its state is folded and how far it is pushed."""

    channel: str
    generation: int
    epoch: str
    folded_n: int
    pushed_n: int


def slot(generation: int, seq: int) -> int:
    """Compute the sort key of a seq in a generation."""
    return generation * GENERATION_STEP + seq


def encode_block(block: Block) -> "dict[str, AttributeValueTypeDef]":
    """Shape a block as a DynamoDB item."""
    at_ms = block.updates[0].at_ms
    return {
        "channel": {"S": block.channel},
        "n": {"N": str(slot(block.generation, block.first))},
        "epoch": {"S": block.epoch},
        "at": {"N": str(at_ms)},
        "token": {"S": block.token},
        "expires_at": {"N": str(block.expires_at_s)},
        "u": {"S": encode_json([encode_update(u) for u in block.updates]).decode()},
    }


def encode_fence(fence: Fence) -> "dict[str, AttributeValueTypeDef]":
    """Shape a fence as a DynamoDB item."""
    return {
        "channel": {"S": fence.channel},
        "n": {"N": str(slot(fence.generation, fence.seq))},
        "fence": {"BOOL": True},
        "expires_at": {"N": str(fence.expires_at_s)},
    }


def decode_log_item(item: "Item") -> Block | Fence | Head:
    """Read any item of the table `log`."""
    channel, n = item["channel"]["S"], int(item["n"]["N"])
    if n == HEAD_N:
        generation, epoch = int(item["gen"]["N"]), item["epoch"]["S"]
        return Head(channel, generation, epoch, int(item["w"]["N"]), int(item["pushed"]["N"]))
    generation, seq = divmod(n, GENERATION_STEP)
    expires_at_s = int(item["expires_at"]["N"])
    if "fence" in item:
        return Fence(channel, generation, seq, expires_at_s)
    updates = tuple(decode_update(wire) for wire in json.loads(item["u"]["S"]))
    return Block(channel, generation, item["epoch"]["S"], item["token"]["S"], expires_at_s, updates)


def into_blocks(updates: Sequence[Update]) -> list[tuple[Update, ...]]:
    """Group consecutive updates into blocks of at most 64 KB; a larger update stands alone."""
    groups: list[list[Update]] = []
    used = 0
    for update in updates:
        size = size_bytes(encode_update(update)) + 1
        if not groups or used + size > MAX_BLOCK_BYTES:
            groups.append([])
            used = 0
        groups[-1].append(update)
        used += size
    return [tuple(group) for group in groups]


def renumber(updates: Sequence[Update], after: int, at_ms: int) -> tuple[Update, ...]:
    """Give updates the numbers after a seq."""
    return tuple(
        replace(update, seq=seq, at_ms=at_ms) for seq, update in enumerate(updates, after + 1)
    )


def position_at(epoch: str, n: int) -> Position:
    """Tell the position that a sort key stands for."""
    return Position(epoch, n % GENERATION_STEP)
