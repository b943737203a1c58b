"""A message inside the broker, apart from the packets that bring and carry it."""

import math
from dataclasses import dataclass, replace
from itertools import chain

from bellwire_local.iot.limits import STRICT, Limits
from bellwire_local.iot.mqtt.packets import NO_PROPERTIES, Properties, Publish

_PAIR_BYTES = 64
"""What a user property takes beside its text: a tuple of two and its place."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a publisher said; `properties` are those that travel to subscribers.

    `expires_at_s` is in seconds since 1970; None means never.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES
    expires_at_s: float | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, roughly: payload, topic and properties."""
        size_bytes = len(self.payload) + len(self.topic)
        if self.properties is not NO_PROPERTIES:
            size_bytes += _size_of(self.properties)
        return size_bytes

    def is_expired(self, now_s: float) -> bool:
        """Whether its time is over."""
        return self.expires_at_s is not None and self.expires_at_s <= now_s


def _size_of(properties: Properties) -> int:
    said = (properties.content_type, properties.response_topic, properties.correlation_data)
    texts = (*filter(None, said), *chain.from_iterable(properties.user_properties))
    return sum(map(len, texts)) + _PAIR_BYTES * len(properties.user_properties)


def receive_message(packet: Publish, now_s: float, limits: Limits = STRICT) -> Message:
    """Take a message out of a PUBLISH; `message_expiry_s` of its properties becomes a moment.

    Source: passed through are content type, response topic, correlation data, user properties,
    payload format and expiry: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    """
    said = packet.properties
    if said is NO_PROPERTIES:
        return Message(packet.topic, packet.payload, packet.qos, packet.retain)
    kept = Properties(
        payload_format=said.payload_format,
        content_type=said.content_type,
        response_topic=said.response_topic,
        correlation_data=said.correlation_data,
        user_properties=said.user_properties,
    )
    expires_at_s = expiry_of(said.message_expiry_s, now_s, limits)
    return Message(packet.topic, packet.payload, packet.qos, packet.retain, kept, expires_at_s)


def expiry_of(asked_s: int | None, now_s: float, limits: Limits = STRICT) -> float | None:
    """Turn a message expiry interval into a moment; 0 becomes 1 s, too long becomes the longest."""
    if asked_s is None:
        return None
    return now_s + min(max(asked_s, 1), limits.message_expiry_s)


def packet_of(
    message: Message, now_s: float, *, qos: int = 0, retain: bool = False, packet_id: int = 0
) -> Publish:
    """Word a message for one subscriber.

    The expiry says the whole seconds left, 0 in the last one [MQTT-3.3.2-6].
    """
    properties = message.properties
    if message.expires_at_s is not None:
        left_s = max(0, math.floor(message.expires_at_s - now_s))
        properties = replace(properties, message_expiry_s=left_s)
    return Publish(
        message.topic,
        message.payload,
        qos,
        retain=retain,
        packet_id=packet_id,
        properties=properties,
    )
