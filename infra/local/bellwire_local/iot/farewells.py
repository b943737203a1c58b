"""How a connection ends: when it is overdue, and what its client is told. Pure.

Source: https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
"""

from bellwire_local.iot import limits
from bellwire_local.iot.connections import Connection
from bellwire_local.iot.effects import DisconnectReason, HangUp, Session
from bellwire_local.iot.mqtt.packets import Disconnect, Reason

_CODES = {
    DisconnectReason.API_INITIATED_DISCONNECT: Reason.ADMINISTRATIVE_ACTION,
    DisconnectReason.AUTH_ERROR: Reason.NOT_AUTHORIZED,
    DisconnectReason.CLIENT_ERROR: Reason.PROTOCOL_ERROR,
    DisconnectReason.DUPLICATE_CLIENTID: Reason.SESSION_TAKEN_OVER,
    DisconnectReason.FORBIDDEN_ACCESS: Reason.NOT_AUTHORIZED,
    DisconnectReason.MQTT_KEEP_ALIVE_TIMEOUT: Reason.KEEP_ALIVE_TIMEOUT,
    DisconnectReason.SERVER_ERROR: Reason.UNSPECIFIED,
    DisconnectReason.SERVER_INITIATED_DISCONNECT: Reason.SERVER_SHUTTING_DOWN,
    DisconnectReason.THROTTLED: Reason.QUOTA_EXCEEDED,
    DisconnectReason.WEBSOCKET_TTL_EXPIRATION: Reason.ADMINISTRATIVE_ACTION,
}
"""Ours where AWS's list of DISCONNECT codes has nothing closer. Neither a client that left nor one
that is lost is told anything."""


def farewell_for(session: Session, effect: HangUp) -> Disconnect | None:
    """Word the end for a client of MQTT 5 that had connected; the others are told nothing.

    Source: MQTT 5, 3.14; before it a server has no DISCONNECT.
    """
    code = _CODES.get(effect.reason)
    if session.client_id is None or not session.is_v5 or code is None:
        return None
    return Disconnect(code if effect.code is None else effect.code)


def find_overdue(connection: Connection, now_s: float) -> HangUp | None:
    """Say why a connection has to end now, or None."""
    silent_s = now_s - connection.alive_s
    if connection.session.client_id is None:
        if silent_s > limits.CONNECT_PACKET_WAIT_S:
            return HangUp(DisconnectReason.CLIENT_ERROR, "no CONNECT came")
        return None
    if now_s - connection.opened_s > limits.CONNECTION_LIFETIME_S:
        return HangUp(DisconnectReason.WEBSOCKET_TTL_EXPIRATION, "open for 24 hours")
    if silent_s > limits.KEEP_ALIVE_GRACE * connection.keep_alive_s:
        detail = f"silent for {silent_s:.0f} s with a keep-alive of {connection.keep_alive_s} s"
        return HangUp(DisconnectReason.MQTT_KEEP_ALIVE_TIMEOUT, detail)
    return None
