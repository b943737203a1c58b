"""What AWS leaves open, or what reports disagree on: one setting each, with the default we take."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How the broker behaves where no source decides.

    `denied_subscribe`: MQTT 3.1.1; reports up to 2019 saw the connection closed, later ones 0x80.
    `denied_qos0_publish_v5`: a QoS 0 PUBLISH has no answer that could carry the refusal.
    `denied_qos1_publish_v5`: AWS lists 0x87 for PUBACK and for DISCONNECT.
    `beyond_50`: AWS's table says that the connection may be closed, reports see failure codes.
    `overlapping`: copies that a client gets whose filters overlap; MQTT allows both.
    `packets_before_connack`: AWS asks clients to wait; what happens to those that do not is open.
    `redelivers_to_v5`: MQTT 5 forbids to resend on a live connection [MQTT-4.4.0-1], AWS's quota
    page tells of retries for an hour.
    `close_frame_is_initiated`: `clientInitiatedDisconnect` after a bare WebSocket Close frame.
    `unsigned_https`: the status for a request to the data plane whose signature is missing or
    wrong; 403 was seen for a wrong region, Publish declares 401 alone.

    Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html and, for the reports,
    https://github.com/aws/aws-iot-device-sdk-java/issues/113,
    https://github.com/aws/aws-iot-device-sdk-js/issues/112,
    https://github.com/aws-greengrass/aws-greengrass-lite/issues/1176,
    https://github.com/aws/aws-sdk-ruby/issues/1052
    """

    denied_subscribe: Literal["0x80", "close"] = "0x80"
    denied_qos0_publish_v5: Literal["disconnect", "drop"] = "disconnect"
    denied_qos1_publish_v5: Literal["puback", "disconnect"] = "puback"
    beyond_50: Literal["code", "close"] = "code"
    overlapping: Literal["one", "each"] = "one"
    packets_before_connack: Literal["close", "answer"] = "close"
    redelivers_to_v5: bool = False
    close_frame_is_initiated: bool = True
    unsigned_https: Literal["403", "401"] = "403"


DEFAULT_CHOICES = Choices()
