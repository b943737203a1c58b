"""The control packets of MQTT 3.1, 3.1.1 and 5 as frozen values; `decoding` checks what may stand
in them.

A packet has the fields of every version; those that a version does not know keep their defaults.
"""

from dataclasses import dataclass
from enum import IntEnum

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT, AUTH = 12, 13, 14, 15


class Version(IntEnum):
    """The protocol level that CONNECT names."""

    V3_1 = 3
    V3_1_1 = 4
    V5 = 5


PROTOCOL_NAMES = {Version.V3_1: "MQIsdp", Version.V3_1_1: "MQTT", Version.V5: "MQTT"}


class ReturnCode(IntEnum):
    """CONNACK's codes before MQTT 5. Source: MQTT 3.1.1, table 3.1."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL = 1
    IDENTIFIER_REJECTED = 2


SUBSCRIPTION_FAILED = 0x80
"""SUBACK's code for a filter that was not granted, before MQTT 5."""


class Reason(IntEnum):
    """MQTT 5 reason codes that AWS IoT uses, with those of section 2.4 that its clients may send.

    Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html, MQTT 5 section 2.4.
    """

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    CLIENT_ID_NOT_VALID = 0x85
    NOT_AUTHORIZED = 0x87
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_IN_USE = 0x91
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    QOS_NOT_SUPPORTED = 0x9B
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1


class MalformedPacket(ValueError):
    """The bytes are no MQTT packet; their connection cannot be read any further.

    `reason` is what MQTT 5 calls it: `MALFORMED_PACKET`, `PROTOCOL_ERROR`, `PACKET_TOO_LARGE`, …
    """

    def __init__(self, message: str, reason: Reason = Reason.MALFORMED_PACKET) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Properties:
    """What MQTT 5 adds to a packet; None (or no pair) means that it was not said.

    Source: https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, section 2.2.2.2.
    """

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_id: int | None = None
    session_expiry_s: int | None = None
    assigned_client_id: str | None = None
    server_keep_alive_s: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_s: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    maximum_packet_bytes: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_ids_available: int | None = None
    shared_subscription_available: int | None = None


NO_PROPERTIES = Properties()


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker is asked to publish when the connection ends badly."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connect:
    """The client's first packet; `clean_session` is what MQTT 5 calls Clean Start."""

    client_id: str
    clean_session: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    version: Version = Version.V3_1_1
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class UnsupportedConnect:
    """A CONNECT of another protocol version, of which nothing after the level was read."""

    protocol_name: str
    protocol_level: int


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The broker's answer to CONNECT; the code is a `ReturnCode`, in MQTT 5 a `Reason`."""

    return_code: int = ReturnCode.ACCEPTED
    session_present: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Publish:
    """A message; `packet_id` is 0 exactly when `qos` is 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class PubAck:
    """The receipt for a PUBLISH of QoS 1."""

    packet_id: int
    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Wish:
    """One filter of a SUBSCRIBE with the highest QoS wanted and MQTT 5's options."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Topic filters, for example `Subscribe(1, (Wish("prod/public/#"),))`."""

    packet_id: int
    wishes: tuple[Wish, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class SubAck:
    """One code per filter asked for: the QoS granted, or why not."""

    packet_id: int
    return_codes: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Topic filters to give up."""

    packet_id: int
    filters: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """The receipt for UNSUBSCRIBE; MQTT 5 has a code per filter."""

    packet_id: int
    reasons: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class PingReq:
    """The client's sign of life."""


@dataclass(frozen=True, slots=True)
class PingResp:
    """The broker's answer to it."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A farewell: before MQTT 5 the client's alone, and without a reason."""

    reason: int = Reason.SUCCESS
    properties: Properties = NO_PROPERTIES


Packet = (
    Connect
    | UnsupportedConnect
    | ConnAck
    | Publish
    | PubAck
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
)
