"""Polling: what a client is answered, from every place it can stand."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.conftest import RETENTION_S, Clock
from bellwire.answers import Answer, decode_answer, encode_answer
from bellwire.aws.dynamodb_log import DynamoDbLog
from bellwire.cursors import Cursor, decode_cursor
from bellwire.errors import NotAllowed
from bellwire.polling import Ask, poll
from bellwire.ports import UpdateLog
from bellwire.receiving import Receiver, receive_answer
from bellwire.sql.log import SqlLog
from bellwire.updates import ORIGIN, Draft, Position, fold
from bellwire.wire_json import encode_json

A, B = "public/a", "public/b"


def ask(
    log: UpdateLog, positions: dict[str, Position | None], rewind: int = 0, limit: int = 500
) -> Answer:
    return poll(
        Ask(positions, rewind, limit),
        log=log,
        may_read=lambda channel: channel.startswith("public/"),
        identity_id=None,
        poll_after_ms=2_000,
    )


def events(*data: Any) -> list[Draft]:
    return [Draft("event", data=item) for item in data]


def test_a_first_answer_holds_the_state_and_the_rewound_events(log: UpdateLog) -> None:
    log.append(A, [*events(1, 2), Draft("set", "k", "v"), *events(3)])
    answer = ask(log, {A: None, B: None}, rewind=2)
    a, b = answer.channels[A], answer.channels[B]
    assert (a.after, a.last, a.is_recovered, a.state) == (4, 4, False, {"k": "v"})
    assert [u.data for u in a.updates] == [2, 3]
    assert (b.epoch, b.last, b.is_recovered, b.state) == ("0", 0, False, {})
    assert decode_cursor(answer.cursor) == Cursor({A: Position(a.epoch, 4), B: ORIGIN})
    assert decode_answer(encode_json(encode_answer(answer))) == answer


def test_a_cursor_goes_on_where_it_stood(log: UpdateLog) -> None:
    log.append(A, events(1))
    first = ask(log, {A: None, B: None})
    log.append(A, events(2, 3))
    log.append(B, events("b1"))
    second = ask(log, {**decode_cursor(first.cursor).positions})
    a, b = second.channels[A], second.channels[B]
    assert (a.after, a.last, a.is_recovered, [u.data for u in a.updates]) == (1, 3, True, [2, 3])
    assert (b.after, b.last, b.is_recovered, [u.data for u in b.updates]) == (0, 1, True, ["b1"])
    quiet = ask(log, {**decode_cursor(second.cursor).positions})
    assert quiet.cursor == second.cursor
    assert [(p.after, p.last) for p in quiet.channels.values()] == [(3, 3), (1, 1)]


def test_a_run_is_conflated(log: UpdateLog) -> None:
    log.append(A, [Draft("set", "k", n) for n in range(10)])
    part = ask(log, {A: ORIGIN}).channels[A]
    assert (part.after, part.last, [u.seq for u in part.updates]) == (0, 10, [10])


def test_an_unknown_epoch_gets_state_and_every_kept_event(log: UpdateLog) -> None:
    log.append(A, [*events(1), Draft("set", "k", "v"), *events(3)])
    part = ask(log, {A: Position("zzzzzzzz9", 77)}).channels[A]
    assert (part.last, part.is_recovered, part.state) == (3, False, {"k": "v"})
    assert [u.data for u in part.updates] == [1, 3]


def test_a_limit_cuts_and_more_is_there_at_once(log: UpdateLog) -> None:
    log.append(A, events(*range(7)))
    receiver, seen = Receiver(A, ORIGIN), list[Any]()
    for _ in range(9):
        at = receiver.position
        answer = ask(log, {A: at}, limit=3)
        assert len(answer.channels[A].updates) <= 3
        received = receive_answer(receiver, answer.channels[A], at)
        receiver, seen = received.receiver, seen + [u.data for u in received.updates]
        log.settle_state(A)
    assert seen == [0, 1, 2, 3, 4, 5, 6]
    assert not answer.has_more


def test_an_answer_stays_within_a_mebibyte_and_nobody_is_left_out(log: UpdateLog) -> None:
    for channel in (A, B):
        for n in range(9):
            log.append(channel, events(f"{n}" + "x" * 90_000))
    positions: dict[str, Position | None] = {A: ORIGIN, B: ORIGIN}
    seen: dict[str, list[str]] = {A: [], B: []}
    for _ in range(9):
        answer = ask(log, positions)
        assert len(encode_json(encode_answer(answer))) <= 1_048_576
        for name, part in answer.channels.items():
            assert part.updates or not answer.has_more
            seen[name] += [str(u.data)[0] for u in part.updates]
        positions = {**decode_cursor(answer.cursor).positions}
        if not answer.has_more:
            break
    assert seen == {A: list("012345678"), B: list("012345678")}


def test_one_channel_that_may_not_be_read_refuses_the_request_by_its_name(log: UpdateLog) -> None:
    log.append("user/x/inbox", events(1))
    for name in ("user/x/inbox", "user/never/written", "user/me/inbox"):
        with pytest.raises(NotAllowed, match=f"you may not read {name}"):
            ask(log, {A: None, name: None})


def follow_pages(log: UpdateLog, receiver: Receiver, answer: Answer) -> tuple[Receiver, int]:
    """Hand an answer over and ask on from its cursor while there is more; count the answers."""
    for count in range(1, 30):
        assert len(encode_json(encode_answer(answer))) <= 1_048_576
        received = receive_answer(receiver, answer.channels[A], receiver.position)
        receiver = received.receiver
        if not answer.has_more:
            return receiver, count
        assert received.updates == ()
        cursor = decode_cursor(answer.cursor)
        ask_on = Ask(cursor.positions, pages=cursor.pages)
        answer = poll(ask_on, log=log, may_read=lambda _: True, identity_id=None, poll_after_ms=1)
    raise AssertionError("the pages do not end")


def test_a_large_state_comes_in_pages_and_is_shown_when_whole(log: UpdateLog) -> None:
    values = {f"k{n:02d}": f"{n}" + "x" * 90_000 for n in range(30)} | {"": 0, "é": 1, "~": 2}
    for key, value in values.items():
        log.append(A, [Draft("set", key, value)])
    log.append(A, events("last"))
    receiver, answers = follow_pages(log, Receiver(A), ask(log, {A: None}, rewind=1))
    assert receiver.state == values
    assert receiver.position == log.tail(A)
    assert answers == 4


@pytest.mark.parametrize(
    ("channels", "sizes"),
    [(50, [200] * 120), (15, [1_000, 95_000, 95_000]), (30, [400] * 100)],
    ids=["many small", "few large", "between"],
)
def test_many_channels_in_pages_are_all_whole_in_the_end(
    sql_log: SqlLog, channels: int, sizes: list[int]
) -> None:
    names = [f"public/c{n:02d}" for n in range(channels)]
    for name in names:
        drafts = [Draft("set", f"k{n:03d}", "x" * size) for n, size in enumerate(sizes)]
        for at in range(0, len(drafts), 50):
            sql_log.append(name, drafts[at : at + 50])
    receivers = {name: Receiver(name) for name in names}
    asking = Ask(dict.fromkeys(names))
    for _ in range(40):
        answer = poll(
            asking, log=sql_log, may_read=lambda _: True, identity_id=None, poll_after_ms=1
        )
        assert len(encode_json(encode_answer(answer))) <= 1_048_576
        for name, part in answer.channels.items():
            receiver = receivers[name]
            receivers[name] = receive_answer(receiver, part, receiver.position).receiver
        if not answer.has_more:
            break
        cursor = decode_cursor(answer.cursor)
        asking = Ask(cursor.positions, pages=cursor.pages)
    assert not answer.has_more
    assert {len(receiver.state) for receiver in receivers.values()} == {len(sizes)}


def test_what_changes_between_pages_comes_by_its_number(log: UpdateLog) -> None:
    for n in range(15):
        log.append(A, [Draft("set", f"k{n:02d}", f"{n}" + "x" * 90_000)])
    first = ask(log, {A: None})
    assert first.channels[A].next_key is not None
    log.append(A, [Draft("set", "k00", "new"), Draft("delete", "k14"), Draft("set", "k99", "born")])
    receiver, _ = follow_pages(log, Receiver(A), first)
    assert receiver.position == Position(log.tail(A).epoch, 15)
    received = receive_answer(
        receiver, ask(log, {A: receiver.position}).channels[A], receiver.position
    )
    run = log.read_after(A, ORIGIN, max_updates=99, max_bytes=1 << 24, is_strong=True)
    assert run is not None
    assert received.receiver.state == fold({}, run.updates)
    assert not received.is_reset


def test_pages_of_an_epoch_that_ended_begin_again_with_the_events_since(
    dynamodb_log: DynamoDbLog, clock: Clock
) -> None:
    for n in range(15):
        dynamodb_log.append(A, [Draft("set", f"k{n:02d}", f"{n}" + "x" * 90_000)])
    first = ask(dynamodb_log, {A: None})
    dynamodb_log.settle_state(A)
    clock.advance(RETENTION_S)
    dynamodb_log.append(A, [*events("new epoch"), Draft("set", "k14", "new")])
    received = receive_answer(Receiver(A), first.channels[A], None)
    cursor = decode_cursor(first.cursor)
    again = poll(
        Ask(cursor.positions, pages=cursor.pages),
        log=dynamodb_log,
        may_read=lambda _: True,
        identity_id=None,
        poll_after_ms=1,
    )
    assert again.channels[A].epoch != first.channels[A].epoch
    assert [update.data for update in again.channels[A].updates] == ["new epoch"]
    receiver, _ = follow_pages(dynamodb_log, received.receiver, again)
    assert receiver.state == dynamodb_log.snapshot(A).state
    assert receiver.position == dynamodb_log.tail(A)


def test_channels_may_be_read_in_parallel(log: UpdateLog) -> None:
    names = [f"public/c{n:02d}" for n in range(50)]
    for name in names:
        log.append(name, events(name))
    with ThreadPoolExecutor(8) as pool:
        answer = poll(
            Ask(dict.fromkeys(names, ORIGIN)),
            log=log,
            may_read=lambda _: True,
            identity_id=None,
            poll_after_ms=1,
            in_parallel=pool.map,
        )
    assert [part.updates[0].data for part in answer.channels.values()] == names


def test_an_update_between_any_two_reads_is_neither_missed_nor_doubled(log: UpdateLog) -> None:
    """First of its channel, before the first answer, between polls: each place at its turn."""
    for published_before in range(4):
        channel = f"public/run{published_before}"
        receiver, seen, number = Receiver(channel), list[Any](), 0
        for step in range(4):
            if step >= published_before:
                number += 1
                log.append(channel, [Draft("event", data=number), Draft("set", "n", number)])
            at = receiver.position
            received = receive_answer(receiver, ask(log, {channel: at}).channels[channel], at)
            receiver = received.receiver
            seen += [u.data for u in received.updates if u.op == "event"]
            assert not received.is_reset
        run = log.read_after(channel, ORIGIN, max_updates=99, max_bytes=1 << 20, is_strong=True)
        assert run is not None
        assert receiver.state == fold({}, run.updates)
        assert seen == list(range(2 if published_before == 0 else 1, number + 1))
