"""Connections over HTTPS: what is known of a client, what it subscribes to, and its end.

Source: https://docs.aws.amazon.com/iot/latest/apireference/API_Operations_AWS_IoT_Data_Plane.html
"""

from bellwire_local.http_messages import HttpAnswer
from bellwire_local.iot import http_calls
from bellwire_local.iot.connections import Connection
from bellwire_local.iot.http_calls import Call, DataPlaneRefused, invalid, not_found

CLIENT_ID_CHARACTERS = 128
"""Source: botocore's model of `iot-data`, `ClientId`, whose pattern is `^[^$].*`."""

SUBSCRIPTIONS_PER_PAGE = 20
"""Source: botocore's model of `iot-data`, ListSubscriptions, `maxResults`."""


def get_connection(call: Call) -> HttpAnswer:
    """Return `{"clientId", "connected", …}`; of a client that has left, for 30 minutes.

    `includeSocketInformation` adds the client's address. AWS's own address is not shown, nor does
    the option need a permission of its own, about which the API reference is silent.
    """
    client_id = _read_client_id(call)
    has_socket = http_calls.read_flag(call.query, "includeSocketInformation")
    call.demand("iot:GetConnection", f"client/{client_id}")
    connection = call.broker.find_connection(client_id)
    if connection is not None:
        shown: dict[str, object] = {
            "clientId": client_id,
            "connected": True,
            "cleanSession": connection.clean_session,
            "keepAliveDuration": connection.keep_alive_s,
            "connectedSince": connection.connected_at_ms,
            "sessionExpiry": 0,
        }
        if has_socket:
            shown |= {"sourceIp": connection.source_ip, "sourcePort": connection.source_port}
        return http_calls.accept(shown)
    past = call.broker.find_past(client_id)
    if past is None:
        raise _unknown(client_id)
    shown = {
        "clientId": client_id,
        "connected": False,
        "cleanSession": past.clean_session,
        "keepAliveDuration": past.keep_alive_s,
        "disconnectedSince": past.disconnected_at_ms,
        "disconnectReason": str(past.reason),
        "sessionExpiry": 0,
    }
    return http_calls.accept(shown)


def list_subscriptions(call: Call) -> HttpAnswer:
    """Return `{"subscriptions": [{"topicFilter", "qos"}], "nextToken"}` by filter."""
    page = http_calls.read_page(call.query, default=SUBSCRIPTIONS_PER_PAGE)
    connection = _find(call, "iot:ListSubscriptions")
    filters = connection.session.filters
    names = sorted(name for name in filters if page.after is None or name > page.after)
    shown = names[: page.limit]
    token = http_calls.token_after(shown[-1]) if len(names) > page.limit else None
    listed = [{"topicFilter": name, "qos": filters[name].qos} for name in shown]
    return http_calls.accept({"subscriptions": listed, "nextToken": token})


def delete_connection(call: Call) -> HttpAnswer:
    """Disconnect a client; it may connect again at once.

    Both options are read and have no effect: every session here is clean, and no will is kept.
    """
    for option in ("cleanSession", "preventWillMessage"):
        http_calls.read_flag(call.query, option)
    _find(call, "iot:DeleteConnection")
    call.broker.disconnect(call.label)
    answer = http_calls.accept()
    return HttpAnswer(answer.status, answer.headers)


def refuse_direct_message(_call: Call) -> HttpAnswer:
    """Refuse SendDirectMessage as AWS refuses an operation that it does not have."""
    raise DataPlaneRefused(
        404, "UnknownOperationException", "SendDirectMessage is not emulated here"
    )


def _find(call: Call, action: str) -> Connection:
    client_id = _read_client_id(call)
    call.demand(action, f"client/{client_id}")
    connection = call.broker.find_connection(client_id)
    if connection is None:
        raise _unknown(client_id)
    return connection


def _unknown(client_id: str) -> DataPlaneRefused:
    return not_found(f"The client {client_id!r} is not connected")


def _read_client_id(call: Call) -> str:
    client_id = call.label
    if client_id.startswith("$") or len(client_id) > CLIENT_ID_CHARACTERS:
        raise invalid(
            f"The client id {client_id[:CLIENT_ID_CHARACTERS]!r} is not valid: 1 to "
            f"{CLIENT_ID_CHARACTERS} characters are expected, the first of them no '$'"
        )
    return client_id
