"""The properties of MQTT 5: one table of what may be said where, one reader, one writer.

Source: https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, section 2.2.2.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from operator import attrgetter
from typing import Any

from bellwire_local.iot.mqtt import fields
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.mqtt.fields import Cursor
from bellwire_local.iot.mqtt.packets import NO_PROPERTIES, MalformedPacket, Properties, Reason

WILL = 0
"""Stands among the packet types for the will inside CONNECT, which has properties of its own."""


class Form(Enum):
    """How a property's value is written."""

    FLAG = auto()
    """One byte that is 0 or 1, as every property of one byte is."""
    TWO_BYTES = auto()
    FOUR_BYTES = auto()
    VARIABLE = auto()
    BINARY = auto()
    TEXT = auto()
    PAIR = auto()
    """Two strings, name and value."""


@dataclass(frozen=True, slots=True)
class Property:
    """One row of the table; only pairs may be repeated.

    MQTT 5 lets a broker repeat the subscription identifier in a PUBLISH too. AWS IoT has no
    subscription identifiers, so that is refused here.
    """

    identifier: int
    field: str
    form: Form
    packets: frozenset[int]
    zero_is: Reason | None = None
    """What a value of 0 is called, where the standard forbids it."""


def _row(
    identifier: int, field: str, form: Form, *packets: int, zero_is: Reason | None = None
) -> Property:
    return Property(identifier, field, form, frozenset(packets), zero_is)


_MESSAGES = (p.PUBLISH, WILL)
_ANSWERS = (p.CONNACK, p.PUBACK, p.SUBACK, p.UNSUBACK, p.DISCONNECT)
_BOTH_GREETINGS = (p.CONNECT, p.CONNACK)

# Source: table 2-4; the reasons for 0 from 3.1.2.11.3, 3.1.2.11.4, 3.8.2.1.2 and 3.3.2.3.4.
TABLE = (
    _row(0x01, "payload_format", Form.FLAG, *_MESSAGES),
    _row(0x02, "message_expiry_s", Form.FOUR_BYTES, *_MESSAGES),
    _row(0x03, "content_type", Form.TEXT, *_MESSAGES),
    _row(0x08, "response_topic", Form.TEXT, *_MESSAGES),
    _row(0x09, "correlation_data", Form.BINARY, *_MESSAGES),
    _row(
        0x0B,
        "subscription_id",
        Form.VARIABLE,
        p.PUBLISH,
        p.SUBSCRIBE,
        zero_is=Reason.PROTOCOL_ERROR,
    ),
    _row(0x11, "session_expiry_s", Form.FOUR_BYTES, *_BOTH_GREETINGS, p.DISCONNECT),
    _row(0x12, "assigned_client_id", Form.TEXT, p.CONNACK),
    _row(0x13, "server_keep_alive_s", Form.TWO_BYTES, p.CONNACK),
    _row(0x15, "authentication_method", Form.TEXT, *_BOTH_GREETINGS),
    _row(0x16, "authentication_data", Form.BINARY, *_BOTH_GREETINGS),
    _row(0x17, "request_problem_information", Form.FLAG, p.CONNECT),
    _row(0x18, "will_delay_s", Form.FOUR_BYTES, WILL),
    _row(0x19, "request_response_information", Form.FLAG, p.CONNECT),
    _row(0x1A, "response_information", Form.TEXT, p.CONNACK),
    _row(0x1C, "server_reference", Form.TEXT, p.CONNACK, p.DISCONNECT),
    _row(0x1F, "reason_string", Form.TEXT, *_ANSWERS),
    _row(0x21, "receive_maximum", Form.TWO_BYTES, *_BOTH_GREETINGS, zero_is=Reason.PROTOCOL_ERROR),
    _row(0x22, "topic_alias_maximum", Form.TWO_BYTES, *_BOTH_GREETINGS),
    _row(0x23, "topic_alias", Form.TWO_BYTES, p.PUBLISH, zero_is=Reason.TOPIC_ALIAS_INVALID),
    _row(0x24, "maximum_qos", Form.FLAG, p.CONNACK),
    _row(0x25, "retain_available", Form.FLAG, p.CONNACK),
    _row(
        0x26,
        "user_properties",
        Form.PAIR,
        p.CONNECT,
        *_MESSAGES,
        *_ANSWERS,
        p.SUBSCRIBE,
        p.UNSUBSCRIBE,
    ),
    _row(
        0x27,
        "maximum_packet_bytes",
        Form.FOUR_BYTES,
        *_BOTH_GREETINGS,
        zero_is=Reason.PROTOCOL_ERROR,
    ),
    _row(0x28, "wildcard_subscription_available", Form.FLAG, p.CONNACK),
    _row(0x29, "subscription_ids_available", Form.FLAG, p.CONNACK),
    _row(0x2A, "shared_subscription_available", Form.FLAG, p.CONNACK),
)
_BY_IDENTIFIER = {row.identifier: row for row in TABLE}

_READERS: dict[Form, Callable[[Cursor], int | str | bytes]] = {
    Form.FLAG: Cursor.byte,
    Form.TWO_BYTES: Cursor.integer,
    Form.FOUR_BYTES: lambda cursor: cursor.integer(4),
    Form.VARIABLE: Cursor.variable_integer,
    Form.BINARY: Cursor.binary,
    Form.TEXT: Cursor.text,
}

_WRITERS: dict[Form, Callable[[Any], bytes]] = {
    Form.FLAG: lambda value: fields.integer(value, 1),
    Form.TWO_BYTES: fields.integer,
    Form.FOUR_BYTES: lambda value: fields.integer(value, 4),
    Form.VARIABLE: fields.variable_integer,
    Form.BINARY: fields.binary,
    Form.TEXT: fields.text,
}

_SINGLE = tuple(
    (row.identifier, attrgetter(row.field), _WRITERS[row.form])
    for row in TABLE
    if row.form is not Form.PAIR
)
"""Those that come once, looked up beforehand, since fan-out writes them."""


def read_properties(cursor: Cursor, packet_type: int) -> Properties:
    """Read the properties of a packet of this type, or of a `WILL`, with their length before them.

    Raises:
        MalformedPacket: one is unknown, out of place, said twice or out of its range.
    """
    section = Cursor(cursor.take(cursor.variable_integer()))
    if not section.left:
        return NO_PROPERTIES
    found: dict[str, Any] = {}  # a value's type is its field's, by the table
    pairs: list[tuple[str, str]] = []
    while section.left:
        row = _row_of(section.variable_integer(), packet_type)
        if row.form is Form.PAIR:
            pairs.append((section.text(), section.text()))
            continue
        if row.field in found:  # "It is a Protocol Error to include … more than once"
            raise MalformedPacket(f"{row.field} is said more than once", Reason.PROTOCOL_ERROR)
        found[row.field] = value = _READERS[row.form](section)
        _check_value(row, value)
    properties = replace(NO_PROPERTIES, user_properties=tuple(pairs), **found)
    _check_together(properties)
    return properties


def write_properties(properties: Properties) -> bytes:
    """Write properties with their length before them.

    Raises:
        ValueError: one is too long to be said.
    """
    if properties is NO_PROPERTIES:
        return b"\0"
    written = bytearray()
    for identifier, value_in, write in _SINGLE:
        value = value_in(properties)
        if value is not None:
            written.append(identifier)
            written += write(value)
    for name, value in properties.user_properties:
        written += b"\x26" + fields.text(name) + fields.text(value)
    return fields.variable_integer(len(written)) + bytes(written)


def _row_of(identifier: int, packet_type: int) -> Property:
    row = _BY_IDENTIFIER.get(identifier)
    if row is None or packet_type not in row.packets:  # 2.2.2.2: "is a Malformed Packet"
        name = f"property {identifier}" if row is None else row.field
        where = "the will" if packet_type == WILL else f"packet type {packet_type}"
        raise MalformedPacket(f"{name} has no place in {where}")
    return row


def _check_value(row: Property, value: object) -> None:
    if row.form is Form.FLAG and value not in (0, 1):
        raise MalformedPacket(f"{row.field} is {value}; 0 or 1 expected", Reason.PROTOCOL_ERROR)
    if row.zero_is is not None and value == 0:
        raise MalformedPacket(f"{row.field} is 0", row.zero_is)


def _check_together(properties: Properties) -> None:
    response_topic = properties.response_topic
    # [MQTT-3.3.2-14] no wildcards; [MQTT-4.7.3-1] no empty topic name.
    if response_topic is not None and (not response_topic or set(response_topic) & set("+#")):
        raise MalformedPacket(
            f"response_topic is {response_topic!r}, which is no topic name", Reason.PROTOCOL_ERROR
        )
    if properties.authentication_data is not None and properties.authentication_method is None:
        # 3.1.2.11.10
        raise MalformedPacket(
            "authentication_data is said without authentication_method", Reason.PROTOCOL_ERROR
        )
