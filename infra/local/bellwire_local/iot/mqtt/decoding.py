"""Bytes to packets: an incremental decoder that refuses whatever MQTT 3.1.1 does not allow.

AWS's limits (payload, topic, QoS 2) are not known here, only how large a packet may be at all.
"""

from collections.abc import Callable, Iterator

from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.mqtt.packets import MalformedPacket, Packet

REMAINING_LENGTH_BYTES = 4
"""Source: MQTT 3.1.1, 2.2.3."""


class Decoder:
    """Turn a stream of bytes into packets, however the stream is cut into pieces."""

    def __init__(self, max_packet_bytes: int) -> None:
        self._max_packet_bytes = max_packet_bytes
        self._rest = b""

    def feed(self, received: bytes) -> Iterator[Packet]:
        """Yield each packet that is complete once `received` is appended to what came before.

        Consume it to the end before feeding more.

        Raises:
            MalformedPacket: at the first packet that cannot be one, after those before it.
        """
        stream = self._rest + received if self._rest else received
        start = 0
        while (frame := _frame_at(stream, start, self._max_packet_bytes)) is not None:
            body_start, end = frame
            if end > len(stream):
                break
            yield _decode(stream[start], stream[body_start:end])
            start = end
        self._rest = stream[start:]


def _frame_at(stream: bytes, start: int, max_packet_bytes: int) -> tuple[int, int] | None:
    """Say where the body of the packet at `start` begins and ends; None if unknown yet."""
    if start < len(stream):
        _check_first_byte(stream[start])  # at once: what cannot become a packet is not waited for
    length = 0
    for place in range(REMAINING_LENGTH_BYTES):
        at = start + 1 + place
        if at >= len(stream):
            return None
        length |= (stream[at] & 0x7F) << (7 * place)
        if stream[at] < 0x80:
            if length > max_packet_bytes:
                raise MalformedPacket(
                    f"a packet announces {length} bytes; at most {max_packet_bytes} are accepted"
                )
            return at + 1, at + 1 + length
    raise MalformedPacket("the remaining length takes more than 4 bytes")


class _Body:
    """A cursor over one packet's body that never reads past its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size_bytes: int) -> bytes:
        end = self._at + size_bytes
        if end > len(self._content):
            raise MalformedPacket(
                f"a field needs {size_bytes} bytes where only {self.left} are left in the packet"
            )
        taken = self._content[self._at : end]
        self._at = end
        return taken

    @property
    def left(self) -> int:
        return len(self._content) - self._at

    def byte(self) -> int:
        return self.take(1)[0]

    def integer(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        return self.take(self.integer())

    def text(self) -> str:
        raw = self.binary()
        try:
            text = raw.decode()  # refuses surrogates too [MQTT-1.5.3-1]
        except UnicodeDecodeError as error:
            raise MalformedPacket(f"a string is not UTF-8: {error}") from error
        if "\0" in text:  # [MQTT-1.5.3-2]
            raise MalformedPacket("a string contains U+0000")
        return text

    def packet_id(self) -> int:
        packet_id = self.integer()
        if packet_id == 0:  # [MQTT-2.3.1-1]
            raise MalformedPacket("the packet identifier is 0")
        return packet_id

    def close(self) -> None:
        if self.left:
            raise MalformedPacket(f"{self.left} bytes are left over at the end of a packet")


def _check_first_byte(first_byte: int) -> None:
    kind, flags = first_byte >> 4, first_byte & 0x0F
    if kind == p.PUBLISH:
        _check_publish_flags(flags)
    elif kind not in _DECODERS:
        raise MalformedPacket(f"packet type {kind} is not supported")
    elif flags != _DECODERS[kind][1]:  # [MQTT-2.2.2-2]
        expected = _DECODERS[kind][1]
        raise MalformedPacket(f"packet type {kind} has flags {flags}; {expected} expected")


def _check_publish_flags(flags: int) -> None:
    qos = flags >> 1 & 3
    if qos == 3:  # [MQTT-3.3.1-4]
        raise MalformedPacket("PUBLISH has QoS 3")
    if flags & 8 and qos == 0:  # [MQTT-3.3.1-2]
        raise MalformedPacket("PUBLISH of QoS 0 has the DUP flag")


def _decode(first_byte: int, content: bytes) -> Packet:
    body = _Body(content)
    if first_byte >> 4 == p.PUBLISH:
        return _decode_publish(first_byte & 0x0F, body)
    packet = _DECODERS[first_byte >> 4][0](body)
    if not isinstance(packet, p.UnsupportedConnect):
        body.close()
    return packet


def _decode_publish(flags: int, body: _Body) -> p.Publish:
    qos = flags >> 1 & 3
    topic = body.text()
    if not topic or "+" in topic or "#" in topic:  # [MQTT-4.7.3-1], [MQTT-3.3.2-2]
        raise MalformedPacket(f"PUBLISH to {topic!r}, which is no topic name")
    packet_id = body.packet_id() if qos else 0
    return p.Publish(topic, body.take(body.left), qos, bool(flags & 1), bool(flags & 8), packet_id)


def _decode_connect(body: _Body) -> p.Connect | p.UnsupportedConnect:
    name, level = body.text(), body.byte()
    if (name, level) != ("MQTT", p.Version.V3_1_1):
        return p.UnsupportedConnect(name, level)
    flags = body.byte()
    _check_connect_flags(flags)
    keep_alive_s = body.integer()
    client_id = body.text()
    will = _decode_will(flags, body) if flags & 0x04 else None
    username = body.text() if flags & 0x80 else None
    password = body.binary() if flags & 0x40 else None
    return p.Connect(client_id, bool(flags & 0x02), keep_alive_s, username, password, will)


def _check_connect_flags(flags: int) -> None:
    has_will, will_bits = bool(flags & 0x04), flags & 0x38
    if flags & 0x01:  # [MQTT-3.1.2-3]
        raise MalformedPacket("the reserved flag of CONNECT is set")
    if not has_will and will_bits:  # [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.2-15]
        raise MalformedPacket("CONNECT describes a will that it does not have")
    if flags >> 3 & 3 == 3:  # [MQTT-3.1.2-14]
        raise MalformedPacket("the will has QoS 3")
    if flags & 0x40 and not flags & 0x80:  # [MQTT-3.1.2-22]
        raise MalformedPacket("CONNECT has a password and no user name")


def _decode_will(flags: int, body: _Body) -> p.Will:
    topic = body.text()
    return p.Will(topic, body.binary(), flags >> 3 & 3, bool(flags & 0x20))


def _decode_connack(body: _Body) -> p.ConnAck:
    acknowledge_flags, return_code = body.byte(), body.byte()
    if acknowledge_flags > 1:
        raise MalformedPacket(f"CONNACK has flags {acknowledge_flags}; 0 or 1 expected")
    return p.ConnAck(return_code, bool(acknowledge_flags))


def _decode_subscribe(body: _Body) -> p.Subscribe:
    packet_id = body.packet_id()
    wishes = []
    while body.left:
        topic_filter, qos = body.text(), body.byte()
        if qos > 2:  # [MQTT-3.8.3-4]
            raise MalformedPacket(f"SUBSCRIBE asks for QoS {qos}")
        wishes.append(p.Wish(topic_filter, qos))
    if not wishes:  # [MQTT-3.8.3-3]
        raise MalformedPacket("SUBSCRIBE names no filter")
    return p.Subscribe(packet_id, tuple(wishes))


def _decode_suback(body: _Body) -> p.SubAck:
    packet_id, return_codes = body.packet_id(), tuple(body.take(body.left))
    for code in return_codes:
        if code not in (0, 1, 2, p.SUBSCRIPTION_FAILED):  # [MQTT-3.9.3-2]
            raise MalformedPacket(f"SUBACK has the reserved code {code}")
    return p.SubAck(packet_id, return_codes)


def _decode_unsubscribe(body: _Body) -> p.Unsubscribe:
    packet_id = body.packet_id()
    filters = []
    while body.left:
        filters.append(body.text())
    if not filters:  # [MQTT-3.10.3-2]
        raise MalformedPacket("UNSUBSCRIBE names no filter")
    return p.Unsubscribe(packet_id, tuple(filters))


_DECODERS: dict[int, tuple[Callable[[_Body], Packet], int]] = {
    p.CONNECT: (_decode_connect, 0),
    p.CONNACK: (_decode_connack, 0),
    p.PUBACK: (lambda body: p.PubAck(body.packet_id()), 0),
    p.SUBSCRIBE: (_decode_subscribe, 2),  # [MQTT-3.8.1-1]
    p.SUBACK: (_decode_suback, 0),
    p.UNSUBSCRIBE: (_decode_unsubscribe, 2),  # [MQTT-3.10.1-1]
    p.UNSUBACK: (lambda body: p.UnsubAck(body.packet_id()), 0),
    p.PINGREQ: (lambda _body: p.PingReq(), 0),
    p.PINGRESP: (lambda _body: p.PingResp(), 0),
    p.DISCONNECT: (lambda _body: p.Disconnect(), 0),
}
