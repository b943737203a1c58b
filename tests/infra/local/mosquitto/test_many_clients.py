"""Seeded random conversations: every subscriber hears from the stand-in what it would elsewhere.

AWS's deviations are taken off what Mosquitto delivers: `a/#` does not match `a`, and a message
that several filters of one client match comes once, with the highest QoS of them.
"""

import random
import re
from dataclasses import dataclass

import pytest

from infra.local.mosquitto.wire import Open, fresh_id
from mqtt_bytes import Received, connect, puback, publish, subscribe, unsubscribe

CLIENTS = 3
STEPS = 60
LEVELS_OF_TOPICS = ("a", "b", "", "ä")
LEVELS_OF_FILTERS = (*LEVELS_OF_TOPICS, "+", "+")


@dataclass(frozen=True)
class Step:
    """One client's act: `name` is a filter or a topic."""

    client: int
    act: str
    name: str
    qos: int
    number: int


def make_steps(seed: int) -> list[Step]:
    """Make a conversation in which half of the acts are messages."""
    chosen = random.Random(seed)
    return [_make_step(chosen, number) for number in range(STEPS)]


def _make_step(chosen: random.Random, number: int) -> Step:
    client, qos = chosen.randrange(CLIENTS), chosen.randrange(2)
    act = chosen.choices(("publish", "subscribe", "unsubscribe"), (5, 4, 1))[0]
    if act == "publish":
        levels = chosen.choices(LEVELS_OF_TOPICS, k=chosen.randint(1, 3))
        return Step(client, act, "/".join(levels) or "a", qos, number)
    levels = chosen.choices(LEVELS_OF_FILTERS, k=chosen.randint(1, 3))
    if chosen.random() < 0.3:
        levels[-1] = "#"
    return Step(client, act, "/".join(levels) or "+", qos, number)


Delivery = tuple[int, str, bytes, int]
"""Who heard it, its topic, its payload, its QoS."""


def play(open_one: Open, steps: list[Step]) -> list[Delivery]:
    """Carry the conversation out step by step and return what everybody heard."""
    wires = [open_one() for _ in range(CLIENTS)]
    for wire in wires:
        wire.send(connect(fresh_id()))
        assert wire.settle()[0].body == b"\0\0"
    deliveries: list[Delivery] = []
    for step in steps:
        wires[step.client].send(_write(step))
        answers = wires[step.client].settle()
        for client, wire in enumerate(wires):
            heard = answers if client == step.client else wire.settle()
            messages = [_read(client, one) for one in heard if one.kind == 3]
            for delivery, packet_id in messages:
                deliveries.append(delivery)
                if packet_id:
                    wire.send(puback(packet_id))
    assert not any(wire.is_ended for wire in wires)
    return deliveries


def _write(step: Step) -> bytes:
    packet_id = step.number + 1
    if step.act == "publish":
        payload = f"{step.number}".encode()
        return publish(step.name, payload, qos=step.qos, packet_id=packet_id)
    if step.act == "subscribe":
        return subscribe(packet_id, [(step.name, step.qos)])
    return unsubscribe(packet_id, [step.name])


def _read(client: int, packet: Received) -> tuple[Delivery, int]:
    end = 2 + int.from_bytes(packet.body[:2], "big")
    qos = packet.flags >> 1 & 3
    start = end + 2 if qos else end
    packet_id = int.from_bytes(packet.body[end:start], "big")
    return (client, packet.body[2:end].decode(), packet.body[start:], qos), packet_id


def matches_on_aws(topic_filter: str, topic: str) -> bool:
    """Say whether AWS matches; `#` stands for one level at least, which may be empty."""
    levels = [re.escape(level) for level in topic_filter.split("/")]
    pattern = "/".join(
        {re.escape("+"): "[^/]*", re.escape("#"): ".*"}.get(one, one) for one in levels
    )
    return re.fullmatch(pattern, topic) is not None


def expect(steps: list[Step], heard: list[Delivery]) -> list[Delivery]:
    """Take AWS's deviations off what a broker of the standard delivers."""
    numbers = {str(step.number).encode(): step for step in steps}
    kept: dict[tuple[int, bytes], Delivery] = {}
    for delivery in heard:
        client, topic, payload, qos = delivery
        held = filters_of(steps, client, numbers[payload].number)
        granted = [wished for name, wished in held.items() if matches_on_aws(name, topic)]
        if granted:
            highest = min(max(granted), numbers[payload].qos)
            kept[client, payload] = (client, topic, payload, highest)
            assert qos <= numbers[payload].qos
    return sorted(kept.values())


def filters_of(steps: list[Step], client: int, number: int) -> dict[str, int]:
    """Return a client's filters, each with its QoS, as they were at a step."""
    held: dict[str, int] = {}
    for step in steps[:number]:
        if step.client == client and step.act == "subscribe":
            held[step.name] = step.qos
        elif step.client == client and step.act == "unsubscribe":
            held.pop(step.name, None)
    return held


@pytest.mark.parametrize("seed", range(12))
def test_everybody_hears_the_same(ours: Open, theirs: Open, seed: int) -> None:
    steps = make_steps(seed)
    heard = play(theirs, steps)
    assert len(heard) > 10
    assert sorted(play(ours, steps)) == expect(steps, heard)


def test_the_conversations_hold_what_they_are_for() -> None:
    steps = [step for seed in range(12) for step in make_steps(seed)]
    names = {step.name for step in steps if step.act == "subscribe"}
    assert {"#", "+", "a/#", "+/#"} <= names
    assert {(step.act, step.qos) for step in steps} >= {("publish", 0), ("publish", 1)}
