"""MQTT packets as tests and benchmarks write them by hand, so that no codec of ours is involved.

Sources: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html and
https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, chapters 2 and 3 of both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
PROTOCOL_NAMES = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}


def text(words: str) -> bytes:
    """Write a UTF-8 string with its length before it."""
    encoded = words.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def varint(number: int) -> bytes:
    """Write a variable byte integer, seven bits a byte, the lowest first."""
    written = b""
    while number > 127:
        written += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return written + bytes((number,))


def packet(first_byte: int, body: bytes) -> bytes:
    """Put a fixed header before a body."""
    return bytes((first_byte,)) + varint(len(body)) + body


def connect(
    client_id: str,
    *,
    level: int = 4,
    flags: int = 0x02,
    keep_alive_s: int = 60,
    properties: bytes = b"",
) -> bytes:
    """Write CONNECT; flags 0x02 ask for a clean session."""
    head = text(PROTOCOL_NAMES[level]) + bytes((level, flags)) + keep_alive_s.to_bytes(2, "big")
    return packet(0x10, head + _properties(level, properties) + text(client_id))


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    retain: bool = False,
    packet_id: int = 1,
    level: int = 4,
    properties: bytes = b"",
) -> bytes:
    """Write PUBLISH."""
    identifier = packet_id.to_bytes(2, "big") if qos else b""
    body = text(topic) + identifier + _properties(level, properties) + payload
    return packet(0x30 | qos << 1 | int(retain), body)


def puback(packet_id: int) -> bytes:
    """Write PUBACK in the form that all versions share."""
    return packet(0x40, packet_id.to_bytes(2, "big"))


def subscribe(
    packet_id: int, wishes: Iterable[tuple[str, int]], *, level: int = 4, properties: bytes = b""
) -> bytes:
    """Write SUBSCRIBE; a wish is a filter and its options, before MQTT 5 the QoS alone."""
    wished = b"".join(text(name) + bytes((options,)) for name, options in wishes)
    return packet(0x82, packet_id.to_bytes(2, "big") + _properties(level, properties) + wished)


def unsubscribe(packet_id: int, filters: Sequence[str], *, level: int = 4) -> bytes:
    """Write UNSUBSCRIBE."""
    names = b"".join(map(text, filters))
    return packet(0xA2, packet_id.to_bytes(2, "big") + _properties(level, b"") + names)


def _properties(level: int, properties: bytes) -> bytes:
    return varint(len(properties)) + properties if level == 5 else b""


@dataclass(frozen=True)
class Received:
    """A packet cut at its fixed header; `kind` is its type's number, 3 for PUBLISH."""

    kind: int
    flags: int
    body: bytes


def split(stream: bytes) -> tuple[list[Received], bytes]:
    """Cut a stream into its whole packets and what is left over."""
    packets = []
    while (cut := _cut(stream)) is not None:
        start, end = cut
        packets.append(Received(stream[0] >> 4, stream[0] & 0x0F, stream[start:end]))
        stream = stream[end:]
    return packets, stream


def _cut(stream: bytes) -> tuple[int, int] | None:
    size = 0
    for position in range(1, min(5, len(stream))):
        size |= (stream[position] & 0x7F) << 7 * (position - 1)
        if stream[position] < 0x80:
            end = position + 1 + size
            return (position + 1, end) if end <= len(stream) else None
    return None
