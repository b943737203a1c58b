"""MQTT 3.1, 3.1.1 and 5 as values: bytes in, packets out, and back; no socket, no clock, no broker.

`packets` names what may be said, `decoding` reads it, `encoding` writes it; both stand on
`properties` and `fields`.
Source: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html (clauses as `[MQTT-…]`),
https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html (named as MQTT 5),
https://public.dhe.ibm.com/software/dw/webservices/ws-mqtt/mqtt-v3r1.html (MQTT 3.1).
"""

from bellwire_local.iot.mqtt.decoding import Decoder
from bellwire_local.iot.mqtt.encoding import encode
from bellwire_local.iot.mqtt.packets import (
    NO_PROPERTIES,
    ConnAck,
    Connect,
    Disconnect,
    MalformedPacket,
    Packet,
    PingReq,
    PingResp,
    Properties,
    PubAck,
    Publish,
    Reason,
    ReturnCode,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    UnsupportedConnect,
    Version,
    Will,
    Wish,
)

__all__ = [
    "NO_PROPERTIES",
    "ConnAck",
    "Connect",
    "Decoder",
    "Disconnect",
    "MalformedPacket",
    "Packet",
    "PingReq",
    "PingResp",
    "Properties",
    "PubAck",
    "Publish",
    "Reason",
    "ReturnCode",
    "SubAck",
    "Subscribe",
    "UnsubAck",
    "Unsubscribe",
    "UnsupportedConnect",
    "Version",
    "Will",
    "Wish",
    "encode",
]
