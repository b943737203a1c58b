"""What one client is answered: the stand-in and Mosquitto agree wherever AWS follows the standard.

Where AWS departs from it, both answers stand here, so that a change of either is noticed.
"""

from collections.abc import Callable

import pytest

from infra.local.endpoints import Endpoint
from infra.local.mosquitto.wire import Open, fresh_id
from mqtt_bytes import (
    DISCONNECT,
    PINGREQ,
    connect,
    packet,
    puback,
    publish,
    subscribe,
    text,
    unsubscribe,
)

Answers = tuple[list[tuple[int, int, bytes]], bool]
"""Packets as (type, flags, body), those of equal standing sorted, and whether the end came."""

LEVELS = [pytest.param(3, id="3.1"), pytest.param(4, id="3.1.1")]


def converse(open_one: Open, *pieces: bytes, level: int | None = 4) -> Answers:
    """Connect, say all pieces, and return what came after CONNACK; level None: no CONNECT."""
    wire = open_one()
    if level is not None:
        wire.send(connect(fresh_id(), level=level))
        connack, *_ = wire.read_until(lambda heard: len(heard) > 0)
        assert (connack.kind, connack.body[:2]) == (2, b"\0\0")
    for piece in pieces:
        wire.send(piece)
    heard = wire.settle()
    return [(one.kind, one.flags, one.body) for one in heard], wire.is_ended


def by_type(answers: Answers) -> Answers:
    """Forget the order: whether PUBACK or one's own message comes first is nowhere said."""
    return sorted(answers[0]), answers[1]


TALKS = {
    "ping": (PINGREQ,),
    "subscribe": (subscribe(7, [("a/b", 0)]),),
    "subscribe with qos 1": (subscribe(8, [("a/b", 1)]),),
    "several filters": (subscribe(9, [("a/b", 1), ("c/+", 0), ("d/#", 1), ("#", 0), ("+", 0)]),),
    "the same filter twice": (subscribe(1, [("a", 0)]), subscribe(2, [("a", 1)])),
    "unsubscribe": (subscribe(1, [("a", 0)]), unsubscribe(0xABCD, ["a"])),
    "unsubscribe what was not subscribed": (unsubscribe(3, ["a", "b"]),),
    "publish": (publish("a", b"x"),),
    "publish with qos 1": (publish("a", b"x", qos=1, packet_id=513),),
    "publish an empty payload": (publish("a", b"", qos=1, packet_id=2),),
    "own message": (subscribe(1, [("own", 0)]), publish("own", b"x")),
    "own message of qos 1 down to 0": (subscribe(1, [("own", 0)]), publish("own", b"x", qos=1)),
    "own message of qos 0": (subscribe(1, [("own", 1)]), publish("own", b"x")),
    "own message of qos 1": (subscribe(1, [("own", 1)]), publish("own", b"x", qos=1), puback(1)),
    "no more after unsubscribe": (
        subscribe(1, [("own", 0)]),
        unsubscribe(2, ["own"]),
        publish("own", b"x"),
    ),
    "goodbye": (DISCONNECT,),
    "several packets in a frame": (subscribe(1, [("a", 0)]) + publish("a", b"x") + PINGREQ,),
    "a packet in several frames": tuple(
        bytes((one,)) for one in subscribe(1, [("a", 0)]) + publish("a", b"x", qos=1)
    ),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", TALKS)
def test_the_same_answers(ours: Open, theirs: Open, name: str, level: int) -> None:
    pieces = TALKS[name]
    expected = by_type(converse(theirs, *pieces, level=level))
    assert by_type(converse(ours, *pieces, level=level)) == expected


FAULTS = {
    "a second CONNECT": connect("again"),
    "a reserved packet type": b"\x00\x00",
    "AUTH before MQTT 5": b"\xf0\x00",
    "CONNACK from a client": b"\x20\x02\x00\x00",
    "SUBSCRIBE with other flags": b"\x80" + subscribe(1, [("a", 0)])[1:],
    "UNSUBSCRIBE with other flags": b"\xa0" + unsubscribe(1, ["a"])[1:],
    "SUBSCRIBE of nothing": packet(0x82, b"\0\1"),
    "SUBSCRIBE without a QoS": packet(0x82, b"\0\1" + text("a")),
    "SUBSCRIBE with QoS 3": subscribe(1, [("a", 3)]),
    "SUBSCRIBE with packet id 0": subscribe(0, [("a", 0)]),
    "UNSUBSCRIBE of nothing": packet(0xA2, b"\0\1"),
    "an empty filter": subscribe(1, [("", 0)]),
    "a # in the middle": subscribe(1, [("a/#/b", 0)]),
    "a # beside other characters": subscribe(1, [("a#", 0)]),
    "a + beside other characters": subscribe(1, [("a+/b", 0)]),
    "a topic with +": publish("a/+", b""),
    "a topic with #": publish("a/#", b""),
    "an empty topic": publish("", b""),
    "a topic that is no UTF-8": packet(0x30, b"\0\2\xc3\x28"),
    "a topic with U+0000": publish("a\0b", b""),
    "a topic longer than the packet": packet(0x30, b"\0\x09abc"),
    "QoS 3": publish("a", b"", qos=3),
    "QoS 1 with packet id 0": publish("a", b"", qos=1, packet_id=0),
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "a short PUBACK": b"\x40\x01\x00",
}


@pytest.mark.parametrize("name", FAULTS)
def test_both_hang_up_without_a_word(ours: Open, theirs: Open, name: str) -> None:
    assert converse(theirs, FAULTS[name]) == ([], True)
    assert converse(ours, FAULTS[name]) == ([], True)


def _no_connect(body: bytes) -> bytes:
    return packet(0x10, body)


FIRST_PACKETS = {
    "another level": _no_connect(text("MQTT") + b"\x09\x02\x00\x3c" + text("a")),
    "the old name with the new level": _no_connect(
        text("MQIsdp") + b"\x04\x02\x00\x3c" + text("a")
    ),
    "the reserved flag": connect("a", flags=0x03),
    "a will of QoS 3": connect("a", flags=0x1E),
    "a will's QoS without a will": connect("a", flags=0x0A),
    "a password without a user name": connect("a", flags=0x42),
    "an announced will that is missing": connect("a", flags=0x06),
    "an empty id in an unclean session": connect("", flags=0x00),
    "an empty id before 3.1.1": connect("", level=3),
    "an empty id": connect(""),
    "PINGREQ": PINGREQ,
    "SUBSCRIBE": subscribe(1, [("a", 0)]),
    "PUBLISH": publish("a", b"x"),
    "DISCONNECT": DISCONNECT,
    "flags in the first byte": b"\x11" + connect("a")[1:],
}


@pytest.mark.parametrize("name", FIRST_PACKETS)
def test_the_same_answer_to_the_first_packet(ours: Open, theirs: Open, name: str) -> None:
    expected = converse(theirs, FIRST_PACKETS[name], level=None)
    assert converse(ours, FIRST_PACKETS[name], level=None) == expected


def test_a_retained_message_is_kept_and_emptied(ours: Open, theirs: Open) -> None:
    pieces = (
        publish("kept/it", b"1", retain=True),
        publish("kept/it", b"2", retain=True),
        subscribe(1, [("kept/it", 0)]),
        publish("kept/it", b"3", retain=True),
        unsubscribe(2, ["kept/it"]),
        publish("kept/it", b"", retain=True),
        subscribe(3, [("kept/it", 0)]),
    )
    assert by_type(converse(ours, *pieces)) == by_type(converse(theirs, *pieces))


@pytest.mark.parametrize("level", LEVELS)
def test_the_older_connection_yields(
    ours: Open, theirs: Open, stand_in: Endpoint, level: int
) -> None:
    expected = take_over(theirs, level, lambda: None)
    assert take_over(ours, level, lambda: stand_in.pass_time(2)) == expected


def take_over(
    open_one: Open, level: int, wait: Callable[[], None]
) -> tuple[list[int], bytes, bytes]:
    """Return the types and the first code of what the older connection hears at its end."""
    client_id = fresh_id()
    older, newer = open_one(), open_one()
    for wire in (older, newer):
        wait()  # AWS takes one CONNECT a second for a client id
        wire.send(connect(client_id, level=level))
        assert wire.read_until(lambda heard: len(heard) > 0)[0].kind == 2
    heard = older.read_to_end()
    newer.send(subscribe(1, [("a", 0)], level=level))
    return [one.kind for one in heard], heard[0].body[:1] if heard else b"", newer.settle()[0].body


DEVIATIONS = {
    # AWS's answer, then the standard's. Source: IoT guide, mqtt, topics; quotas (2019).
    "QoS 2 is not granted": (
        (subscribe(1, [("a", 2)]),),
        ([], True),
        ([(9, 0, b"\0\1\2")], False),
    ),
    "QoS 2 is not taken": (
        (publish("a", b"x", qos=2, packet_id=5),),
        ([], True),
        ([(5, 0, b"\0\5")], False),
    ),
    "a/# is not a": (
        (subscribe(1, [("up/#", 0)]), publish("up", b"x"), publish("up/", b"y")),
        ([(3, 0, b"\0\3up/y"), (9, 0, b"\0\1\0")], False),
        ([(3, 0, b"\0\2upx"), (3, 0, b"\0\3up/y"), (9, 0, b"\0\1\0")], False),
    ),
    "a wildcard brings nothing retained": (
        (publish("dev/kept", b"x", retain=True), subscribe(1, [("dev/+", 0)])),
        ([(9, 0, b"\0\1\0")], False),
        ([(3, 1, b"\0\x08dev/keptx"), (9, 0, b"\0\1\0")], False),
    ),
    "nine filters are too many": (
        (subscribe(1, [(f"f/{number}", 0) for number in range(9)]),),
        ([], True),
        ([(9, 0, b"\0\1" + bytes(9))], False),
    ),
    "eight slashes are too many": (
        (publish("a/b/c/d/e/f/g/h/i", b"x", qos=1),),
        ([], True),
        ([(4, 0, b"\0\1")], False),
    ),
    "a topic of 257 bytes is too long": (
        (publish("t" * 257, b"x", qos=1),),
        ([], True),
        ([(4, 0, b"\0\1")], False),
    ),
    "reserved topics cannot be published to": (
        (publish("$x/y", b"x", qos=1),),
        ([], True),
        ([(4, 0, b"\0\1")], False),
    ),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_where_aws_departs_from_the_standard(ours: Open, theirs: Open, name: str) -> None:
    pieces, on_aws, by_standard = DEVIATIONS[name]
    assert by_type(converse(theirs, *pieces)) == by_standard
    assert by_type(converse(ours, *pieces)) == on_aws


def test_where_mosquitto_is_more_lenient_or_silent(ours: Open, theirs: Open) -> None:
    """The standard leaves both to the server or lets nobody send that: [MQTT-3.1.2-1]."""
    suback = b"\x90\x03\x00\x01\x00"
    assert converse(theirs, suback) == ([], False)
    assert converse(ours, suback) == ([], True)
    other_name = _no_connect(text("MQTX") + b"\x04\x02\x00\x3c" + text("a"))
    assert converse(theirs, other_name, level=None) == ([], True)
    assert converse(ours, other_name, level=None) == ([(2, 0, b"\0\1")], True)
