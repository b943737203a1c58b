"""Our bytes read and written again by npm `mqtt-packet`, in one node process."""

import json
import subprocess
from pathlib import Path
from random import Random

import pytest

from bellwire_local.iot import mqtt

ORACLE = Path(__file__).with_name("mqtt_packet_oracle.mjs")


def _generate(seed: int, count: int) -> list[tuple[mqtt.Packet, str]]:
    """Draw packets of every kind, the same ones at each run."""
    random = Random(seed)

    def topic() -> str:
        return random.choice(["a", "dev/é/x", "/", "a b", "x" * 256])

    def packet_id() -> int:
        return random.choice([1, 255, 256, 65_535])

    def connect() -> mqtt.Packet:
        username = random.choice([None, "?SDK=x"])
        password = random.choice([None, b"\x00\xff"]) if username else None
        will = random.choice([None, mqtt.Will("a/b", b"gone", random.randrange(3), retain=True)])
        client_id = random.choice(["", "job-1", "é"])
        keep_alive_s = random.randrange(65_536)
        return mqtt.Connect(
            client_id,
            clean_session=True,
            keep_alive_s=keep_alive_s,
            username=username,
            password=password,
            will=will,
        )

    def publish() -> mqtt.Packet:
        qos, payload = random.randrange(3), random.randbytes(random.choice([0, 1, 127, 20_000]))
        dup = bool(qos) and random.random() < 0.5
        return mqtt.Publish(
            topic(), payload, qos, random.random() < 0.5, dup, packet_id() if qos else 0
        )

    def filters() -> tuple[str, ...]:
        return tuple(random.choices(["a", "a/+/c", "#", "é"], k=random.randrange(1, 9)))

    def subscribe() -> mqtt.Packet:
        return mqtt.Subscribe(
            packet_id(), tuple(mqtt.Wish(name, random.randrange(3)) for name in filters())
        )

    def suback() -> mqtt.Packet:
        return mqtt.SubAck(packet_id(), tuple(random.choices([0, 1, 0x80], k=3)))

    kinds = (
        (connect, "connect"),
        (publish, "publish"),
        (subscribe, "subscribe"),
        (suback, "suback"),
        (lambda: mqtt.Unsubscribe(packet_id(), filters()), "unsubscribe"),
        (lambda: mqtt.ConnAck(random.randrange(6), random.random() < 0.5), "connack"),
        (lambda: mqtt.PubAck(packet_id()), "puback"),
        (lambda: mqtt.UnsubAck(packet_id()), "unsuback"),
        (mqtt.PingReq, "pingreq"),
        (mqtt.PingResp, "pingresp"),
        (mqtt.Disconnect, "disconnect"),
    )
    return [(make(), name) for make, name in random.choices(kinds, k=count)]


CASES = _generate(seed=20261123, count=600)


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, object]]:
    lines = "".join(f"{mqtt.encode(packet).hex()}\n" for packet, _ in CASES)
    finished = subprocess.run(
        ["node", str(ORACLE)], input=lines, capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line) for line in finished.stdout.splitlines()]


def test_the_oracle_reads_our_packets(verdicts: list[dict[str, object]]) -> None:
    assert [(v["cmd"], v["count"]) for v in verdicts] == [(name, 1) for _, name in CASES]
    for (packet, _), verdict in zip(CASES, verdicts, strict=True):
        if isinstance(packet, mqtt.Publish):
            assert verdict["topic"] == packet.topic
            assert verdict["payload"] == packet.payload.hex()
            assert verdict["messageId"] == (packet.packet_id or None)
        if isinstance(packet, mqtt.Connect):
            assert verdict["clientId"] == packet.client_id


def test_we_read_what_the_oracle_writes(verdicts: list[dict[str, object]]) -> None:
    for (packet, _), verdict in zip(CASES, verdicts, strict=True):
        written = bytes.fromhex(str(verdict["again"]))
        assert list(mqtt.Decoder(200_000).feed(written)) == [packet]
