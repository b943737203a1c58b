"""Packets to bytes. What a packet holds is taken as given; only what cannot be written fails."""

from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.mqtt.fields import (
    MAX_VARIABLE_INTEGER,
    binary,
    integer,
    text,
    variable_integer,
)
from bellwire_local.iot.mqtt.packets import NO_PROPERTIES, Properties, Version
from bellwire_local.iot.mqtt.properties import write_properties


def encode(packet: p.Packet, version: Version = Version.V3_1_1) -> bytes:  # noqa: C901 - one flat line per kind of packet
    """Write one packet for a peer that speaks `version`; CONNECT has its own in it.

    What that version cannot say, such as properties before MQTT 5, is left out.

    Raises:
        ValueError: a string is longer than 65,535 bytes, or the packet than 268,435,455.
        TypeError: for `UnsupportedConnect`, which has no wire form of its own.
    """
    match packet:
        case p.Publish():
            return _encode_publish(packet, version)
        case p.ConnAck():
            flags = bytes((packet.session_present, packet.return_code))
            return _frame(p.CONNACK << 4, flags + _properties(packet.properties, version))
        case p.PubAck():
            reason = _reason(packet.reason, packet.properties, version)
            return _frame(p.PUBACK << 4, integer(packet.packet_id) + reason)
        case p.SubAck():
            head = integer(packet.packet_id) + _properties(packet.properties, version)
            return _frame(p.SUBACK << 4, head + bytes(packet.return_codes))
        case p.UnsubAck():
            head = integer(packet.packet_id) + _properties(packet.properties, version)
            reasons = bytes(packet.reasons) if version is Version.V5 else b""
            return _frame(p.UNSUBACK << 4, head + reasons)
        case p.PingReq():
            return bytes((p.PINGREQ << 4, 0))
        case p.PingResp():
            return bytes((p.PINGRESP << 4, 0))
        case p.Disconnect():
            return _frame(p.DISCONNECT << 4, _reason(packet.reason, packet.properties, version))
        case p.Connect():
            return _encode_connect(packet)
        case p.Subscribe():
            head = integer(packet.packet_id) + _properties(packet.properties, version)
            wishes = b"".join(_encode_wish(wish, version) for wish in packet.wishes)
            return _frame(p.SUBSCRIBE << 4 | 2, head + wishes)
        case p.Unsubscribe():
            head = integer(packet.packet_id) + _properties(packet.properties, version)
            return _frame(p.UNSUBSCRIBE << 4 | 2, head + b"".join(map(text, packet.filters)))
        case _:
            raise TypeError(f"{type(packet).__name__} has no wire form")


def _encode_publish(packet: p.Publish, version: Version) -> bytes:
    flags = packet.dup << 3 | packet.qos << 1 | packet.retain
    head = text(packet.topic)
    if packet.qos:
        head += integer(packet.packet_id)
    if version is Version.V5:
        head += write_properties(packet.properties)
    return _frame(p.PUBLISH << 4 | flags, head, packet.payload)


def _encode_connect(packet: p.Connect) -> bytes:
    flags = packet.clean_session << 1
    payload = text(packet.client_id)
    if packet.will is not None:
        flags |= 0x04 | packet.will.qos << 3 | packet.will.retain << 5
        payload += _properties(packet.will.properties, packet.version)
        payload += text(packet.will.topic) + binary(packet.will.payload)
    if packet.username is not None:
        flags |= 0x80
        payload += text(packet.username)
    if packet.password is not None:
        flags |= 0x40
        payload += binary(packet.password)
    header = text(p.PROTOCOL_NAMES[packet.version]) + bytes((packet.version, flags))
    header += integer(packet.keep_alive_s) + _properties(packet.properties, packet.version)
    return _frame(p.CONNECT << 4, header + payload)


def _encode_wish(wish: p.Wish, version: Version) -> bytes:
    options = wish.qos
    if version is Version.V5:  # MQTT 5, 3.8.3.1
        options |= wish.no_local << 2 | wish.retain_as_published << 3 | wish.retain_handling << 4
    return text(wish.topic_filter) + bytes((options,))


def _properties(properties: Properties, version: Version) -> bytes:
    return write_properties(properties) if version is Version.V5 else b""


def _reason(reason: int, properties: Properties, version: Version) -> bytes:
    """Write a reason and properties as shortly as MQTT 5 allows: 3.4.2.1, 3.14.2.1."""
    if version is not Version.V5:
        return b""
    if properties == NO_PROPERTIES:
        return bytes((reason,)) if reason else b""
    return bytes((reason,)) + write_properties(properties)


def _frame(first_byte: int, head: bytes, tail: bytes = b"") -> bytes:
    """Put the fixed header before both; the tail, which may be large, is copied but once."""
    length = len(head) + len(tail)
    if length < 0x80:
        return b"%c%c%b%b" % (first_byte, length, head, tail)
    if length < 0x4000:
        return b"%c%c%c%b%b" % (first_byte, length & 0x7F | 0x80, length >> 7, head, tail)
    if length > MAX_VARIABLE_INTEGER:
        raise ValueError(f"a packet of {length} bytes; at most {MAX_VARIABLE_INTEGER} can be said")
    return bytes((first_byte,)) + variable_integer(length) + head + tail
