"""Packets to bytes. What a packet holds is taken as given; only what cannot be written fails."""

from bellwire_local.iot.mqtt import packets as p

MAX_REMAINING_LENGTH = 268_435_455
"""Source: MQTT 3.1.1, 2.2.3, table 2.4."""


def encode(packet: p.Packet) -> bytes:  # noqa: C901 - one flat line per kind of packet
    """Write one packet.

    Raises:
        ValueError: a string is longer than 65,535 bytes, or the packet than 268,435,455.
        TypeError: for `UnsupportedConnect`, which has no wire form of its own.
    """
    match packet:
        case p.Publish():
            return _encode_publish(packet)
        case p.ConnAck():
            return bytes((p.CONNACK << 4, 2, packet.session_present, packet.return_code))
        case p.PubAck():
            return _frame(p.PUBACK << 4, _integer(packet.packet_id))
        case p.SubAck():
            return _frame(p.SUBACK << 4, _integer(packet.packet_id) + bytes(packet.return_codes))
        case p.UnsubAck():
            return _frame(p.UNSUBACK << 4, _integer(packet.packet_id))
        case p.PingReq():
            return bytes((p.PINGREQ << 4, 0))
        case p.PingResp():
            return bytes((p.PINGRESP << 4, 0))
        case p.Disconnect():
            return bytes((p.DISCONNECT << 4, 0))
        case p.Connect():
            return _encode_connect(packet)
        case p.Subscribe():
            filters = b"".join(_text(w.topic_filter) + bytes((w.qos,)) for w in packet.wishes)
            return _frame(p.SUBSCRIBE << 4 | 2, _integer(packet.packet_id) + filters)
        case p.Unsubscribe():
            filters = b"".join(map(_text, packet.filters))
            return _frame(p.UNSUBSCRIBE << 4 | 2, _integer(packet.packet_id) + filters)
        case _:
            raise TypeError(f"{type(packet).__name__} has no wire form")


def _encode_publish(packet: p.Publish) -> bytes:
    flags = packet.dup << 3 | packet.qos << 1 | packet.retain
    packet_id = _integer(packet.packet_id) if packet.qos else b""
    return _frame(p.PUBLISH << 4 | flags, _text(packet.topic) + packet_id + packet.payload)


def _encode_connect(packet: p.Connect) -> bytes:
    flags = packet.clean_session << 1
    payload = _text(packet.client_id)
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | packet.will.retain << 5
        payload += _text(packet.will.topic) + _binary(packet.will.payload)
    if packet.username is not None:
        flags |= 0x80
        payload += _text(packet.username)
    if packet.password is not None:
        flags |= 0x40
        payload += _binary(packet.password)
    header = _text(p.PROTOCOL_NAMES[packet.version]) + bytes((packet.version, flags))
    return _frame(p.CONNECT << 4, header + _integer(packet.keep_alive_s) + payload)


def _frame(first_byte: int, body: bytes) -> bytes:
    length = len(body)
    if length > MAX_REMAINING_LENGTH:
        raise ValueError(f"a packet of {length} bytes; at most {MAX_REMAINING_LENGTH} can be said")
    head = bytearray((first_byte,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def _integer(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _binary(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"a field of {len(value)} bytes; at most 65535 can be said")
    return _integer(len(value)) + value


def _text(value: str) -> bytes:
    return _binary(value.encode())
