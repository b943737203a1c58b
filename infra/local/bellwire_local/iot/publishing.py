"""PUBLISH from a client: aliases, topics, sizes, rates and rights.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from dataclasses import replace
from types import MappingProxyType

from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    FanOut,
    HangUp,
    Rules,
    Send,
    Session,
    Step,
    client_error,
)
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.topics import find_topic_fault

_Fault = tuple[p.Reason, str]


def publish(session: Session, packet: p.Publish, rules: Rules) -> Step:
    """Take in a message; at QoS 1 the receipt follows at once, so none is ever unacknowledged."""
    resolved = _resolve_alias(session, packet, rules)
    if not isinstance(resolved, Session):
        code, detail = resolved
        return session, client_error(f"PUBLISH: {detail}", code)
    alias = packet.properties.topic_alias
    if alias is not None:
        properties = replace(packet.properties, topic_alias=None)
        packet = replace(packet, topic=resolved.aliases[alias], properties=properties)
    return resolved, _take_in(resolved, packet, rules)


def _resolve_alias(session: Session, packet: p.Publish, rules: Rules) -> Session | _Fault:
    alias = packet.properties.topic_alias
    if alias is None:
        return session
    most = rules.limits.topic_aliases
    if not 1 <= alias <= most:  # [MQTT-3.3.2-9]
        return p.Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias}; 1 to {most} are allowed"
    if packet.topic:
        aliases = MappingProxyType({**session.aliases, alias: packet.topic})
        return replace(session, aliases=aliases)
    if alias not in session.aliases:
        return p.Reason.PROTOCOL_ERROR, f"topic alias {alias} stands for no topic yet"
    return session


def _take_in(session: Session, packet: p.Publish, rules: Rules) -> tuple[Effect, ...]:
    fault = _find_fault(packet, rules)
    if fault is not None:
        code, detail = fault
        return client_error(f"PUBLISH to {packet.topic!r}: {detail}", code)
    if not rules.may_publish_now():  # the excess is discarded and not acknowledged
        return ()
    resource = f"topic/{packet.topic}"
    actions = ("iot:Publish", "iot:RetainPublish") if packet.retain else ("iot:Publish",)
    if not all(rules.may_do(action, resource) for action in actions):
        return _deny(session, packet, rules)
    if packet.qos == 0:
        return (FanOut(packet),)
    return FanOut(packet), Send(p.PubAck(packet.packet_id))  # [MQTT-4.3.2-2]


def _find_fault(packet: p.Publish, rules: Rules) -> _Fault | None:
    if packet.qos == 2:
        return p.Reason.QOS_NOT_SUPPORTED, "QoS 2 is not supported"
    if packet.topic.startswith("$"):
        return p.Reason.TOPIC_NAME_INVALID, "topics that begin with '$' are reserved"
    most = rules.limits.payload_bytes
    if len(packet.payload) > most:
        return p.Reason.PACKET_TOO_LARGE, f"the payload has more than {most} bytes"
    fault = find_topic_fault(packet.topic, rules.limits)
    return None if fault is None else (p.Reason.TOPIC_NAME_INVALID, fault)


def _deny(session: Session, packet: p.Publish, rules: Rules) -> tuple[Effect, ...]:
    """Source: https://github.com/aws/aws-iot-device-sdk-python-v2/issues/260 for MQTT 3.1.1."""
    code, choices = p.Reason.NOT_AUTHORIZED, rules.choices
    if session.is_v5 and packet.qos == 1 and choices.denied_qos1_publish_v5 == "puback":
        return (Send(p.PubAck(packet.packet_id, code)),)
    if session.is_v5 and packet.qos == 0 and choices.denied_qos0_publish_v5 == "drop":
        return ()
    words = "retain" if packet.retain else "publish"
    detail = f"may not {words} to {packet.topic!r}"
    return (HangUp(DisconnectReason.AUTH_ERROR, detail, code),)
