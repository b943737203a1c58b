"""Appends that meet on a channel share one round trip, and nothing else changes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Any

import pytest

from bellwire.errors import Upstream
from bellwire.fanout import PushableLog
from bellwire.grouping import GroupingAppends
from bellwire.ports import Receipt
from bellwire.updates import ORIGIN, Draft

CHANNEL = "public/hot"


class Held:
    """A log whose first append waits until the test lets it go; counts what each one took."""

    def __init__(self, log: PushableLog | None) -> None:
        self.log = log
        self.is_under_way = Event()
        self.may_go = Event()
        self.sizes: list[int] = []

    def append(self, channel: str, drafts: Sequence[Draft]) -> list[Receipt]:
        self.sizes.append(len(drafts))
        if len(self.sizes) == 1:
            self.is_under_way.set()
            assert self.may_go.wait(10)
        if self.log is None:
            raise Upstream("the log is away")
        return self.log.append(channel, drafts)


def publish_together(held: Held, counts: Sequence[int]) -> list[Any]:
    """Hold the first caller's append, let go when all others wait behind it; gather the results."""
    grouping = GroupingAppends(held)

    def call(caller: int) -> Any:
        drafts = [Draft("event", data=[caller, n]) for n in range(counts[caller])]
        try:
            return grouping.append(CHANNEL, drafts)
        except Upstream as error:
            return error

    with ThreadPoolExecutor(len(counts)) as pool:
        calls = [pool.submit(call, 0)]
        assert held.is_under_way.wait(10)
        calls += [pool.submit(call, caller) for caller in range(1, len(counts))]
        deadline_s = monotonic() + 10
        while grouping.waiting(CHANNEL) < len(counts):
            assert monotonic() < deadline_s
        held.may_go.set()
        return [one.result(10) for one in calls]


def test_every_caller_gets_its_own_places(log: PushableLog) -> None:
    held = Held(log)
    receipts = publish_together(held, [1, 3, 1, 20, 2])
    run = log.read_after(CHANNEL, ORIGIN, max_updates=99, max_bytes=1 << 20, is_strong=True)
    assert run is not None
    by_seq = {update.seq: update.data for update in run.updates}
    assert sorted(by_seq) == list(range(1, 28))
    for caller, places in enumerate(receipts):
        assert [by_seq[p.position.seq] for p in places] == [[caller, n] for n in range(len(places))]
    assert held.sizes == [1, 26]


def test_a_group_stays_within_what_an_append_takes(log: PushableLog) -> None:
    held = Held(log)
    publish_together(held, [1, 30, 30, 30])
    assert held.sizes == [1, 30, 30, 30]


def test_an_error_is_every_callers_of_the_group_and_the_next_goes_on() -> None:
    results = publish_together(Held(None), [1, 1, 1])
    assert [type(result) for result in results] == [Upstream, Upstream, Upstream]


def test_a_channel_does_not_wait_for_another(log: PushableLog) -> None:
    held = Held(log)
    grouping = GroupingAppends(held)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(grouping.append, CHANNEL, [Draft("event", data=1)])
        assert held.is_under_way.wait(10)
        other = grouping.append("public/other", [Draft("event", data=2)])
        assert not first.done()
        held.may_go.set()
        assert first.result(10)[0].position.seq == other[0].position.seq == 1


@pytest.mark.parametrize("callers", [16])
def test_many_callers_leave_no_hole(log: PushableLog, callers: int) -> None:
    grouping = GroupingAppends(log)

    def call(caller: int) -> list[int]:
        return [
            grouping.append(CHANNEL, [Draft("event", data=[caller, n])])[0].position.seq
            for n in range(10)
        ]

    with ThreadPoolExecutor(callers) as pool:
        places = [seq for seqs in pool.map(call, range(callers)) for seq in seqs]
    assert sorted(places) == list(range(1, callers * 10 + 1))
