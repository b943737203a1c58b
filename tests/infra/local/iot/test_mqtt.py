"""The codec against itself, against garbage, and against literal bytes of the standard."""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bellwire_local.iot import mqtt
from bellwire_local.iot.mqtt import Version
from infra.local.iot.mqtt_strategies import connects, packets

MAX_BYTES = 200_000

versions = st.sampled_from(Version)


def decode(pieces: Iterable[bytes], version: Version | None = None) -> list[mqtt.Packet]:
    decoder = mqtt.Decoder(MAX_BYTES, version)
    return [packet for piece in pieces for packet in decoder.feed(piece)]


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Version, list[mqtt.Packet]]:
    """Draw a CONNECT and what may follow it."""
    version = draw(versions)
    return version, [draw(connects(version)), *draw(st.lists(packets(version), max_size=5))]


def encode_all(sent: Sequence[mqtt.Packet], version: Version) -> bytes:
    return b"".join(mqtt.encode(packet, version) for packet in sent)


@given(conversations(), st.data())
def test_packets_survive_however_the_stream_is_cut(
    conversation: tuple[Version, list[mqtt.Packet]], data: st.DataObject
) -> None:
    version, sent = conversation
    stream = encode_all(sent, version)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    assert decode(pieces) == sent


@given(versions.flatmap(lambda version: st.tuples(st.just(version), packets(version))))
def test_a_client_that_knows_its_version_reads_without_a_connect(
    drawn: tuple[Version, mqtt.Packet],
) -> None:
    version, packet = drawn
    assert decode([mqtt.encode(packet, version)], version) == [packet]


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


@given(st.binary(max_size=400), st.none() | versions)
def test_garbage_is_packets_or_one_error(garbage: bytes, version: Version | None) -> None:
    decoder = mqtt.Decoder(MAX_BYTES, version)
    read: list[tuple[mqtt.Packet, Version]] = []
    with contextlib.suppress(mqtt.MalformedPacket):  # nothing else may come out
        for packet in decoder.feed(garbage):
            read.append((packet, decoder.version or Version.V3_1_1))  # noqa: PERF401 - it may break off
    for packet, spoken in read:
        if not isinstance(packet, mqtt.UnsupportedConnect):
            assert decode([mqtt.encode(packet, spoken)], spoken) == [packet]


@given(conversations(), st.data())
def test_one_flipped_byte_is_packets_or_one_error(
    conversation: tuple[Version, list[mqtt.Packet]], data: st.DataObject
) -> None:
    version, sent = conversation
    stream = bytearray(encode_all(sent, version))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(mqtt.MalformedPacket):  # nothing else may come out
        decode([bytes(stream)])


@given(versions.flatmap(lambda version: st.tuples(st.just(version), connects(version))), st.data())
def test_a_packet_that_is_cut_short_is_refused(
    drawn: tuple[Version, mqtt.Connect], data: st.DataObject
) -> None:
    """Its fixed header tells the truth about the bytes that are left, so only the fields lie."""
    version, connect = drawn
    whole = mqtt.encode(connect, version)
    body = whole[2 if whole[1] < 0x80 else 3 :]
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    length = (
        bytes((len(cut),)) if len(cut) < 0x80 else bytes((len(cut) & 0x7F | 0x80, len(cut) >> 7))
    )
    try:
        read = decode([b"\x10" + length + cut])
    except mqtt.MalformedPacket:
        return
    # MQTT 3.1 alone lets a CONNECT announce a user name and a password and not send them.
    assert version is Version.V3_1
    assert read != [connect]


@pytest.mark.parametrize(
    ("received", "packet"),
    [
        (
            b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id",
            mqtt.Connect("id", clean_session=True, keep_alive_s=60),
        ),
        (b"\x10\x09\x00\x06MQIsdp\x04", mqtt.UnsupportedConnect("MQIsdp", 4)),
        (b"\x10\x09\x00\x06MQIsdp\x83", mqtt.UnsupportedConnect("MQIsdp", 0x83)),
        (b"\x10\x07\x00\x04MQTT\x03", mqtt.UnsupportedConnect("MQTT", 3)),
        (b"\x10\x07\x00\x04MQTT\x06", mqtt.UnsupportedConnect("MQTT", 6)),
        (
            b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02id",
            mqtt.Connect("id", keep_alive_s=60, version=Version.V3_1),
        ),
        (  # a user name and a password that are announced and not sent
            b"\x10\x10\x00\x06MQIsdp\x03\xc2\x00\x3c\x00\x02id",
            mqtt.Connect("id", keep_alive_s=60, version=Version.V3_1),
        ),
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
        (b"\x30\xff\xff\xff\x7f", "announces 268435460 bytes"),
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


@pytest.mark.parametrize(
    ("received", "packet"),
    [
        (b"\x8a\x06\x00\x0a\x00\x01a\x01", mqtt.Subscribe(10, (mqtt.Wish("a", 1),))),
        (b"\xaa\x05\x00\x0a\x00\x01a", mqtt.Unsubscribe(10, ("a",))),
    ],
)
def test_mqtt_3_1_alone_repeats_with_dup_what_is_no_message(
    received: bytes, packet: mqtt.Packet
) -> None:
    assert list(mqtt.Decoder(MAX_BYTES, Version.V3_1).feed(received)) == [packet]
    for version in (Version.V3_1_1, Version.V5):
        with pytest.raises(mqtt.MalformedPacket, match="flags 10; 2 expected"):
            list(mqtt.Decoder(MAX_BYTES, version).feed(received))
    with pytest.raises(mqtt.MalformedPacket, match="flags 8; 0 expected"):
        list(mqtt.Decoder(MAX_BYTES, Version.V3_1).feed(b"\xc8\x00"))


def test_connect_has_a_bound_of_its_own() -> None:
    connect = mqtt.encode(mqtt.Connect("c", username="x" * 82))
    assert len(connect) == 99
    assert list(mqtt.Decoder(200, max_connect_bytes=99).feed(connect))
    with pytest.raises(mqtt.MalformedPacket, match="announces 99 bytes; at most 98") as caught:
        list(mqtt.Decoder(200, max_connect_bytes=98).feed(connect))
    assert caught.value.reason is mqtt.Reason.PACKET_TOO_LARGE
    publish = mqtt.encode(mqtt.Publish("a", b"x" * 100))
    assert list(mqtt.Decoder(200, max_connect_bytes=98).feed(publish))


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
