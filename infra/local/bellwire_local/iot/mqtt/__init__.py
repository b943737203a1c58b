"""MQTT 3.1.1 as values: bytes in, packets out, and back; no socket, no clock, no broker.

`packets` names what may be said, `decoding` reads it, `encoding` writes it.
Source: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html (clauses as `[MQTT-…]`).
"""

from bellwire_local.iot.mqtt.decoding import Decoder
from bellwire_local.iot.mqtt.encoding import encode
from bellwire_local.iot.mqtt.packets import (
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
