"""CONNECT: who is let in, as what, and how a refusal sounds in each version.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from collections.abc import Iterator
from dataclasses import replace

from bellwire_local.iot import limits
from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    HangUp,
    Newcomer,
    RefuseConnect,
    Rules,
    Send,
    Session,
    Step,
    TakeOver,
    client_error,
)
from bellwire_local.iot.mqtt import encode
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.topics import find_topic_fault, is_wildcard


def connect(session: Session, packet: p.Connect | p.UnsupportedConnect, rules: Rules) -> Step:
    """Answer a CONNECT."""
    if session.client_id is not None:  # [MQTT-3.1.0-2]
        return session, client_error("a second CONNECT")
    if isinstance(packet, p.UnsupportedConnect):  # [MQTT-3.1.2-2]
        found = f"{packet.protocol_name!r} level {packet.protocol_level}"
        expected = "'MQIsdp' level 3 or 'MQTT' level 4 or 5"
        return session, (
            Send(p.ConnAck(p.ReturnCode.UNACCEPTABLE_PROTOCOL)),
            *client_error(f"{found}; {expected} is expected"),
        )
    asking = replace(
        session,
        version=packet.version,
        maximum_packet_bytes=packet.properties.maximum_packet_bytes,
    )
    refusal = _find_fault(packet, rules) or _find_denial(packet, rules)
    return (asking, refusal) if refusal else _accept(asking, packet, rules)


def effective_keep_alive_s(asked_s: int) -> int:
    """Bring a keep-alive into AWS's range: 0 and more than 1200 become 1200, 1 to 29 become 30."""
    if asked_s == 0:
        return limits.KEEP_ALIVE_MAX_S
    return min(max(asked_s, limits.KEEP_ALIVE_MIN_S), limits.KEEP_ALIVE_MAX_S)


def _find_fault(packet: p.Connect, rules: Rules) -> tuple[Effect, ...]:
    if packet.properties.authentication_method is not None:
        return _refuse(packet, p.Reason.BAD_AUTHENTICATION_METHOD, "it asks for AUTH packets")
    fault = _find_client_id_fault(packet, rules)
    if fault is not None:
        return _refuse_client_id(packet, fault)
    if packet.will is not None:
        return _find_will_fault(packet, packet.will, rules)
    return ()


def _find_client_id_fault(packet: p.Connect, rules: Rules) -> str | None:
    """Source, beside AWS's quotas: [MQTT-3.1.3-8]; MQTT 3.1 knows no assigned id."""
    size_bytes, most = len(packet.client_id.encode()), rules.limits.client_id_bytes
    if size_bytes > most:
        return f"the client id has {size_bytes} bytes; at most {most} are allowed"
    if packet.client_id.startswith("$"):
        return f"the client id {packet.client_id!r} begins with '$'"
    if packet.client_id or packet.version is p.Version.V5:
        return None
    if packet.version is p.Version.V3_1:
        return "an empty client id; MQTT 3.1 (section 3.1) wants at least one character"
    return None if packet.clean_session else "an empty client id needs a clean session"


def _refuse_client_id(packet: p.Connect, fault: str) -> tuple[Effect, ...]:
    """Source of the reason string: https://github.com/awslabs/aws-c-mqtt/pull/404."""
    if packet.version is p.Version.V5:
        code = p.Reason.CLIENT_ID_NOT_VALID
        return _refuse(packet, code, fault, said="CONNACK:ClientId is invalid")
    return Send(p.ConnAck(p.ReturnCode.IDENTIFIER_REJECTED)), *client_error(fault)


def _find_will_fault(packet: p.Connect, will: p.Will, rules: Rules) -> tuple[Effect, ...]:
    if will.qos == 2:
        return _refuse(packet, p.Reason.QOS_NOT_SUPPORTED, "a last will of QoS 2")
    fault = find_topic_fault(will.topic, rules.limits)
    if will.topic.startswith("$") or is_wildcard(will.topic):
        fault = "it is no topic that a client may publish to"
    if fault is None:
        return ()
    return _refuse(packet, p.Reason.TOPIC_NAME_INVALID, f"the will's topic {will.topic!r}: {fault}")


def _find_denial(packet: p.Connect, rules: Rules) -> tuple[Effect, ...]:
    client_id = packet.client_id or rules.assigned_id
    newcomer = Newcomer(client_id, tuple(_attributes_of(packet)))
    denied = None
    if not rules.may_do("iot:Connect", f"client/{client_id}", newcomer):
        denied = f"may not connect as {client_id!r}"
    elif packet.will is not None and not _may_publish_will(packet.will, newcomer, rules):
        denied = f"may not publish its will to {packet.will.topic!r}"
    if denied is not None:
        code, reason = p.Reason.NOT_AUTHORIZED, DisconnectReason.AUTH_ERROR
        return RefuseConnect(client_id), *_refuse(packet, code, denied, reason)
    if not rules.may_connect_now(client_id):
        detail = f"more than {rules.limits.connects_per_s} CONNECT a second as {client_id!r}"
        return _refuse(packet, p.Reason.QUOTA_EXCEEDED, detail, DisconnectReason.THROTTLED)
    return ()


def _attributes_of(packet: p.Connect) -> Iterator[str]:
    is_v5 = packet.version is p.Version.V5
    if packet.properties.session_expiry_s if is_v5 else not packet.clean_session:
        yield "PersistentConnect"
    if packet.will is not None:
        yield "LastWill"


def _may_publish_will(will: p.Will, newcomer: Newcomer, rules: Rules) -> bool:
    resource = f"topic/{will.topic}"
    if not rules.may_do("iot:Publish", resource, newcomer):
        return False
    return not will.retain or rules.may_do("iot:RetainPublish", resource, newcomer)


def _refuse(
    packet: p.Connect,
    code: p.Reason,
    detail: str,
    reason: DisconnectReason = DisconnectReason.CLIENT_ERROR,
    said: str | None = None,
) -> tuple[Effect, ...]:
    """Word a refusal; before MQTT 5 AWS closes the connection without a CONNACK.

    `detail` is for the log alone: no text about rights reaches a client of AWS, and what a client
    sent may be longer than it could be told.
    Source: https://github.com/aws/aws-iot-device-sdk-js-v2/issues/101
    """
    end = HangUp(reason, detail, code)
    if packet.version is not p.Version.V5:
        return (end,)
    properties = p.NO_PROPERTIES if said is None else p.Properties(reason_string=said)
    return Send(p.ConnAck(code, properties=properties)), end


def _accept(session: Session, packet: p.Connect, rules: Rules) -> Step:
    client_id = packet.client_id or rules.assigned_id
    asked_window = packet.properties.receive_maximum or rules.limits.unacknowledged
    accepted = replace(
        session,
        client_id=client_id,
        keep_alive_s=effective_keep_alive_s(packet.keep_alive_s),
        receive_maximum=min(asked_window, rules.limits.unacknowledged),
    )
    answer = p.ConnAck()  # [MQTT-3.2.2-1]: what was a session is not kept, so none is present
    if session.is_v5:
        answer = p.ConnAck(properties=_server_properties(accepted, packet, rules))
    encoded = encode(answer, session.version)
    if not session.can_take(encoded):
        most = session.maximum_packet_bytes
        detail = f"it takes packets of at most {most} bytes; CONNACK has {len(encoded)}"
        return session, _refuse(packet, p.Reason.PACKET_TOO_LARGE, detail)
    return accepted, (TakeOver(client_id), Send(answer))


def _server_properties(accepted: Session, packet: p.Connect, rules: Rules) -> p.Properties:
    """Say what the server can do.

    Shared subscriptions are 0 here and 1 on AWS; no session outlives its connection here, so that
    a client that asked for more is told 0.
    """
    return p.Properties(
        session_expiry_s=0 if packet.properties.session_expiry_s else None,
        receive_maximum=rules.limits.unacknowledged,
        maximum_qos=1,
        retain_available=1,
        maximum_packet_bytes=rules.limits.packet_bytes,
        assigned_client_id=None if packet.client_id else accepted.client_id,
        topic_alias_maximum=rules.limits.topic_aliases,
        wildcard_subscription_available=1,
        subscription_ids_available=0,
        shared_subscription_available=0,
        server_keep_alive_s=accepted.keep_alive_s,
    )
