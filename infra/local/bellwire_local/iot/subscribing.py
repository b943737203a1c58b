"""SUBSCRIBE and UNSUBSCRIBE: filter by filter, granted, refused, or the end of the connection.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from bellwire_local.iot import limits
from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    HangUp,
    Rules,
    Send,
    SendRetained,
    Session,
    StartDelivery,
    Step,
    StopDelivery,
    TellSubscribed,
    TellUnsubscribed,
    client_error,
)
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.topics import find_filter_fault, is_wildcard

SHARED_PREFIX = "$share/"
EVENTS_PREFIX = "$aws/"


def subscribe(session: Session, packet: p.Subscribe, rules: Rules) -> Step:
    """Answer a SUBSCRIBE."""
    fault = _find_fault(packet, rules)
    if fault:
        return session, fault
    granted = session.filters.copy()
    codes: list[int] = []
    for wish in packet.wishes:
        answer = _decide(session, granted, wish, rules)
        if isinstance(answer, HangUp):
            return session, (answer,)
        codes.append(answer)
        if answer < p.Reason.UNSPECIFIED:
            granted[wish.topic_filter] = replace(wish, qos=answer)
    accepted = replace(session, filters=MappingProxyType(granted))
    # [MQTT-3.8.4-4], [MQTT-3.8.4-5]: one SUBACK, one code per filter, in their order.
    suback = Send(p.SubAck(packet.packet_id, tuple(codes)))
    wishes = [wish for wish, code in zip(packet.wishes, codes, strict=True) if code < 0x80]
    return accepted, _start(session, granted, wishes, suback)


def unsubscribe(session: Session, packet: p.Unsubscribe, rules: Rules) -> Step:
    """Answer an UNSUBSCRIBE, also when nothing was subscribed [MQTT-3.10.4-5]."""
    most = limits.FILTERS_PER_UNSUBSCRIBE
    if len(packet.filters) > most:
        found = f"UNSUBSCRIBE names {len(packet.filters)} filters; at most {most} are allowed"
        return session, client_error(found, p.Reason.QUOTA_EXCEEDED)
    stopped = tuple(name for name in dict.fromkeys(packet.filters) if name in session.filters)
    reasons = tuple(_reason_for(session, name, rules) for name in packet.filters)
    answer = Send(p.UnsubAck(packet.packet_id, reasons if session.is_v5 else ()))
    if not stopped:
        return session, (answer,)
    kept = session.filters.copy()
    for name in stopped:
        del kept[name]
    effects: tuple[Effect, ...] = (*map(StopDelivery, stopped), answer, TellUnsubscribed(stopped))
    return replace(session, filters=MappingProxyType(kept)), effects


def _find_fault(packet: p.Subscribe, rules: Rules) -> tuple[Effect, ...]:
    if packet.properties.subscription_id is not None:
        code = p.Reason.SUBSCRIPTION_IDS_NOT_SUPPORTED
        return client_error("SUBSCRIBE with a subscription identifier", code)
    most = rules.limits.filters_per_subscribe
    if len(packet.wishes) > most:  # https://github.com/dotnet/MQTTnet/issues/1427: no SUBACK
        found = f"SUBSCRIBE names {len(packet.wishes)} filters; at most {most} are allowed"
        return client_error(found, p.Reason.QUOTA_EXCEEDED)
    for wish in packet.wishes:
        asked = f"SUBSCRIBE to {wish.topic_filter!r}"
        if wish.qos == 2:
            return client_error(f"{asked}: QoS 2 is not supported", p.Reason.QOS_NOT_SUPPORTED)
        fault = _fault_of(wish.topic_filter, rules)
        if fault is not None:
            return client_error(f"{asked}: {fault}", p.Reason.TOPIC_FILTER_INVALID)
    return ()


def _fault_of(topic_filter: str, rules: Rules) -> str | None:
    if topic_filter.startswith(SHARED_PREFIX):
        return None  # refused on its own, not with the connection
    if topic_filter.startswith("$") and not topic_filter.startswith(EVENTS_PREFIX):
        return "of the reserved topics only those under '$aws/' can be subscribed to"
    return find_filter_fault(topic_filter, rules.limits)


def _decide(
    session: Session, granted: Mapping[str, p.Wish], wish: p.Wish, rules: Rules
) -> int | HangUp:
    """Return the code for one filter, or the end of the connection."""
    name, is_v5, failed = wish.topic_filter, session.is_v5, p.SUBSCRIPTION_FAILED
    if name.startswith(SHARED_PREFIX):
        return p.Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED if is_v5 else failed
    most = rules.limits.subscriptions_per_connection
    if name not in granted and len(granted) >= most:
        if rules.choices.beyond_50 == "close":
            detail = f"more than {most} subscriptions"
            return HangUp(DisconnectReason.THROTTLED, detail, p.Reason.QUOTA_EXCEEDED)
        return p.Reason.QUOTA_EXCEEDED if is_v5 else failed
    if rules.may_do("iot:Subscribe", f"topicfilter/{name}"):
        return wish.qos
    if is_v5:
        return p.Reason.NOT_AUTHORIZED
    if rules.choices.denied_subscribe == "close":
        return HangUp(DisconnectReason.AUTH_ERROR, f"may not subscribe to {name!r}")
    return failed


def _start(
    session: Session, granted: Mapping[str, p.Wish], wishes: list[p.Wish], suback: Send
) -> tuple[Effect, ...]:
    started = {wish.topic_filter: granted[wish.topic_filter] for wish in wishes}
    retained = [
        SendRetained(wish)
        for name, wish in started.items()
        if not is_wildcard(name) and _wants_retained(wish, is_new=name not in session.filters)
    ]
    told = (TellSubscribed(tuple(started)),) if started else ()
    return (*map(StartDelivery, started.values()), suback, *retained, *told)


def _wants_retained(wish: p.Wish, *, is_new: bool) -> bool:
    """Source: MQTT 5 [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11]."""
    return wish.retain_handling == 0 or (wish.retain_handling == 1 and is_new)


def _reason_for(session: Session, topic_filter: str, rules: Rules) -> int:
    if topic_filter in session.filters:
        return p.Reason.SUCCESS
    if find_filter_fault(topic_filter, rules.limits) is not None:
        return p.Reason.TOPIC_FILTER_INVALID
    return p.Reason.NO_SUBSCRIPTION_EXISTED
