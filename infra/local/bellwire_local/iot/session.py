"""One client's MQTT conversation as a pure function: state and packet in, state and effects out.

What effects do to other clients (takeover, fan-out) is the `broker`'s; sockets are the `edge`'s.
Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from bellwire_local.iot.connecting import connect
from bellwire_local.iot.effects import (
    DisconnectReason,
    Effect,
    HangUp,
    Rules,
    Send,
    Session,
    Step,
    TakeReceipt,
    client_error,
)
from bellwire_local.iot.mqtt import packets as p
from bellwire_local.iot.publishing import publish
from bellwire_local.iot.subscribing import subscribe, unsubscribe

__all__ = ["DisconnectReason", "Effect", "HangUp", "Rules", "Send", "Session", "step"]


def step(session: Session, packet: p.Packet, rules: Rules) -> Step:
    """Answer one packet."""
    if isinstance(packet, p.Connect | p.UnsupportedConnect):
        return connect(session, packet, rules)
    if session.client_id is None:  # [MQTT-3.1.0-1]
        return session, client_error(f"{type(packet).__name__} came before CONNECT")
    match packet:
        case p.Publish():
            return publish(session, packet, rules)
        case p.Subscribe():
            return subscribe(session, packet, rules)
        case p.Unsubscribe():
            return unsubscribe(session, packet, rules)
        case _:
            return session, _answer(packet)


def restarts_keep_alive(packet: p.Packet) -> bool:
    """Whether this packet counts as a sign of life; AWS names exactly these."""
    return isinstance(packet, p.Publish | p.Subscribe | p.PingReq | p.PubAck | p.Connect)


def _answer(packet: p.Packet) -> tuple[Effect, ...]:
    """Answer what changes nothing in the session."""
    match packet:
        case p.PingReq():
            return (Send(p.PingResp()),)  # [MQTT-3.12.4-1]
        case p.PubAck():
            return (TakeReceipt(packet.packet_id),)
        case p.Disconnect():
            return _say_goodbye(packet)
        case _:
            return client_error(f"{type(packet).__name__} is for a server to send")


def _say_goodbye(packet: p.Disconnect) -> tuple[Effect, ...]:
    if packet.properties.session_expiry_s:  # [MQTT-3.14.2-2]; no session here has an expiry
        return client_error("DISCONNECT raises a session expiry of 0")
    reason = DisconnectReason.CLIENT_INITIATED_DISCONNECT
    return (HangUp(reason, f"the client said goodbye with reason 0x{packet.reason:02x}"),)
