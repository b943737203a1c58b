"""MQTT in WebSocket frames, written by hand: cut in odd places, damaged, or never read."""

import logging
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bellwire_local.iam.policies import PolicyDocument
from bellwire_local.iot import mqtt
from bellwire_local.iot.admission import EdgeChoices
from bellwire_local.iot.messages import Message
from bellwire_local.iot.mqtt_socket import MqttSocket
from bellwire_local.stand_in import StandIn, StandInSettings
from bellwire_local.threaded import running_in_thread
from infra.local.conftest import account_of

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


def test_a_crowd_of_messages_within_one_turn_costs_a_stalled_subscriber_little(
    aws_without_limits: "Aws",
) -> None:
    broker, signer = aws_without_limits.stand_in.broker, aws_without_limits.guest()
    stalled = aws_without_limits.connect_raw(signer)
    stalled.send(mqtt.encode(mqtt.Connect(signer.identity_id)))
    assert stalled.read_frame() == CONNACK
    stalled.send(mqtt.encode(mqtt.Subscribe(1, (mqtt.Wish("dev/public/flood"),))))
    assert stalled.read_frame() == b"\x90\x03\x00\x01\x00"
    message = Message("dev/public/flood", b"x" * 100_000)
    delivered = aws_without_limits.running.call(
        lambda: sum(broker.publish(message) for _ in range(300))
    )
    assert 10 < delivered < 100  # under 10 MB of 30 were taken, most of it by the system


@pytest.fixture
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client sends, it is no error of ours."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x80\x80\0\0\0\0", id="continuation of nothing"),
        pytest.param(b"\x02\x81\0\0\0\0\x10\x82\x81\0\0\0\0\x10", id="message in a message"),
        pytest.param(b"\xc2\x81\0\0\0\0\x10", id="compressed though nobody agreed"),
        pytest.param(b"\xc9\x80\0\0\0\0", id="ping with a reserved bit"),
        pytest.param(b"\xaa\x80\0\0\0\0", id="pong with a reserved bit"),
        pytest.param(b"\x83\x80\0\0\0\0", id="reserved opcode"),
        pytest.param(b"\x82\x01\x10", id="unmasked"),
        pytest.param(b"\x09\x80\0\0\0\0", id="fragmented ping"),
        pytest.param(b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, id="ping of 126 bytes"),
        pytest.param(b"\x82\xff" + b"\xff" * 8, id="lying length"),
        pytest.param(b"\x82\xff\0\0\0\0\x7f\xff\xff\xff" + bytes(4), id="2 GiB announced"),
        pytest.param(b"\x88\x81\0\0\0\0\x03", id="close code of one byte"),
        pytest.param(b"\x88\x82\0\0\0\0\x03\xed", id="close code that is not for frames"),
        pytest.param(b"\x88\x84\0\0\0\0\x03\xe8\xff\xfe", id="close reason not UTF-8"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    ],
)
@pytest.mark.usefixtures("no_errors")
def test_bytes_that_are_no_frames_end_the_connection(aws: "Aws", sent: bytes) -> None:
    raw = aws.connect_raw(aws.guest())
    raw.socket.sendall(sent)
    ended = raw.read_to_end()
    assert ended == b"" or ended[0] == 0x88  # a Close frame, or none
    assert aws.upgrade(aws.presign(aws.guest())).status == 101


@pytest.mark.usefixtures("no_errors")
def test_a_frame_larger_than_any_packet_is_refused_by_its_length(aws: "Aws") -> None:
    raw = aws.connect_raw(aws.guest())
    raw.socket.sendall(b"\x82\xff" + (600_000).to_bytes(8, "big") + bytes(4))
    assert raw.read_to_end()[2:4] == (1009).to_bytes(2, "big")


def test_a_ping_is_answered_between_the_pieces_of_a_message(aws: "Aws") -> None:
    signer = aws.guest()
    raw = aws.connect_raw(signer)
    connect = mqtt.encode(mqtt.Connect(signer.identity_id))
    raw.send(connect[:9], first_byte=0x02)
    raw.send(b"still there?", first_byte=0x89)
    assert raw.read_frame() == b"still there?"
    raw.send(b"unasked", first_byte=0x8A)
    raw.send(connect[9:], first_byte=0x80)
    assert raw.read_frame() == CONNACK


PING = b"\x89\xfd\0\0\0\0" + b"p" * 125


def test_pings_of_a_client_that_does_not_read_cost_little(aws_without_limits: "Aws") -> None:
    raw = aws_without_limits.connect_raw(aws_without_limits.guest())
    for _ in range(160):
        raw.socket.sendall(PING * 1_000)  # 20 MB in all
    raw.send(b"\x03\xe8", first_byte=0x88)
    answers = raw.read_to_end()
    assert answers.startswith(b"\x8a\x7d" + b"p" * 125)
    assert len(answers) < 10_000_000  # most of it was taken by the system


def test_pings_count_into_the_throughput(aws: "Aws") -> None:
    raw = aws.connect_raw(signer := aws.guest())
    raw.send(mqtt.encode(mqtt.Connect(signer.identity_id)))
    assert raw.read_frame() == CONNACK
    connection = aws.running.call(lambda: aws.stand_in.broker.find_connection(signer.identity_id))
    assert connection is not None
    raw.socket.sendall(PING * 5_000)  # 655 KB; 512 KiB a second are allowed
    deadline_s = time.monotonic() + 10
    while connection.is_read and time.monotonic() < deadline_s:
        select.select([], [], [], 0.01)
    assert not connection.is_read


def test_a_close_frame_names_a_code_only_when_so_chosen(
    tmp_path: Path, roles: dict[str, PolicyDocument], aws: "Aws"
) -> None:
    settings = StandInSettings(
        data_dir=tmp_path,
        accounts=account_of(roles),
        iot_port=0,
        aws_port=0,
        edge=EdgeChoices(close_code=1008),
    )
    with running_in_thread(StandIn(settings)) as running:
        choosing = type(aws)(running, aws.clock)
        raw = choosing.connect_raw(choosing.guest())
        raw.send(b"\x00\x00")
        assert raw.read_to_end() == b"\x88\x02\x03\xf0"
        raw.close()
    raw = aws.connect_raw(aws.guest())
    raw.send(b"\x00\x00")
    assert raw.read_to_end() == b""


def test_a_socket_whose_reading_is_paused_hands_nothing_on_until_it_resumes(aws: "Aws") -> None:
    signer = aws.guest()
    raw = aws.connect_raw(signer)
    raw.send(mqtt.encode(mqtt.Connect(signer.identity_id)))
    assert raw.read_frame() == CONNACK
    outlet = next(
        c.outlet
        for c in aws.running.call(lambda: aws.stand_in.broker.connections)
        if c.session.client_id == signer.identity_id
    )
    assert isinstance(outlet, MqttSocket)
    aws.running.call(outlet.pause_reading)
    raw.send(mqtt.encode(mqtt.PingReq()))
    raw.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)
    raw.socket.settimeout(10)
    aws.running.call(outlet.resume_reading)
    assert raw.read_frame() == b"\xd0\x00"


def test_a_client_that_does_not_take_its_farewell_is_cut_off(aws: "Aws") -> None:
    signer = aws.guest()
    stalled = aws.connect_raw(signer)
    stalled.send(mqtt.encode(mqtt.Connect(signer.identity_id)))
    assert stalled.read_frame() == CONNACK
    outlet = next(
        c.outlet
        for c in aws.running.call(lambda: aws.stand_in.broker.connections)
        if c.session.client_id == signer.identity_id
    )
    assert isinstance(outlet, MqttSocket)
    while not aws.running.call(lambda: outlet.is_stalled):
        aws.running.call(lambda: outlet.send(b"\x30\x00" * 10_000))
    stalled.send(b"\x03\xe8", first_byte=0x88)
    begun_s = time.monotonic()
    with pytest.raises(OSError, match=r"Connection reset|Broken pipe"):  # noqa: PT012
        while time.monotonic() - begun_s < 20:
            stalled.socket.sendall(b"\x8a\x80\0\0\0\0")
            select.select([], [], [], 0.05)
    assert 4 < time.monotonic() - begun_s < 10
