"""Bytes to packets: an incremental decoder that refuses whatever the client's MQTT does not allow.

AWS's limits (payload, topic, QoS 2) are not known here, only how large a packet may be at all.
Clauses are those of MQTT 3.1.1 unless MQTT 5 is named. MQTT 3.1 is held to the rules of 3.1.1,
except where its older text says otherwise.
"""

from collections.abc import Callable, Iterator

from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.mqtt.fields import VARIABLE_INTEGER_BYTES, Cursor
from bellwire_local.iot.mqtt.packets import MalformedPacket, Packet, Reason, Version
from bellwire_local.iot.mqtt.properties import WILL, read_properties

_DUP = 8
_REPEATED_BEFORE_3_1_1 = (p.SUBSCRIBE, p.UNSUBSCRIBE)
"""What a client may send again with DUP. Source: MQTT 3.1, section 2.1, the DUP flag "is set when
the client or server attempts to re-deliver a PUBLISH, PUBREL, SUBSCRIBE or UNSUBSCRIBE message"."""

_VERSIONS = {(name, int(version)): version for version, name in p.PROTOCOL_NAMES.items()}


class Decoder:
    """Turn a stream of bytes into packets, however the stream is cut into pieces.

    `version` is learned from CONNECT, even from one that is malformed further on; until then it
    is None and packets are read as those of 3.1.1. Who reads what a broker sends gives it.
    """

    def __init__(
        self,
        max_packet_bytes: int,
        version: Version | None = None,
        *,
        max_connect_bytes: int | None = None,
    ) -> None:
        self.max_packet_bytes = max_packet_bytes
        """How large a packet may be, its fixed header included, as in MQTT 5, 3.1.2.11.4."""
        self.max_connect_bytes = max_connect_bytes or max_packet_bytes
        """How large CONNECT may be, measured likewise."""
        self.version = version
        self._rest = bytearray()
        self._wanted_bytes = 0

    def feed(self, received: bytes) -> Iterator[Packet]:
        """Yield each packet that is complete once `received` is appended to what came before.

        Consume it to the end before feeding more.

        Raises:
            MalformedPacket: at the first packet that cannot be one, after those before it.
        """
        stream = received
        if self._rest:
            self._rest += received
            if len(self._rest) < self._wanted_bytes:
                return
            stream = bytes(self._rest)
            self._rest.clear()
        start = 0
        while (frame := self._frame_at(stream, start)) is not None:
            body_start, end = frame
            if end > len(stream):
                break
            packet = self._decode(stream[start], stream[body_start:end])
            self._check_shortest_length(stream[start + 1 : body_start])
            yield packet
            start = end
        self._wanted_bytes = 0 if frame is None else frame[1] - start
        self._rest += stream[start:]

    def _frame_at(self, stream: bytes, start: int) -> tuple[int, int] | None:
        """Say where the body of the packet at `start` begins and ends; None if unknown yet."""
        if start < len(stream):  # at once: what cannot become a packet is not waited for
            _check_first_byte(stream[start], self.version)
        length = 0
        for place in range(VARIABLE_INTEGER_BYTES):
            at = start + 1 + place
            if at >= len(stream):
                return None
            length |= (stream[at] & 0x7F) << (7 * place)
            if stream[at] < 0x80:
                self._check_size(stream[start] >> 4, at + 1 - start + length)
                return at + 1, at + 1 + length
        raise MalformedPacket(
            f"the remaining length takes more than {VARIABLE_INTEGER_BYTES} bytes"
        )

    def _check_size(self, kind: int, size_bytes: int) -> None:
        most = self.max_connect_bytes if kind == p.CONNECT else self.max_packet_bytes
        if size_bytes > most:
            raise MalformedPacket(
                f"a packet of type {kind} announces {size_bytes} bytes; "
                f"at most {most} are accepted",
                Reason.PACKET_TOO_LARGE,
            )

    def _check_shortest_length(self, length: bytes) -> None:
        # MQTT 5 [MQTT-1.5.5-1]; checked last, since CONNECT itself says whether that rules.
        if self.version is Version.V5 and len(length) > 1 and not length[-1]:
            raise MalformedPacket("the remaining length is not in its shortest form")

    def _decode(self, first_byte: int, content: bytes) -> Packet:
        cursor, kind = Cursor(content), first_byte >> 4
        if kind == p.CONNECT:
            protocol = cursor.text(), cursor.byte()
            if protocol not in _VERSIONS:
                return p.UnsupportedConnect(*protocol)
            self.version = _VERSIONS[protocol]
        version = self.version or Version.V3_1_1
        if kind == p.PUBLISH:
            return _decode_publish(first_byte & 0x0F, cursor, version)
        packet = _DECODERS[kind][0](cursor, version)
        cursor.close()
        return packet


def _check_first_byte(first_byte: int, version: Version | None) -> None:
    kind, flags = first_byte >> 4, first_byte & 0x0F
    if kind == p.PUBLISH:
        _check_publish_flags(flags)
    elif kind not in _DECODERS:
        # AWS IoT has no QoS 2 and no AUTH; type 0 is no packet in any version.
        is_known = version is Version.V5 and kind != 0
        reason = Reason.PROTOCOL_ERROR if is_known else Reason.MALFORMED_PACKET
        raise MalformedPacket(f"packet type {kind} is not supported", reason)
    elif flags != (expected := _DECODERS[kind][1]):  # [MQTT-2.2.2-2], MQTT 5 [MQTT-2.1.3-1]
        if version is Version.V3_1 and flags == expected | _DUP and kind in _REPEATED_BEFORE_3_1_1:
            return
        raise MalformedPacket(f"packet type {kind} has flags {flags}; {expected} expected")


def _check_publish_flags(flags: int) -> None:
    qos = flags >> 1 & 3
    if qos == 3:  # [MQTT-3.3.1-4]
        raise MalformedPacket("PUBLISH has QoS 3")
    if flags & 8 and qos == 0:  # [MQTT-3.3.1-2]
        raise MalformedPacket("PUBLISH of QoS 0 has the DUP flag")


def _decode_publish(flags: int, cursor: Cursor, version: Version) -> p.Publish:
    qos = flags >> 1 & 3
    topic = cursor.text()
    packet_id = cursor.packet_id() if qos else 0
    properties = _read_properties(cursor, p.PUBLISH, version)
    if "+" in topic or "#" in topic:  # [MQTT-3.3.2-2]
        found = f"PUBLISH to {topic!r}, which is no topic name"
        raise MalformedPacket(found, Reason.TOPIC_NAME_INVALID)
    if not topic and properties.topic_alias is None:  # [MQTT-4.7.3-1], MQTT 5, 3.3.2.1
        raise MalformedPacket("PUBLISH to '', which is no topic name", Reason.PROTOCOL_ERROR)
    retain, dup = bool(flags & 1), bool(flags & 8)
    return p.Publish(topic, cursor.rest(), qos, retain, dup, packet_id, properties)


def _decode_connect(cursor: Cursor, version: Version) -> p.Connect:
    flags = cursor.byte()
    _check_connect_flags(flags, version)
    keep_alive_s = cursor.integer()
    properties = _read_properties(cursor, p.CONNECT, version)
    client_id = cursor.text()
    will = _decode_will(flags, cursor, version) if flags & 0x04 else None
    username = cursor.text() if flags & 0x80 and _is_present(cursor, version) else None
    password = cursor.binary() if flags & 0x40 and _is_present(cursor, version) else None
    clean_session = bool(flags & 0x02)
    return p.Connect(
        client_id, clean_session, keep_alive_s, username, password, will, version, properties
    )


def _check_connect_flags(flags: int, version: Version) -> None:
    has_will, will_bits = bool(flags & 0x04), flags & 0x38
    if flags & 0x01:  # [MQTT-3.1.2-3]
        raise MalformedPacket("the reserved flag of CONNECT is set")
    if not has_will and will_bits:  # [MQTT-3.1.2-11], [MQTT-3.1.2-13], [MQTT-3.1.2-15]
        raise MalformedPacket("CONNECT describes a will that it does not have")
    if flags >> 3 & 3 == 3:  # [MQTT-3.1.2-14]
        raise MalformedPacket("the will has QoS 3")
    # [MQTT-3.1.2-22]; MQTT 5, 3.1.2.9: "This version of the protocol allows" it
    if flags & 0x40 and not flags & 0x80 and version is not Version.V5:
        raise MalformedPacket("CONNECT has a password and no user name")


def _is_present(cursor: Cursor, version: Version) -> bool:
    """Allow MQTT 3.1 to announce a user name or password and not to send it.

    Source: MQTT 3.1, CONNECT, "the Remaining Length field … takes precedence over the User Name
    flag", and likewise over the Password flag.
    """
    return version is not Version.V3_1 or cursor.left > 0


def _decode_will(flags: int, cursor: Cursor, version: Version) -> p.Will:
    properties = _read_properties(cursor, WILL, version)
    topic, payload = cursor.text(), cursor.binary()
    return p.Will(topic, payload, flags >> 3 & 3, bool(flags & 0x20), properties)


def _decode_connack(cursor: Cursor, version: Version) -> p.ConnAck:
    acknowledge_flags, return_code = cursor.byte(), cursor.byte()
    if acknowledge_flags > 1:
        raise MalformedPacket(f"CONNACK has flags {acknowledge_flags}; 0 or 1 expected")
    if version is Version.V5:
        _check_reason("CONNACK", return_code)
    properties = _read_properties(cursor, p.CONNACK, version)
    return p.ConnAck(return_code, bool(acknowledge_flags), properties)


def _decode_puback(cursor: Cursor, version: Version) -> p.PubAck:
    packet_id = cursor.packet_id()
    return p.PubAck(packet_id, *_decode_reason(cursor, "PUBACK", p.PUBACK, version))


def _decode_disconnect(cursor: Cursor, version: Version) -> p.Disconnect:
    return p.Disconnect(*_decode_reason(cursor, "DISCONNECT", p.DISCONNECT, version))


def _decode_reason(
    cursor: Cursor, name: str, packet_type: int, version: Version
) -> tuple[int, p.Properties]:
    """Read a reason and properties, either of which MQTT 5 lets a packet end without.

    Source: MQTT 5, 3.4.2.1, 3.4.2.2.1, 3.14.2.1, 3.14.2.2.1.
    """
    if version is not Version.V5 or not cursor.left:
        return Reason.SUCCESS, p.NO_PROPERTIES
    reason = cursor.byte()
    _check_reason(name, reason)
    if not cursor.left:
        return reason, p.NO_PROPERTIES
    return reason, read_properties(cursor, packet_type)


def _decode_subscribe(cursor: Cursor, version: Version) -> p.Subscribe:
    packet_id = cursor.packet_id()
    properties = _read_properties(cursor, p.SUBSCRIBE, version)
    wishes = []
    while cursor.left:
        wishes.append(_decode_wish(cursor, version))
    if not wishes:  # [MQTT-3.8.3-3]
        raise MalformedPacket("SUBSCRIBE names no filter", Reason.PROTOCOL_ERROR)
    return p.Subscribe(packet_id, tuple(wishes), properties)


def _decode_wish(cursor: Cursor, version: Version) -> p.Wish:
    topic_filter, options = cursor.text(), cursor.byte()
    qos = options & 3
    if options & (0xC0 if version is Version.V5 else 0xFC):  # MQTT 5 [MQTT-3.8.3-5]
        raise MalformedPacket(f"SUBSCRIBE has reserved bits among its options {options:#04x}")
    if qos == 3:  # [MQTT-3.8.3-4]; MQTT 5, 3.8.3.1
        raise MalformedPacket("SUBSCRIBE asks for QoS 3", Reason.PROTOCOL_ERROR)
    no_local, retain_handling = bool(options & 4), options >> 4
    if retain_handling == 3:  # MQTT 5, 3.8.3.1
        raise MalformedPacket("SUBSCRIBE has retain handling 3", Reason.PROTOCOL_ERROR)
    if no_local and topic_filter.startswith("$share/"):  # MQTT 5 [MQTT-3.8.3-4]
        raise MalformedPacket("a shared subscription says no local", Reason.PROTOCOL_ERROR)
    return p.Wish(topic_filter, qos, no_local, bool(options & 8), retain_handling)


def _decode_suback(cursor: Cursor, version: Version) -> p.SubAck:
    packet_id = cursor.packet_id()
    properties = _read_properties(cursor, p.SUBACK, version)
    return_codes = tuple(cursor.rest())
    for code in return_codes:
        if version is Version.V5:
            _check_reason("SUBACK", code)
        elif code not in (0, 1, 2, p.SUBSCRIPTION_FAILED):  # [MQTT-3.9.3-2]
            raise MalformedPacket(f"SUBACK has the reserved code {code}")
    return p.SubAck(packet_id, return_codes, properties)


def _decode_unsubscribe(cursor: Cursor, version: Version) -> p.Unsubscribe:
    packet_id = cursor.packet_id()
    properties = _read_properties(cursor, p.UNSUBSCRIBE, version)
    filters = []
    while cursor.left:
        filters.append(cursor.text())
    if not filters:  # [MQTT-3.10.3-2]
        raise MalformedPacket("UNSUBSCRIBE names no filter", Reason.PROTOCOL_ERROR)
    return p.Unsubscribe(packet_id, tuple(filters), properties)


def _decode_unsuback(cursor: Cursor, version: Version) -> p.UnsubAck:
    packet_id = cursor.packet_id()
    properties = _read_properties(cursor, p.UNSUBACK, version)
    reasons = tuple(cursor.rest()) if version is Version.V5 else ()
    for reason in reasons:
        _check_reason("UNSUBACK", reason)
    return p.UnsubAck(packet_id, reasons, properties)


def _read_properties(cursor: Cursor, packet_type: int, version: Version) -> p.Properties:
    return read_properties(cursor, packet_type) if version is Version.V5 else p.NO_PROPERTIES


def _check_reason(name: str, reason: int) -> None:
    if reason not in _REASONS[name]:
        raise MalformedPacket(f"{name} has the reason {reason:#04x}", Reason.PROTOCOL_ERROR)


# Source: MQTT 5, 3.2.2.2, 3.4.2.1, 3.9.3, 3.11.3 and 3.14.2.1.
_REASONS = {
    name: frozenset(bytes.fromhex(codes))
    for name, codes in {
        "CONNACK": "00 80 81 82 83 84 85 86 87 88 89 8a 8c 90 95 97 99 9a 9b 9c 9d 9f",
        "PUBACK": "00 10 80 83 87 90 91 97 99",
        "SUBACK": "00 01 02 80 83 87 8f 91 97 9e a1 a2",
        "UNSUBACK": "00 11 80 83 87 8f 91",
        "DISCONNECT": "00 04 80 81 82 83 87 89 8b 8d 8e 8f 90 93 94 95 96 97 98 99 9a 9b 9c 9d 9e"
        "9f a0 a1 a2",
    }.items()
}

_DECODERS: dict[int, tuple[Callable[[Cursor, Version], Packet], int]] = {
    p.CONNECT: (_decode_connect, 0),
    p.CONNACK: (_decode_connack, 0),
    p.PUBACK: (_decode_puback, 0),
    p.SUBSCRIBE: (_decode_subscribe, 2),  # [MQTT-3.8.1-1]
    p.SUBACK: (_decode_suback, 0),
    p.UNSUBSCRIBE: (_decode_unsubscribe, 2),  # [MQTT-3.10.1-1]
    p.UNSUBACK: (_decode_unsuback, 0),
    p.PINGREQ: (lambda _cursor, _version: p.PingReq(), 0),
    p.PINGRESP: (lambda _cursor, _version: p.PingResp(), 0),
    p.DISCONNECT: (_decode_disconnect, 0),
}
