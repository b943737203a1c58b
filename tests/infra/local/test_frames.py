"""MQTT in WebSocket frames, written by hand: cut in odd places, damaged, or never read."""

from typing import TYPE_CHECKING

import pytest

from bellwire_local.iot import mqtt
from bellwire_local.iot.messages import Message

if TYPE_CHECKING:
    from infra.local.conftest import Aws

CONNACK = b"\x20\x02\x00\x00"


def test_packets_may_be_cut_and_joined_by_frames(aws: "Aws") -> None:
    signer = aws.guest()
    raw = aws.connect_raw(signer)
    connect = mqtt.encode(mqtt.Connect(signer.identity_id))
    for byte in connect:
        raw.send(bytes((byte,)))
    assert raw.read_frame() == CONNACK
    ping = mqtt.encode(mqtt.PingReq())
    raw.send(mqtt.encode(mqtt.Subscribe(1, (mqtt.Wish("dev/public/x"),))) + ping + ping)
    assert raw.read_frame() == b"\x90\x03\x00\x01\x00" + b"\xd0\x00" * 2  # one frame for the three


def test_a_fragmented_message_is_read_like_any_other(aws: "Aws") -> None:
    signer = aws.guest()
    raw = aws.connect_raw(signer)
    connect = mqtt.encode(mqtt.Connect(signer.identity_id))
    raw.send(connect[:9], first_byte=0x02)
    raw.send(connect[9:], first_byte=0x80)
    assert raw.read_frame() == CONNACK


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x00",
        b"\x10\x02\x00\x04",
        b"\x30\xff\xff\xff\x7f",
        b"\xf0\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 125,
    ],
)
def test_bytes_that_are_no_mqtt_end_the_connection(aws: "Aws", sent: bytes) -> None:
    raw = aws.connect_raw(aws.guest())
    raw.send(sent)
    assert raw.read_to_end() == b""


def test_a_text_frame_ends_the_connection(aws: "Aws") -> None:
    raw = aws.connect_raw(aws.guest())
    raw.send(b"hello", first_byte=0x81)
    assert raw.read_to_end() == b""


def test_a_close_frame_is_answered(aws: "Aws") -> None:
    raw = aws.connect_raw(aws.guest())
    raw.send(b"\x03\xe8", first_byte=0x88)
    assert raw.read_frame() == b"\x03\xe8"
    assert raw.read_to_end() == b""


def test_a_subscriber_that_does_not_read_costs_little_and_delays_nobody(
    aws_without_limits: "Aws",
) -> None:
    aws = aws_without_limits
    signer = aws.guest()
    stalled = aws.connect_raw(signer)
    stalled.send(mqtt.encode(mqtt.Connect(signer.identity_id)))
    assert stalled.read_frame() == CONNACK
    stalled.send(mqtt.encode(mqtt.Subscribe(1, (mqtt.Wish("dev/public/flood"),))))
    assert stalled.read_frame() == b"\x90\x03\x00\x01\x00"
    reader = aws.connect(aws.guest())
    reader.subscribe("dev/public/flood")
    broker, payload = aws.stand_in.broker, b"x" * 100_000
    for _ in range(300):
        aws.running.call(lambda: broker.publish(Message("dev/public/flood", payload)))
        assert reader.next_message() == ("dev/public/flood", payload)
    (connection,) = (
        c
        for c in aws.running.call(lambda: broker.connections)
        if c.session.client_id == signer.identity_id
    )
    assert connection.dropped > 200  # under 10 MB of 30 were taken, most of it by the system
