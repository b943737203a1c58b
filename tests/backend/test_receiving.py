"""Receiver rules R1 to R5: the shared rows, and random histories against a model log."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire.answers import ChannelAnswer, decode_channel_answer
from bellwire.conflation import conflate
from bellwire.receiving import Received, Receiver, receive_answer, receive_envelope
from bellwire.updates import Envelope, Position, Update, decode_envelope, fold
from shared_rows import name_of, rows


def take(receiver: Receiver, step: dict[str, Any]) -> Received:
    if "envelope" in step:
        return receive_envelope(receiver, decode_envelope(json.dumps(step["envelope"]).encode()))
    asked = Position(*step["asked"]) if step["asked"] else None
    return receive_answer(receiver, decode_channel_answer(step["answer"]), asked)


def told(update: Update) -> dict[str, Any]:
    wire = {"s": update.seq, "o": update.op, "k": update.key, "d": update.data}
    absent = {"event": "k", "delete": "d"}.get(update.op)
    return {name: value for name, value in wire.items() if name != absent}


@pytest.mark.parametrize("row", rows("receiver", "rows"), ids=name_of)
def test_receiver_rows(row: dict[str, Any]) -> None:
    receiver = Receiver("public/a")
    for step in row["steps"]:
        received = take(receiver, step)
        receiver, expected = received.receiver, step["expect"]
        here = receiver.position
        assert (here and [here.epoch, here.seq]) == expected["position"]
        assert received.is_reset == expected["reset"]
        assert [told(update) for update in received.updates] == expected["updates"]
        assert received.wants_catch_up == expected["catch_up"]
        assert len(receiver.held) == expected["held"]
        if "state" in expected:
            assert receiver.state == expected["state"]


@st.composite
def logs(draw: st.DrawFn) -> list[Update]:
    ops = draw(st.lists(st.sampled_from(["event", "set", "delete"]), min_size=1, max_size=25))
    keys = st.sampled_from("xy")
    return [
        Update(n, op, None if op == "event" else draw(keys), None if op == "delete" else n)
        for n, op in enumerate(ops, start=1)
    ]


@given(logs(), st.data())
def test_any_schedule_of_hints_and_polls_tells_every_event_once(
    log: list[Update], data: st.DataObject
) -> None:
    """Envelopes come dropped, doubled, reordered and overlapping; answers may be stale."""
    receiver, events = Receiver("public/a"), list[Any]()
    start = data.draw(st.integers(0, len(log)), "tail at the first answer")
    for _ in range(data.draw(st.integers(0, 30), "steps")):
        asked = receiver.position
        if data.draw(st.booleans(), "by push"):
            received = receive_envelope(receiver, _any_envelope(log, data))
        else:
            seen = start if asked is None else data.draw(st.integers(asked.seq, len(log)), "tail")
            received = receive_answer(receiver, _answer(log, asked, seen), asked)
        receiver = received.receiver
        events += [u.data for u in received.updates if u.op == "event"]
        if receiver.position is not None:
            reached = receiver.position.seq
            assert events == [u.data for u in log[start:reached] if u.op == "event"]
            assert receiver.state == fold({}, log[:reached])
        assert not received.is_reset


def _any_envelope(log: list[Update], data: st.DataObject) -> Envelope:
    after = data.draw(st.integers(0, len(log) - 1), "after")
    last = data.draw(st.integers(after + 1, len(log)), "last")
    return Envelope("public/a", "aaaaaaaa", after, last, conflate(log[after:last]))


def _answer(log: list[Update], asked: Position | None, tail: int) -> ChannelAnswer:
    if asked is None:
        state = fold({}, log[:tail])
        return ChannelAnswer("aaaaaaaa", tail, tail, is_recovered=False, state=state)
    run = conflate(log[asked.seq : tail])
    return ChannelAnswer("aaaaaaaa", asked.seq, tail, is_recovered=True, updates=run)
