"""A broker that drops, doubles and reorders: everything is told once and in order all the same."""

from collections.abc import Callable

import pytest

from bellwire.publisher import Publisher
from end_to_end.followers import Follower
from end_to_end.frames import PUBLISH, Send, kind_of, relay_frames

Plan = Callable[[Send, bytes, int], None]


class Mischief:
    """Passes frames on by a plan, which is told each pushed frame's number: 0, 1, 2 …"""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.count = 0

    def __call__(self, send: Send, frame: bytes) -> None:
        """Pass on one frame; whatever pushes nothing stays as it is."""
        if kind_of(frame) != PUBLISH:
            send(frame)
            return
        self._plan(send, frame, self.count)
        self.count += 1


def drop_every_third(send: Send, frame: bytes, number: int) -> None:
    """The last of twelve among them, which only a later poll can bring."""
    if number % 3 != 2:
        send(frame)


def drop_all(_send: Send, _frame: bytes, _number: int) -> None:
    """As if delivery had never begun after the SUBACK."""


def double_all(send: Send, frame: bytes, _number: int) -> None:
    send(frame)
    send(frame)


def reversed_by_fours() -> Plan:
    """Pass on four at a time, the newest first, and all of them again."""
    held: list[bytes] = []

    def plan(send: Send, frame: bytes, _number: int) -> None:
        held.append(frame)
        if len(held) == 4:
            for one in held[::-1] * 2:
                send(one)
            held.clear()

    return plan


PLANS = {
    "some_dropped": drop_every_third,
    "all_dropped": drop_all,
    "doubled": double_all,
    "reordered_and_doubled": reversed_by_fours(),
}


@pytest.mark.parametrize("name", PLANS)
def test_everything_is_told_once_and_in_order(
    name: str, follower: Follower, publisher: Publisher, channel: str
) -> None:
    publisher.set(channel, "k", 0)
    mischief = Mischief(PLANS[name])
    relay_frames(follower.page, to_page=mischief)
    follower.open()
    follower.wait_for_status("live")
    for value in (1, 2, 3, 4):
        publisher.event(channel, f"event {value}")
        publisher.set(channel, "k", value)
        publisher.set(channel, f"only {value}", value)
    follower.wait_for_seq(13, within_s=30)
    assert mischief.count == 12
    # Older values of a key may be left out of a poll answer.
    k_values = [data for _, _, key, data in follower.told if key == "k"]
    assert k_values == sorted({0, 4, *k_values})
    assert [row for row in follower.told if row[2] != "k"] == [
        [2, "event", None, "event 1"],
        [4, "set", "only 1", 1],
        [5, "event", None, "event 2"],
        [7, "set", "only 2", 2],
        [8, "event", None, "event 3"],
        [10, "set", "only 3", 3],
        [11, "event", None, "event 4"],
        [13, "set", "only 4", 4],
    ]
    assert follower.state == {"k": 4, "only 1": 1, "only 2": 2, "only 3": 3, "only 4": 4}
    follower.assert_equals_log()
