"""One client's MQTT conversation as a pure function: state and packet in, state and effects out.

What effects do to other clients (takeover, fan-out) is the `broker`'s; sockets are the `edge`'s.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from bellwire_local.iot import limits, mqtt
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.topics import find_filter_fault, find_topic_fault

MayDo = Callable[[str, str], bool]
"""Action and resource → allowed, for example `("iot:Publish", "topic/prod/public/host")`."""


class DisconnectReason(StrEnum):
    """Why a connection ended, in AWS's words.

    Source: https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    """

    AUTH_ERROR = "AUTH_ERROR"
    CLIENT_INITIATED_DISCONNECT = "CLIENT_INITIATED_DISCONNECT"
    CLIENT_ERROR = "CLIENT_ERROR"
    CONNECTION_LOST = "CONNECTION_LOST"
    DUPLICATE_CLIENTID = "DUPLICATE_CLIENTID"
    FORBIDDEN_ACCESS = "FORBIDDEN_ACCESS"
    MQTT_KEEP_ALIVE_TIMEOUT = "MQTT_KEEP_ALIVE_TIMEOUT"
    SERVER_ERROR = "SERVER_ERROR"
    SERVER_INITIATED_DISCONNECT = "SERVER_INITIATED_DISCONNECT"
    THROTTLED = "THROTTLED"
    WEBSOCKET_TTL_EXPIRATION = "WEBSOCKET_TTL_EXPIRATION"


@dataclass(frozen=True, slots=True)
class Session:
    """What is remembered of one connection; `client_id` is None until CONNECT was accepted."""

    client_id: str | None = None
    keep_alive_s: int = limits.KEEP_ALIVE_MAX_S
    filters: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Send:
    """Write this packet to the client."""

    packet: p.Packet


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The connection now owns this client id; whoever owned it is disconnected."""

    client_id: str


@dataclass(frozen=True, slots=True)
class StartDelivery:
    """Deliver what matches this filter from now on."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class StopDelivery:
    """Deliver what matches this filter no more."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class FanOut:
    """Hand this message to every subscriber."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the connection, after what was sent before has been written."""

    reason: DisconnectReason
    detail: str


Effect = Send | TakeOver | StartDelivery | StopDelivery | FanOut | HangUp
Step = tuple[Session, tuple[Effect, ...]]


def step(session: Session, packet: p.Packet, may_do: MayDo, assigned_id: str) -> Step:
    """Answer one packet.

    Args:
        may_do: what the client's policies say; for CONNECT the action's resource names the id.
        assigned_id: the client id to give a client that sends none, for example `$GEN/<uuid>`.
    """
    if isinstance(packet, p.Connect | p.UnsupportedConnect):
        return _connect(session, packet, may_do, assigned_id)
    if session.client_id is None:  # [MQTT-3.1.0-1]
        return session, _client_error(f"{type(packet).__name__} came before CONNECT")
    match packet:
        case p.Publish():
            return session, _publish(packet, may_do)
        case p.Subscribe():
            return _subscribe(session, packet, may_do)
        case p.Unsubscribe():
            return _unsubscribe(session, packet)
        case p.PingReq():
            return session, (Send(p.PingResp()),)  # [MQTT-3.12.4-1]
        case p.PubAck():
            return session, ()  # nothing of QoS 1 is sent, so nothing waits for this
        case p.Disconnect():
            return session, (
                HangUp(DisconnectReason.CLIENT_INITIATED_DISCONNECT, "the client said goodbye"),
            )
        case _:
            return session, _client_error(f"{type(packet).__name__} is for a server to send")


def restarts_keep_alive(packet: p.Packet) -> bool:
    """Whether this packet counts as a sign of life; AWS names exactly these."""
    return isinstance(packet, p.Publish | p.Subscribe | p.PingReq | p.PubAck | p.Connect)


def effective_keep_alive_s(asked_s: int) -> int:
    """Bring a keep-alive into AWS's range: 0 and more than 1200 become 1200, 1 to 29 become 30."""
    if asked_s == 0:
        return limits.KEEP_ALIVE_MAX_S
    return min(max(asked_s, limits.KEEP_ALIVE_MIN_S), limits.KEEP_ALIVE_MAX_S)


def _client_error(detail: str) -> tuple[Effect, ...]:
    return (HangUp(DisconnectReason.CLIENT_ERROR, detail),)


def _connect(
    session: Session, packet: p.Connect | p.UnsupportedConnect, may_do: MayDo, assigned_id: str
) -> Step:
    if session.client_id is not None:  # [MQTT-3.1.0-2]
        return session, _client_error("a second CONNECT")
    if isinstance(packet, p.UnsupportedConnect):  # [MQTT-3.1.2-2]
        found = (
            f"{packet.protocol_name!r} level {packet.protocol_level}; 'MQTT' level 4 is expected"
        )
        return session, (
            Send(mqtt.ConnAck(p.ReturnCode.UNACCEPTABLE_PROTOCOL)),
            *_client_error(found),
        )
    fault = _find_client_id_fault(packet)
    if fault is not None:
        return session, (
            Send(mqtt.ConnAck(p.ReturnCode.IDENTIFIER_REJECTED)),
            *_client_error(fault),
        )
    client_id = packet.client_id or assigned_id
    if not may_do("iot:Connect", f"client/{client_id}"):
        # AWS closes an MQTT 3.1.1 client that may not connect without a CONNACK.
        detail = f"may not connect as {client_id!r}"
        return session, (HangUp(DisconnectReason.AUTH_ERROR, detail),)
    if packet.will is not None and packet.will.qos == 2:
        return session, _client_error("a last will of QoS 2")
    keep_alive_s = effective_keep_alive_s(packet.keep_alive_s)
    accepted = replace(session, client_id=client_id, keep_alive_s=keep_alive_s)
    return accepted, (TakeOver(client_id), Send(mqtt.ConnAck()))


def _find_client_id_fault(packet: p.Connect) -> str | None:
    size_bytes = len(packet.client_id.encode())
    if size_bytes > limits.STRICT.client_id_bytes:
        most = limits.STRICT.client_id_bytes
        return f"the client id has {size_bytes} bytes; at most {most} are allowed"
    if packet.client_id.startswith("$"):
        return f"the client id {packet.client_id!r} begins with '$'"
    if not packet.client_id and not packet.clean_session:  # [MQTT-3.1.3-8]
        return "an empty client id needs a clean session"
    return None


def _publish(packet: p.Publish, may_do: MayDo) -> tuple[Effect, ...]:
    fault = _find_publish_fault(packet)
    if fault is not None:
        return _client_error(f"PUBLISH to {packet.topic!r}: {fault}")
    if not may_do("iot:Publish", f"topic/{packet.topic}"):
        detail = f"may not publish to {packet.topic!r}"
        return (HangUp(DisconnectReason.AUTH_ERROR, detail),)
    sent = FanOut(packet.topic, packet.payload)
    if packet.qos == 1:  # [MQTT-4.3.2-2]
        return sent, Send(p.PubAck(packet.packet_id))
    return (sent,)


def _find_publish_fault(packet: p.Publish) -> str | None:
    if packet.qos == 2:
        return "QoS 2 is not supported"
    if packet.retain:
        return "retained messages are not kept here yet"
    if packet.topic.startswith("$"):
        return "topics that begin with '$' are reserved"
    if len(packet.payload) > limits.PAYLOAD_BYTES:
        return f"the payload has more than {limits.PAYLOAD_BYTES} bytes"
    return find_topic_fault(packet.topic)


def _subscribe(session: Session, packet: p.Subscribe, may_do: MayDo) -> Step:
    if len(packet.wishes) > limits.STRICT.filters_per_subscribe:
        return session, _client_error(
            f"SUBSCRIBE names {len(packet.wishes)} filters; "
            f"at most {limits.STRICT.filters_per_subscribe} are allowed"
        )
    for wish in packet.wishes:
        fault = "QoS 2 is not supported" if wish.qos == 2 else find_filter_fault(wish.topic_filter)
        if fault is not None:
            return session, _client_error(f"SUBSCRIBE to {wish.topic_filter!r}: {fault}")
    granted = dict(session.filters)
    codes = []
    for topic_filter in (wish.topic_filter for wish in packet.wishes):
        is_full = (
            topic_filter not in granted
            and len(granted) >= limits.STRICT.subscriptions_per_connection
        )
        if is_full or not may_do("iot:Subscribe", f"topicfilter/{topic_filter}"):
            codes.append(p.SUBSCRIPTION_FAILED)
            continue
        granted[topic_filter] = 0  # nothing is delivered with more than QoS 0
        codes.append(0)
    accepted = replace(session, filters=MappingProxyType(granted))
    started = (StartDelivery(name) for name in granted if name not in session.filters)
    # [MQTT-3.8.4-4], [MQTT-3.8.4-5]: one SUBACK, one code per filter, in their order.
    return accepted, (*started, Send(p.SubAck(packet.packet_id, tuple(codes))))


def _unsubscribe(session: Session, packet: p.Unsubscribe) -> Step:
    kept = {name: qos for name, qos in session.filters.items() if name not in packet.filters}
    stopped = (StopDelivery(name) for name in session.filters if name not in kept)
    # [MQTT-3.10.4-4], [MQTT-3.10.4-5]: answered also when nothing was subscribed.
    answer = Send(p.UnsubAck(packet.packet_id))
    return replace(session, filters=MappingProxyType(kept)), (*stopped, answer)
