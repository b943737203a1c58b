"""What MQTT 5 adds, by literal bytes: short forms, properties, and what it calls its refusals."""

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.mqtt import Properties, Reason, Version


def decode(received: bytes) -> list[mqtt.Packet]:
    return list(mqtt.Decoder(200_000, Version.V5).feed(received))


def connect(*, flags: int = 0x02, properties: bytes = b"", rest: bytes = b"\x00\x02id") -> bytes:
    body = b"\x00\x04MQTT\x05%c\x00\x3c%c" % (flags, len(properties)) + properties + rest
    return b"\x10%c" % len(body) + body


def publish(properties: bytes, topic: bytes = b"a") -> bytes:
    body = b"\x00%c%b%c%b" % (len(topic), topic, len(properties), properties)
    return b"\x30%c" % len(body) + body


def subscribe(options: int, topic_filter: bytes = b"a", properties: bytes = b"") -> bytes:
    body = b"\x00\x0a%c%b\x00%c%b%c" % (
        len(properties),
        properties,
        len(topic_filter),
        topic_filter,
        options,
    )
    return b"\x82%c" % len(body) + body


@pytest.mark.parametrize(
    ("received", "packet"),
    [
        (
            connect(),
            mqtt.Connect("id", keep_alive_s=60, version=Version.V5),
        ),
        (
            connect(properties=b"\x11\x00\x00\x00\x0a\x21\x00\x14"),
            mqtt.Connect(
                "id",
                keep_alive_s=60,
                version=Version.V5,
                properties=Properties(session_expiry_s=10, receive_maximum=20),
            ),
        ),
        (  # a password without a user name
            connect(flags=0x42, rest=b"\x00\x02id\x00\x01p"),
            mqtt.Connect("id", keep_alive_s=60, password=b"p", version=Version.V5),
        ),
        (
            connect(flags=0x2E, rest=b"\x00\x02id\x05\x18\x00\x00\x00\x07\x00\x01w\x00\x01x"),
            mqtt.Connect(
                "id",
                keep_alive_s=60,
                will=mqtt.Will("w", b"x", 1, retain=True, properties=Properties(will_delay_s=7)),
                version=Version.V5,
            ),
        ),
        (
            b"\x20\x08\x01\x00\x05\x24\x01\x21\x00\x64",
            mqtt.ConnAck(
                session_present=True, properties=Properties(maximum_qos=1, receive_maximum=100)
            ),
        ),
        (publish(b""), mqtt.Publish("a", b"")),
        (
            publish(b"\x23\x00\x08", topic=b""),
            mqtt.Publish("", b"", properties=Properties(topic_alias=8)),
        ),
        (
            publish(b"\x26\x00\x01k\x00\x01v\x01\x01\x26\x00\x01k\x00\x00"),
            mqtt.Publish(
                "a",
                b"",
                properties=Properties(payload_format=1, user_properties=(("k", "v"), ("k", ""))),
            ),
        ),
        (b"\x40\x02\x00\x0a", mqtt.PubAck(10)),
        (b"\x40\x03\x00\x0a\x87", mqtt.PubAck(10, Reason.NOT_AUTHORIZED)),
        (b"\x40\x04\x00\x0a\x10\x00", mqtt.PubAck(10, Reason.NO_MATCHING_SUBSCRIBERS)),
        (
            b"\x40\x08\x00\x0a\x87\x04\x1f\x00\x01n",
            mqtt.PubAck(10, Reason.NOT_AUTHORIZED, Properties(reason_string="n")),
        ),
        (
            subscribe(0x2D, properties=b"\x0b\x80\x01"),
            mqtt.Subscribe(
                10,
                (mqtt.Wish("a", 1, no_local=True, retain_as_published=True, retain_handling=2),),
                Properties(subscription_id=128),
            ),
        ),
        (b"\x90\x05\x00\x0a\x00\x01\x8f", mqtt.SubAck(10, (1, Reason.TOPIC_FILTER_INVALID))),
        (b"\xb0\x05\x00\x0a\x00\x00\x11", mqtt.UnsubAck(10, (0, 0x11))),
        (b"\xe0\x00", mqtt.Disconnect()),
        (b"\xe0\x01\x04", mqtt.Disconnect(Reason.DISCONNECT_WITH_WILL)),
        (
            b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00",
            mqtt.Disconnect(properties=Properties(session_expiry_s=0)),
        ),
    ],
)
def test_literal_bytes(received: bytes, packet: mqtt.Packet) -> None:
    assert decode(received) == [packet]


@pytest.mark.parametrize(
    ("packet", "written"),
    [
        (mqtt.PubAck(10), b"\x40\x02\x00\x0a"),
        (mqtt.PubAck(10, Reason.NOT_AUTHORIZED), b"\x40\x03\x00\x0a\x87"),
        (mqtt.Disconnect(), b"\xe0\x00"),
        (mqtt.Disconnect(Reason.SESSION_TAKEN_OVER), b"\xe0\x01\x8e"),
        (mqtt.ConnAck(properties=Properties(maximum_qos=1)), b"\x20\x05\x00\x00\x02\x24\x01"),
        (mqtt.Publish("a", b"x"), b"\x30\x05\x00\x01a\x00x"),
    ],
)
def test_the_shortest_form_is_written(packet: mqtt.Packet, written: bytes) -> None:
    assert mqtt.encode(packet, Version.V5) == written


@pytest.mark.parametrize("version", [Version.V3_1, Version.V3_1_1])
def test_what_an_older_version_cannot_say_is_left_out(version: Version) -> None:
    said = Properties(content_type="text", reason_string="no")
    assert mqtt.encode(mqtt.Publish("a", b"x", properties=said), version) == b"\x30\x04\x00\x01ax"
    assert mqtt.encode(mqtt.PubAck(10, 0x87, said), version) == b"\x40\x02\x00\x0a"
    assert mqtt.encode(mqtt.UnsubAck(10, (0, 0x11), said), version) == b"\xb0\x02\x00\x0a"
    assert mqtt.encode(mqtt.Disconnect(0x8E, said), version) == b"\xe0\x00"


def test_the_version_is_learned_even_from_a_connect_that_breaks_off() -> None:
    decoder = mqtt.Decoder(200_000)
    with pytest.raises(mqtt.MalformedPacket):
        list(decoder.feed(connect(properties=b"\x21\x00\x00")))
    assert decoder.version is Version.V5


def test_packets_after_connect_are_read_in_its_version() -> None:
    decoder = mqtt.Decoder(200_000)
    received = connect() + b"\x30\x05\x00\x01a\x00x"
    assert list(decoder.feed(received))[1] == mqtt.Publish("a", b"x")
    assert decoder.version is Version.V5


def test_a_smaller_limit_holds_from_then_on() -> None:
    decoder = mqtt.Decoder(200_000)
    assert len(list(decoder.feed(connect()))) == 1
    decoder.max_packet_bytes = 7
    assert len(list(decoder.feed(b"\x30\x05\x00\x01a\x00x"))) == 1  # 7 bytes, the header included
    with pytest.raises(mqtt.MalformedPacket) as caught:
        list(decoder.feed(b"\x30\x06"))
    assert caught.value.reason is Reason.PACKET_TOO_LARGE


MALFORMED, PROTOCOL = Reason.MALFORMED_PACKET, Reason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("received", "reason", "complaint"),
    [
        # 2.2.2.2: an identifier that is not valid for the packet type
        (publish(b"\x04\x00"), MALFORMED, "property 4 has no place"),
        (publish(b"\x11\x00\x00\x00\x00"), MALFORMED, "session_expiry_s has no place"),
        (connect(properties=b"\x23\x00\x01"), MALFORMED, "topic_alias has no place"),
        (connect(properties=b"\x18\x00\x00\x00\x01"), MALFORMED, "will_delay_s has no place"),
        (
            connect(flags=0x06, rest=b"\x00\x02id\x03\x23\x00\x01\x00\x01w\x00\x00"),
            MALFORMED,
            "topic_alias has no place in the will",
        ),
        (b"\xa2\x09\x00\x0a\x02\x0b\x01\x00\x02aa", MALFORMED, "subscription_id has no place"),
        # said twice
        (publish(b"\x01\x00\x01\x00"), PROTOCOL, "payload_format is said more than once"),
        (publish(b"\x0b\x01\x0b\x02"), PROTOCOL, "subscription_id is said more than once"),
        (connect(properties=b"\x21\x00\x01\x21\x00\x01"), PROTOCOL, "receive_maximum is said more"),
        # out of range
        (publish(b"\x01\x02"), PROTOCOL, "payload_format is 2"),
        (publish(b"\x23\x00\x00"), Reason.TOPIC_ALIAS_INVALID, "topic_alias is 0"),
        (publish(b"\x0b\x00"), PROTOCOL, "subscription_id is 0"),
        (subscribe(0, properties=b"\x0b\x00"), PROTOCOL, "subscription_id is 0"),
        (connect(properties=b"\x21\x00\x00"), PROTOCOL, "receive_maximum is 0"),
        (connect(properties=b"\x27\x00\x00\x00\x00"), PROTOCOL, "maximum_packet_bytes is 0"),
        (connect(properties=b"\x17\x02"), PROTOCOL, "request_problem_information is 2"),
        (connect(properties=b"\x19\x02"), PROTOCOL, "request_response_information is 2"),
        (connect(properties=b"\x16\x00\x01x"), PROTOCOL, "without authentication_method"),
        (publish(b"\x08\x00\x01#"), PROTOCOL, "response_topic is '#'"),
        (publish(b"\x08\x00\x00"), PROTOCOL, "response_topic is ''"),
        # the properties' length and what is in them
        (b"\x30\x04\x00\x01a\x05", MALFORMED, "needs 5 bytes where only 0"),
        (b"\x30\x08\x00\x01a\xff\xff\xff\xff\x01", MALFORMED, "more than 4 bytes"),
        (b"\x30\x05\x00\x01a\x80\x00", MALFORMED, "not in its shortest form"),
        (publish(b"\x81\x00\x01"), MALFORMED, "not in its shortest form"),
        (publish(b"\x02\x00\x00"), MALFORMED, "needs 4 bytes where only 2"),
        (publish(b"\x03\x00\x05a"), MALFORMED, "needs 5 bytes where only 1"),
        (publish(b"\x03\x00\x01\xff"), MALFORMED, "not UTF-8"),
        (publish(b"\x26\x00\x01a\x00\x01\x00"), MALFORMED, "U+0000"),
        # topics
        (publish(b"", topic=b""), PROTOCOL, "no topic name"),
        (publish(b"", topic=b"a/+"), Reason.TOPIC_NAME_INVALID, "no topic name"),
        # subscription options
        (subscribe(0x03), PROTOCOL, "QoS 3"),
        (subscribe(0x30), PROTOCOL, "retain handling 3"),
        (subscribe(0x40), MALFORMED, "reserved bits"),
        (subscribe(0x80), MALFORMED, "reserved bits"),
        (subscribe(0x04, b"$share/g/a"), PROTOCOL, "no local"),
        (b"\x82\x03\x00\x0a\x00", PROTOCOL, "no filter"),
        (b"\xa2\x03\x00\x0a\x00", PROTOCOL, "no filter"),
        # fixed header and CONNECT flags
        (b"\x36\x06\x00\x01a\x00\x01\x00", MALFORMED, "QoS 3"),
        (b"\x80\x00", MALFORMED, "flags 0; 2 expected"),
        (b"\xc0\x80\x00", MALFORMED, "not in its shortest form"),
        (connect(flags=0x03), MALFORMED, "reserved flag"),
        (connect(flags=0x0A), MALFORMED, "will that it does not have"),
        (connect(flags=0x1E), MALFORMED, "will has QoS 3"),
        # what AWS IoT does not have
        (b"\x50\x02\x00\x0a", PROTOCOL, "packet type 5"),
        (b"\x62\x02\x00\x0a", PROTOCOL, "packet type 6"),
        (b"\x70\x02\x00\x0a", PROTOCOL, "packet type 7"),
        (b"\xf0\x00", PROTOCOL, "packet type 15"),
        (b"\x00\x00", MALFORMED, "packet type 0"),
        # reasons of other packets
        (b"\x40\x03\x00\x0a\x8e", PROTOCOL, "PUBACK has the reason 0x8e"),
        (b"\xe0\x01\x01", PROTOCOL, "DISCONNECT has the reason 0x01"),
        (b"\x20\x03\x00\x05\x00", PROTOCOL, "CONNACK has the reason 0x05"),
        # too large
        (b"\x30\x80\x80\x80\x01", Reason.PACKET_TOO_LARGE, "announces 2097157 bytes"),
    ],
)
def test_what_the_standard_forbids_is_refused(
    received: bytes, reason: Reason, complaint: str
) -> None:
    with pytest.raises(mqtt.MalformedPacket) as caught:
        decode(received)
    assert (caught.value.reason, complaint in str(caught.value)) == (reason, True), caught.value


def test_a_connect_padded_in_its_length_is_refused_once_it_names_its_version() -> None:
    older = b"\x10\x8e\x00\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id"
    assert list(mqtt.Decoder(200_000).feed(older)) == [mqtt.Connect("id", keep_alive_s=60)]
    newer = b"\x10\x8f\x00\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02id"
    with pytest.raises(mqtt.MalformedPacket) as caught:
        list(mqtt.Decoder(200_000).feed(newer))
    assert "shortest form" in str(caught.value)
