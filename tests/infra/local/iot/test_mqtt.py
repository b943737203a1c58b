"""The codec against itself, against garbage, and against literal bytes of the standard."""

import contextlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot import mqtt

MAX_BYTES = 200_000

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
topics = texts.filter(lambda text: text and not set(text) & set("+#"))
packet_ids = st.integers(1, 65_535)
wills = st.builds(mqtt.Will, texts, st.binary(max_size=40), st.integers(0, 2), st.booleans())


@st.composite
def connects(draw: st.DrawFn) -> mqtt.Connect:
    username = draw(st.none() | texts)
    password = None if username is None else draw(st.none() | st.binary(max_size=40))
    keep_alive_s = draw(st.integers(0, 65_535))
    will = draw(st.none() | wills)
    return mqtt.Connect(draw(texts), draw(st.booleans()), keep_alive_s, username, password, will)


@st.composite
def publishes(draw: st.DrawFn) -> mqtt.Publish:
    qos = draw(st.integers(0, 2))
    payload = draw(st.binary(max_size=300))
    dup = draw(st.booleans()) if qos else False
    packet_id = draw(packet_ids) if qos else 0
    return mqtt.Publish(draw(topics), payload, qos, draw(st.booleans()), dup, packet_id)


packets = st.one_of(
    connects(),
    publishes(),
    st.builds(mqtt.ConnAck, st.integers(0, 5), st.booleans()),
    st.builds(mqtt.PubAck, packet_ids),
    st.builds(
        mqtt.Subscribe,
        packet_ids,
        st.lists(st.builds(mqtt.Wish, texts, st.integers(0, 2)), min_size=1, max_size=9).map(tuple),
    ),
    st.builds(
        mqtt.SubAck,
        packet_ids,
        st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=9).map(tuple),
    ),
    st.builds(mqtt.Unsubscribe, packet_ids, st.lists(texts, min_size=1, max_size=9).map(tuple)),
    st.builds(mqtt.UnsubAck, packet_ids),
    st.just(mqtt.PingReq()),
    st.just(mqtt.PingResp()),
    st.just(mqtt.Disconnect()),
)


def decode(pieces: Iterable[bytes]) -> list[mqtt.Packet]:
    decoder = mqtt.Decoder(MAX_BYTES)
    return [packet for piece in pieces for packet in decoder.feed(piece)]


@given(st.lists(packets, max_size=6), st.data())
def test_packets_survive_however_the_stream_is_cut(
    sent: list[mqtt.Packet], data: st.DataObject
) -> None:
    stream = b"".join(map(mqtt.encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    assert decode(pieces) == sent


def test_every_single_cut_of_a_conversation() -> None:
    sent: list[mqtt.Packet] = [
        mqtt.Connect("id", will=mqtt.Will("w", b"gone")),
        mqtt.Publish("a/b", b"x" * 200, qos=1, packet_id=7),
        mqtt.PingReq(),
    ]
    stream = b"".join(map(mqtt.encode, sent))
    for cut in range(len(stream) + 1):
        assert decode([stream[:cut], stream[cut:]]) == sent
    assert decode(bytes((byte,)) for byte in stream) == sent


@given(st.binary(max_size=400))
def test_garbage_is_packets_or_one_error(garbage: bytes) -> None:
    try:
        decoded = decode([garbage])
    except mqtt.MalformedPacket:
        return
    again = [mqtt.encode(p) for p in decoded if not isinstance(p, mqtt.UnsupportedConnect)]
    assert decode(again) == [p for p in decoded if not isinstance(p, mqtt.UnsupportedConnect)]


@given(packets, st.data())
def test_one_flipped_byte_is_a_packet_or_one_error(
    packet: mqtt.Packet, data: st.DataObject
) -> None:
    stream = bytearray(mqtt.encode(packet))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(mqtt.MalformedPacket):  # nothing else may come out
        decode([bytes(stream)])


@pytest.mark.parametrize(
    ("received", "packet"),
    [
        (
            b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id",
            mqtt.Connect("id", clean_session=True, keep_alive_s=60),
        ),
        (b"\x10\x09\x00\x06MQIsdp\x03", mqtt.UnsupportedConnect("MQIsdp", 3)),
        (b"\x20\x02\x01\x00", mqtt.ConnAck(0, session_present=True)),
        (b"\x30\x06\x00\x03a/bx", mqtt.Publish("a/b", b"x")),
        (
            b"\x3b\x05\x00\x01a\x00\x0a",
            mqtt.Publish("a", b"", 1, retain=True, dup=True, packet_id=10),
        ),
        (b"\x82\x06\x00\x0a\x00\x01a\x01", mqtt.Subscribe(10, (mqtt.Wish("a", 1),))),
        (b"\x90\x04\x00\x0a\x00\x80", mqtt.SubAck(10, (0, 0x80))),
        (b"\xa2\x05\x00\x0a\x00\x01a", mqtt.Unsubscribe(10, ("a",))),
        (b"\xc0\x00", mqtt.PingReq()),
        (b"\xe0\x00", mqtt.Disconnect()),
    ],
)
def test_literal_bytes(received: bytes, packet: mqtt.Packet) -> None:
    assert decode([received]) == [packet]


@pytest.mark.parametrize(
    ("received", "complaint"),
    [
        (b"\x00\x00", "packet type 0"),
        (b"\xf0\x00", "packet type 15"),
        (b"\x50\x02\x00\x01", "packet type 5"),
        (b"\xc0\x01x", "left over"),
        (b"\xc1\x00", "flags 1"),
        (b"\x80\x06\x00\x0a\x00\x01a\x01", "flags 0; 2 expected"),
        (b"\x30\xff\xff\xff\xff\x01", "more than 4 bytes"),
        (b"\x30\xff\xff\xff\x7f", "announces 268435455 bytes"),
        (b"\x36\x05\x00\x01a\x00\x01", "QoS 3"),
        (b"\x38\x03\x00\x01a", "DUP"),
        (b"\x32\x05\x00\x01a\x00\x00", "identifier is 0"),
        (b"\x30\x03\x00\x01#", "no topic name"),
        (b"\x30\x02\x00\x00", "no topic name"),
        (b"\x30\x03\x00\x05a", "needs 5 bytes where only 1"),
        (b"\x30\x03\x00\x01\xff", "not UTF-8"),
        (b"\x30\x05\x00\x03\xed\xa0\x80", "not UTF-8"),
        (b"\x30\x03\x00\x01\x00", "U+0000"),
        (b"\x82\x02\x00\x0a", "no filter"),
        (b"\x82\x06\x00\x0a\x00\x01a\x03", "QoS 3"),
        (b"\xa2\x02\x00\x0a", "no filter"),
        (b"\x90\x03\x00\x0a\x03", "reserved code 3"),
        (b"\x20\x02\x02\x00", "flags 2"),
        (b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00", "reserved flag"),
        (b"\x10\x0c\x00\x04MQTT\x04\x0a\x00\x3c\x00\x00", "will that it does not have"),
        (b"\x10\x0c\x00\x04MQTT\x04\x1e\x00\x3c\x00\x00", "will has QoS 3"),
        (b"\x10\x0c\x00\x04MQTT\x04\x42\x00\x3c\x00\x00", "no user name"),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x00x", "left over"),
    ],
)
def test_what_the_standard_forbids_is_refused(received: bytes, complaint: str) -> None:
    with pytest.raises(mqtt.MalformedPacket) as caught:
        decode([received])
    assert complaint in str(caught.value)


def test_packets_before_a_malformed_one_are_still_heard() -> None:
    feed = mqtt.Decoder(MAX_BYTES).feed(b"\xc0\x00\xe0\x00\x00\x00")
    assert [next(feed), next(feed)] == [mqtt.PingReq(), mqtt.Disconnect()]
    with pytest.raises(mqtt.MalformedPacket):
        next(feed)


@pytest.mark.parametrize(
    ("size_bytes", "head"),
    [
        (124, b"\x30\x7f"),
        (125, b"\x30\x80\x01"),
        (16_380, b"\x30\xff\x7f"),
        (16_381, b"\x30\x80\x80\x01"),
    ],
)
def test_remaining_length_grows_at_the_borders(size_bytes: int, head: bytes) -> None:
    encoded = mqtt.encode(mqtt.Publish("a", b"x" * size_bytes))
    assert encoded.startswith(head + b"\x00\x01a")
    assert decode([encoded]) == [mqtt.Publish("a", b"x" * size_bytes)]


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="65536 bytes"):
        mqtt.encode(mqtt.Publish("a" * 65_536, b""))
    with pytest.raises(TypeError):
        mqtt.encode(mqtt.UnsupportedConnect("MQIsdp", 3))
