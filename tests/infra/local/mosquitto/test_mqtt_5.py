"""MQTT 5 as the stand-in and Mosquitto answer it: codes, options, properties passed through."""

import pytest

from infra.local.mosquitto.test_one_client import Answers, by_type
from infra.local.mosquitto.wire import Open, Wire, fresh_id
from mqtt_bytes import PINGREQ, connect, packet, publish, subscribe, text, unsubscribe

NO_LOCAL, RETAIN_AS_PUBLISHED = 0x04, 0x08
RETAIN_IF_NEW, RETAIN_NEVER = 0x10, 0x20


def join(open_one: Open, properties: bytes = b"") -> Wire:
    wire = open_one()
    wire.send(connect(fresh_id(), level=5, properties=properties))
    connack, *_ = wire.read_until(lambda heard: len(heard) > 0)
    assert (connack.kind, connack.body[:2]) == (2, b"\0\0")
    return wire


def converse(open_one: Open, *pieces: bytes) -> Answers:
    wire = join(open_one)
    for piece in pieces:
        wire.send(piece)
    heard = wire.settle()
    return [(one.kind, one.flags, one.body) for one in heard], wire.is_ended


def say(topic: str, payload: bytes = b"x", properties: bytes = b"", **more: int) -> bytes:
    qos, packet_id = more.get("qos", 0), more.get("packet_id", 1)
    is_retained = bool(more.get("retain"))
    return publish(
        topic,
        payload,
        qos=qos,
        packet_id=packet_id,
        retain=is_retained,
        level=5,
        properties=properties,
    )


def hear(*wishes: tuple[str, int], packet_id: int = 1) -> bytes:
    return subscribe(packet_id, wishes, level=5)


def pair(identifier: int, *words: str) -> bytes:
    return bytes((identifier,)) + b"".join(map(text, words))


PASSED_THROUGH = {
    "payload format": b"\x01\x01",
    "content type": pair(0x03, "text/plain"),
    "response topic": pair(0x08, "answers/here"),
    "correlation data": b"\x09\0\x03\0\xff\x01",
    "user properties": pair(0x26, "b", "2") + pair(0x26, "a", "1") + pair(0x26, "b", "3"),
}


@pytest.mark.parametrize("name", PASSED_THROUGH)
@pytest.mark.parametrize("qos", [0, 1])
def test_properties_come_as_they_went(ours: Open, theirs: Open, name: str, qos: int) -> None:
    pieces = (hear(("five/a", qos)), say("five/a", b"x", PASSED_THROUGH[name], qos=qos))
    expected = by_type(converse(theirs, *pieces))
    assert PASSED_THROUGH[name] in expected[0][0][2]
    assert by_type(converse(ours, *pieces)) == expected


def test_what_is_left_of_the_expiry_is_said_in_whole_seconds(ours: Open, theirs: Open) -> None:
    """Source: IoT guide, mqtt: the remaining seconds, 0 when 999 ms or less remain."""
    pieces = (hear(("five/e", 0)), say("five/e", b"x", b"\x02\0\0\x0e\x10"))
    last = [by_type(converse(open_one, *pieces))[0][0][2][-2:] for open_one in (theirs, ours)]
    assert last[0] == b"\x10x"
    assert last[1] in (b"\x10x", b"\x0fx")  # a millisecond later 3599 whole seconds are left


TALKS = {
    "ping": (PINGREQ,),
    "granted": (hear(("a", 0), ("b", 1), ("c/#", 1)),),
    "unsubscribed": (hear(("a", 0)), unsubscribe(2, ["a"], level=5)),
    "unsubscribe what was not subscribed": (unsubscribe(2, ["five/not"], level=5),),
    "own message": (hear(("own", 1)), say("own", qos=1, packet_id=9)),
    "no own message": (hear(("own", 1 | NO_LOCAL)), say("own")),
    "retain as published": (hear(("own", RETAIN_AS_PUBLISHED)), say("own", b"", retain=1)),
    "retain not as published": (hear(("own", 0)), say("own", b"", retain=1)),
    "retained on subscribing": (say("five/kept", retain=1), hear(("five/kept", 0))),
    "no retained message": (say("five/kept", retain=1), hear(("five/kept", RETAIN_NEVER))),
    "retained once only": (
        say("five/kept", retain=1),
        hear(("five/kept", RETAIN_IF_NEW)),
        hear(("five/kept", RETAIN_IF_NEW), packet_id=2),
    ),
    "retained each time": (
        say("five/kept", retain=1),
        hear(("five/kept", 0)),
        hear(("five/kept", 0), packet_id=2),
    ),
    "a topic alias": (
        hear(("alias/a", 0)),
        say("alias/a", b"1", b"\x23\0\1"),
        say("", b"2", b"\x23\0\1"),
    ),
    "a new topic for an alias": (
        hear(("alias/#", 0)),
        say("alias/a", b"1", b"\x23\0\1"),
        say("alias/b", b"2", b"\x23\0\1"),
        say("", b"3", b"\x23\0\1"),
    ),
}


@pytest.mark.parametrize("name", TALKS)
def test_the_same_answers(ours: Open, theirs: Open, name: str) -> None:
    expected = by_type(converse(theirs, *TALKS[name]))
    assert by_type(converse(ours, *TALKS[name])) == expected


FAULTS = {
    "a second CONNECT": (connect("again", level=5), 0x82),
    "a reserved packet type": (b"\x00\x00", 0x81),
    "SUBSCRIBE of nothing": (packet(0x82, b"\0\1\0"), 0x82),
    "SUBSCRIBE with reserved options": (hear(("a", 0x40)), 0x81),
    "SUBSCRIBE with retain handling 3": (hear(("a", 0x30)), 0x82),
    "an alias of 0": (say("a", b"x", b"\x23\0\0"), 0x94),
    "an alias beyond the maximum": (say("a", b"x", b"\x23\0\x63"), 0x94),
    "a property twice": (say("a", b"x", pair(3, "a") + pair(3, "b")), 0x82),
    "a property of another packet": (say("a", b"x", b"\x21\0\1"), 0x81),
    "no topic and no alias": (say("", b"x"), 0x82),
    "a topic with a wildcard": (say("a/#", b"x"), 0x90),
    "QoS 3": (say("a", b"x", qos=3), 0x81),
}


@pytest.mark.parametrize("name", FAULTS)
def test_both_end_the_connection(ours: Open, theirs: Open, name: str) -> None:
    """Mosquitto's reasons vary from version to version; the stand-in's are pinned."""
    sent, reason = FAULTS[name]
    heard, is_ended = converse(theirs, sent)
    assert is_ended
    assert {kind for kind, _, _ in heard} <= {14}
    heard, is_ended = converse(ours, sent)
    assert is_ended
    assert [(kind, body[0]) for kind, _, body in heard] == [(14, reason)]


DEVIATIONS = {
    # AWS's answer, then the standard's. Source: IoT guide, mqtt (reason codes, MQTT 5 features).
    "nobody subscribed": (
        (say("five/nobody", qos=1),),
        [(4, b"\0\1")],
        [(4, b"\0\1\x10")],
    ),
    "QoS 2": (
        (hear(("a", 2)),),
        [(14, b"\x9b")],
        [(9, b"\0\1\0\2")],
    ),
    "a subscription identifier": (
        (subscribe(1, [("a", 0)], level=5, properties=b"\x0b\x05"),),
        [(14, b"\xa1")],
        [(9, b"\0\1\0\0")],
    ),
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_where_aws_departs_from_the_standard(ours: Open, theirs: Open, name: str) -> None:
    pieces, on_aws, by_standard = DEVIATIONS[name]
    for open_one, expected in ((theirs, by_standard), (ours, on_aws)):
        heard, _ = converse(open_one, *pieces)
        # A reason string may follow; what is said before it is compared.
        assert [(kind, body[: len(expected[0][1])]) for kind, _, body in heard] == expected
