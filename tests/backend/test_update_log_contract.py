"""What every update log must do, whatever it is stored in."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.conftest import ID_WINDOW_S, Clock
from bellwire.ports import Run, UpdateLog
from bellwire.updates import ORIGIN, Draft, Position, Update, fold

CHANNEL = "public/host"


def event(data: Any, draft_id: str | None = None) -> Draft:
    return Draft("event", data=data, id=draft_id)


def read(
    log: UpdateLog, position: Position, max_updates: int = 1000, channel: str = CHANNEL
) -> Run | None:
    return log.read_after(
        channel, position, max_updates=max_updates, max_bytes=1 << 20, is_strong=True
    )


def data_of(updates: Sequence[Update]) -> list[Any]:
    return [update.data for update in updates]


def test_a_channel_never_written_stands_at_the_origin(log: UpdateLog) -> None:
    assert log.tail(CHANNEL) == ORIGIN
    assert read(log, ORIGIN) == Run("0", 0, 0, (), is_end=True)
    assert log.snapshot(CHANNEL).position == ORIGIN
    assert log.snapshot(CHANNEL).state == {}
    assert log.kept_events(CHANNEL, ORIGIN, max_bytes=1 << 20) == ()


def test_the_first_update_continues_the_origin(log: UpdateLog) -> None:
    (receipt,) = log.append(CHANNEL, [event("hello")])
    run = read(log, ORIGIN)
    assert receipt.position.seq == 1
    assert run is not None
    assert (run.epoch, run.after, run.last, run.is_end) == (receipt.position.epoch, 0, 1, True)
    assert data_of(run.updates) == ["hello"]


def test_numbers_follow_each_other_in_one_epoch(log: UpdateLog) -> None:
    receipts = [log.append(CHANNEL, [event(n)])[0] for n in range(5)]
    receipts += log.append(CHANNEL, [event(5), event(6)])
    assert [r.position.seq for r in receipts] == [1, 2, 3, 4, 5, 6, 7]
    assert len({r.position.epoch for r in receipts}) == 1
    assert log.tail(CHANNEL) == receipts[-1].position


def test_channels_are_numbered_apart(log: UpdateLog) -> None:
    first = log.append(CHANNEL, [event(1)])[0].position
    other = log.append("public/other", [event(2)])[0].position
    assert (first.seq, other.seq) == (1, 1)
    assert first.epoch != other.epoch


def test_an_update_comes_back_as_it_was_published(log: UpdateLog, clock: Clock) -> None:
    log.append(
        CHANNEL,
        [
            Draft("event", data={"é": [1, None, 2.5]}, id="my-id"),
            Draft("set", "", None),
            Draft("delete", "k"),
        ],
    )
    run = read(log, ORIGIN)
    assert run is not None
    assert run.updates == (
        Update(1, "event", None, {"é": [1, None, 2.5]}, "my-id", clock.now_ms),
        Update(2, "set", "", None, None, clock.now_ms),
        Update(3, "delete", "k", None, None, clock.now_ms),
    )


def test_reading_goes_on_from_any_position(log: UpdateLog) -> None:
    epoch = log.append(CHANNEL, [event(n) for n in range(1, 4)])[0].position.epoch
    log.append(CHANNEL, [event(n) for n in range(4, 9)])
    for seq in range(9):
        run = read(log, Position(epoch, seq))
        assert run is not None
        assert (run.after, run.last, run.is_end) == (seq, 8, True)
        assert data_of(run.updates) == list(range(seq + 1, 9))


def test_a_read_in_pieces_covers_every_number_once(log: UpdateLog) -> None:
    for n in range(1, 8):
        log.append(CHANNEL, [event(n)])
    position, pieces = ORIGIN, list[list[Any]]()
    for is_last in (False, False, False, True):
        run = read(log, position, max_updates=2)
        assert run is not None
        assert run.is_end == is_last
        pieces.append(data_of(run.updates))
        position = Position(run.epoch, run.last)
    assert pieces == [[1, 2], [3, 4], [5, 6], [7]]


def test_bytes_cut_a_read_but_one_update_always_comes(log: UpdateLog) -> None:
    for n in range(3):
        log.append(CHANNEL, [event(str(n) * 5_000)])
    run = log.read_after(CHANNEL, ORIGIN, max_updates=10, max_bytes=100, is_strong=True)
    assert run is not None
    assert (run.last, run.is_end) == (1, False)


def test_the_tail_is_quiet(log: UpdateLog) -> None:
    position = log.append(CHANNEL, [event(1)])[0].position
    assert read(log, position) == Run(position.epoch, 1, 1, (), is_end=True)


def test_a_position_ahead_of_the_log_is_never_answered_backward(log: UpdateLog) -> None:
    epoch = log.append(CHANNEL, [event(1)])[0].position.epoch
    assert read(log, Position(epoch, 7)) == Run(epoch, 7, 7, (), is_end=True)


@pytest.mark.parametrize("epoch", ["aaaaaaaa", "aaaaaaaa1", "zzzzzzzz9"])
def test_another_epoch_is_no_continuity(log: UpdateLog, epoch: str) -> None:
    log.append(CHANNEL, [event(1)])
    assert read(log, Position(epoch, 0)) is None
    assert read(log, Position(epoch, 1)) is None


def test_the_state_is_the_fold_of_the_log(log: UpdateLog) -> None:
    log.append(CHANNEL, [Draft("set", "a", 1), Draft("set", "b", [2]), Draft("set", "", 0)])
    log.append(CHANNEL, [event("no state")])
    log.append(CHANNEL, [Draft("delete", "a"), Draft("set", "b", {"c": 3})])
    before = log.snapshot(CHANNEL)
    log.settle_state(CHANNEL)
    log.settle_state(CHANNEL)
    after = log.snapshot(CHANNEL)
    run = read(log, ORIGIN)
    assert run is not None
    assert before == after
    assert after.position == log.tail(CHANNEL)
    assert after.state == {"b": {"c": 3}, "": 0} == fold({}, run.updates)


def test_state_set_after_a_settled_delete_is_seen(log: UpdateLog) -> None:
    log.append(CHANNEL, [Draft("set", "a", 1)])
    log.append(CHANNEL, [Draft("delete", "a")])
    log.settle_state(CHANNEL)
    assert log.snapshot(CHANNEL).state == {}
    log.append(CHANNEL, [Draft("set", "a", 2)])
    assert log.snapshot(CHANNEL).state == {"a": 2}
    log.settle_state(CHANNEL)
    assert log.snapshot(CHANNEL).state == {"a": 2}


def test_kept_events_leave_state_out_and_keep_order(log: UpdateLog) -> None:
    log.append(CHANNEL, [event(1), Draft("set", "a", 1), event(3)])
    log.append(CHANNEL, [event(4)])
    tail = log.append(CHANNEL, [event(5)])[0].position
    assert data_of(log.kept_events(CHANNEL, tail, max_bytes=1 << 20)) == [1, 3, 4, 5]
    assert data_of(log.kept_events(CHANNEL, tail, after=1, max_bytes=1 << 20)) == [3, 4, 5]
    assert data_of(log.kept_events(CHANNEL, tail, newest=2, max_bytes=1 << 20)) == [4, 5]
    assert data_of(log.kept_events(CHANNEL, tail, newest=0, max_bytes=1 << 20)) == []
    assert data_of(log.kept_events(CHANNEL, Position(tail.epoch, 4), max_bytes=1 << 20)) == [
        1,
        3,
        4,
    ]


def test_kept_events_are_the_newest_that_fit(log: UpdateLog) -> None:
    for n in range(40):
        log.append(CHANNEL, [event(f"{n:02d}" + "x" * 998)])
    tail = log.tail(CHANNEL)
    kept = log.kept_events(CHANNEL, tail, max_bytes=5_500)
    assert [str(update.data)[:2] for update in kept] == ["35", "36", "37", "38", "39"]


def test_an_id_given_twice_is_appended_once(log: UpdateLog) -> None:
    first = log.append(CHANNEL, [event(1, "a")])[0]
    log.append(CHANNEL, [event(2)])
    again, new, twice = log.append(CHANNEL, [event("x", "a"), event(3, "b"), event("y", "b")])
    assert (again.position, again.at_ms, again.is_duplicate) == (first.position, first.at_ms, True)
    assert (new.position.seq, new.is_duplicate) == (3, False)
    assert (twice.position.seq, twice.is_duplicate) == (3, True)
    run = read(log, ORIGIN)
    assert run is not None
    assert data_of(run.updates) == [1, 2, 3]


def test_ids_belong_to_their_channel_and_their_window(log: UpdateLog, clock: Clock) -> None:
    log.append(CHANNEL, [event(1, "a")])
    assert not log.append("public/other", [event(1, "a")])[0].is_duplicate
    clock.advance(ID_WINDOW_S - 1)
    assert log.append(CHANNEL, [event(1, "a")])[0].is_duplicate
    clock.advance(2)
    late = log.append(CHANNEL, [event(1, "a")])[0]
    assert (late.position.seq, late.is_duplicate) == (2, False)


def test_writers_side_by_side_leave_no_hole_and_take_no_number_twice(log: UpdateLog) -> None:
    def write(writer: int) -> list[tuple[int, Any]]:
        return [
            (log.append(CHANNEL, [event([writer, n])])[0].position.seq, [writer, n])
            for n in range(10)
        ]

    with ThreadPoolExecutor(4) as pool:
        acknowledged = [pair for pairs in pool.map(write, range(4)) for pair in pairs]
    run = read(log, ORIGIN)
    assert run is not None
    assert [update.seq for update in run.updates] == list(range(1, 41))
    assert sorted(acknowledged) == [(u.seq, u.data) for u in run.updates]


def test_many_large_updates_at_once_are_all_there(log: UpdateLog) -> None:
    drafts = [event(f"{n}" + "x" * 30_000) for n in range(7)]
    receipts = log.append(CHANNEL, drafts)
    assert [r.position.seq for r in receipts] == [1, 2, 3, 4, 5, 6, 7]
    run = read(log, ORIGIN)
    assert run is not None
    assert data_of(run.updates) == [draft.data for draft in drafts]
